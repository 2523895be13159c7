"""Kill runs of the gate, and recordings, at random moments with all their processes, and look at what they leave.

    python tests/fuzz/kills.py --kills 50 --seed 0 --seconds 3600 [--only run]

A run judges the demo, with two workers or none. Killed at whatever moment, it must leave no verdict but a whole one, no
complete one but the undisturbed run's, and no damaged evidence; the next run in the same folder must end by itself,
with the undisturbed run's verdict. A recording begins in an empty folder, or replaces what is there after the market
was revised. Of each series (hours, of stocks half hours too) the old bars or the new ones must replay (or, where there
were none, nothing be on record), and of each company the old or the new corporate actions; the next recording must end
with the new ones. Prints a line per fault, and a table; the exit status is 1 if there was any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]

from marketsim.server import serve
from support.archives import pack_unopened
from support.market_factory import random_walk
from support.market_factory import served as series_of
from support.plugin_helpers import AS_OF

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.cassettes.files import entries_of
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.verdict.reader import read_verdict
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.records import WindowFailure
from pytest_modelgate.core.market.corporate_actions import CorporateAction
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.planning.plan import market_requests, when
from pytest_modelgate.errors import GateError
from pytest_modelgate.services.replaying import replay_actions, replay_bars

DEMO = ROOT / "examples" / "demo_archive.zip"
WORKERS = ("-n0", "-n2")
SYMBOLS = ("AAPL", "BTCUSD", "ETHUSD", "MSFT")
HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
Actions = tuple[CorporateAction, ...] | None
_HANGS = 600.0  # seconds after which a command that nobody disturbs is taken for one that waits for ever
_RECORD = "import sys; from pytest_modelgate.cli.main import main; sys.exit(main(sys.argv[1:]))"


class FaultError(Exception):
    """A promise was broken."""


@dataclass
class Command:
    """A command with its processes.

    Attributes:
        arguments: of Python.
        folder: where it is called.
        environment: beside the one that is there.
    """

    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, at the head of a group of its own."""
        log = (self.folder / "log.txt").open("wb")
        environment = {**os.environ, "TMPDIR": str(self.folder), **self.environment}
        return subprocess.Popen(
            [sys.executable, *self.arguments],
            cwd=self.folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def run(self) -> tuple[int, float]:
        """Exit status and seconds of it, undisturbed.

        Raises:
            FaultError: it does not end by itself.
        """
        begun = time.monotonic()
        process = self.start()
        try:
            status = process.wait(_HANGS)
        except subprocess.TimeoutExpired:
            raise FaultError("hangs") from None
        finally:
            end(process)
        return status, time.monotonic() - begun

    def kill(self, after: float) -> bool:
        """Kill it and all that it started after so many seconds; whether it was still at work."""
        process = self.start()
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            return True
        finally:
            end(process)
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a group of processes, and wait for its head."""
    with suppress(ProcessLookupError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Runs:
    """Kills of a run of the gate."""

    def __init__(self, place: Path) -> None:
        self.seconds: dict[str, float] = {}
        self.digest = ""
        for workers in WORKERS:
            folder = place / f"undisturbed{workers}"
            folder.mkdir()
            status, self.seconds[workers] = self._command(folder, workers).run()
            self.digest = self._finished(folder, status)

    def once(self, folder: Path, rng: random.Random) -> str:
        """One kill, or two in a row, and what follows; says in which state they found the run."""
        state = ""
        for _ in range(rng.choice((1, 1, 2))):
            workers = rng.choice(WORKERS)
            at_work = self._command(folder, workers).kill(rng.uniform(0.0, self.seconds[workers]))
            state = self._left(folder) if at_work else "already over"
        status, _ = self._command(folder, rng.choice(WORKERS)).run()
        if self._finished(folder, status) != self.digest:
            raise FaultError("the next run ends in another verdict")
        return state

    @staticmethod
    def _command(folder: Path, workers: str) -> Command:
        options = (f"--model-archive={DEMO}", f"--gate-cassettes={ROOT / 'cassettes'}", "-q", workers)
        return Command(("-m", "pytest", "-p", "no:randomly", *options), folder)

    def _finished(self, folder: Path, status: int) -> str:
        """Digest of the verdict that an undisturbed run leaves."""
        if status != 1:
            last = (folder / "log.txt").read_text(errors="replace").strip().splitlines()[-1:]
            raise FaultError(f"the next run ends with status {status}: {last}")
        verdict = read_verdict(folder / "gate-report" / "verdict.json")
        if verdict.complete is not True:
            raise FaultError(f"the next run is incomplete: {verdict.complete}")
        return verdict.digest

    def _left(self, folder: Path) -> str:
        output = folder / "gate-report"
        records = [path for path in sorted(output.glob("evidence/*/*.json")) if not path.name.startswith(".")]
        for path in records:
            model, window, _ = path.name.split(".")
            found = EvidenceStore(output / "evidence", path.parent.name).read(model, window)
            if found is None or (isinstance(found, WindowFailure) and "sudden end" not in found.problem):
                raise FaultError(f"evidence {path.name} is left behind unusable: {found}")
        if not (output / "verdict.json").exists():
            return "before any verdict"
        verdict = read_verdict(output / "verdict.json")
        if verdict.complete is not True:
            return "while evaluating" if records else "before any evidence"
        if verdict.digest != self.digest:
            raise FaultError("a complete verdict of another digest is left behind")
        return "after its verdict"


class Records:
    """Kills of ``modelgate record``; the market is served by this process."""

    def __init__(self, place: Path, urls: tuple[str, str]) -> None:
        self._archive = pack_unopened(
            place,
            [ModelArtifact(symbol=symbol, timeframe="1Hour", checkpoint=b"-", history=HISTORY) for symbol in SYMBOLS],
            trained_at=AS_OF,
        )
        settings = Settings(archive=self._archive, output=place, cassettes=place)
        with open_archive(self._archive) as archive:
            self._requests = market_requests(archive.run, settings, when(archive.run, settings))
        self._urls, self.seconds = urls, 0.0
        self._bars: list[dict[MarketRequest, str]] = []
        self._actions: list[dict[MarketRequest, Actions]] = []
        for which in (0, 1):
            folder = place / f"market{which}"
            folder.mkdir()
            self.seconds = self._record(folder, which)
            self._bars.append({request: self._replayed(folder, request) for request in self._requests})
            self._actions.append({request: self._listed(folder, request) for request in self._requests})
        if self._actions[0] == self._actions[1]:
            raise FaultError("both markets list the same corporate actions, so none could be told from the other")
        self._old = place / "market0" / "cassettes"

    def once(self, folder: Path, rng: random.Random) -> str:
        """One kill and the recording that follows; says what it found."""
        anew = rng.random() < 0.7
        if anew:
            shutil.copytree(self._old, folder / "cassettes")
        options = ("--record-mode=all",) if anew else ()
        at_work = self._command(folder, 1, *options).kill(rng.uniform(0.0, self.seconds))
        found = Counter(self._state(folder, request, anew=anew) for request in self._requests)
        self._record(folder, 1, *options)
        for request in self._requests:
            if self._replayed(folder, request) != self._bars[1][request]:
                raise FaultError(f"the next recording leaves other bars of {request}")
            if self._listed(folder, request) != self._actions[1][request]:
                raise FaultError(f"the next recording leaves other corporate actions of {request}")
        state = "between series" if len(found) > 1 else f"all {next(iter(found))}"
        return f"{'anew' if anew else 'first'}, {state if at_work else 'already over'}"

    def _state(self, folder: Path, request: MarketRequest, *, anew: bool) -> str:
        old = self._actions[0][request] if anew else None
        if self._listed(folder, request) not in (old, self._actions[1][request]):
            raise FaultError(f"the corporate actions of {request} are such as nobody served, or are gone")
        if not entries_of(folder / "cassettes", request):
            if anew:
                raise FaultError(f"{request} is no longer on record")
            return "missing"
        bars = self._replayed(folder, request)
        if bars == self._bars[1][request]:
            return "new"
        if not anew or bars != self._bars[0][request]:
            raise FaultError(f"{request} replays as bars that nobody served")
        return "old"

    @staticmethod
    def _replayed(folder: Path, request: MarketRequest) -> str:
        return replay_bars(request, folder / "cassettes").sha256

    @staticmethod
    def _listed(folder: Path, request: MarketRequest) -> Actions:
        return replay_actions(request, folder / "cassettes")

    def _record(self, folder: Path, which: int, *options: str) -> float:
        status, seconds = self._command(folder, which, *options).run()
        if status:
            raise FaultError(f"the next recording ends with status {status}: {(folder / 'log.txt').read_text()[-300:]}")
        return seconds

    def _command(self, folder: Path, which: int, *options: str) -> Command:
        keys = {"APCA_API_KEY_ID": "PKTESTKEY", "APCA_API_SECRET_KEY": "s3cr3t-s3cr3t"}
        words = ("record", str(self._archive), "--requests-per-minute=100000", *options)
        return Command(("-c", _RECORD, *words), folder, {**keys, "APCA_API_DATA_URL": self._urls[which]})


def _renamed(symbol: str, day: str) -> dict[str, str]:
    """A change of name that leaves a company's bars its own."""
    return {"old_symbol": "OLD", "old_cusip": "1", "new_symbol": symbol, "new_cusip": "1", "process_date": day}


@contextmanager
def markets() -> Iterator[tuple[str, str]]:
    """A market, and the same after all of its past was revised; pages are small, so that recording takes its time."""
    served = [
        {key: frame for number, symbol in enumerate(SYMBOLS)
         for key, frame in series_of(symbol, random_walk("2023-10-01", 24 * 460, seed=10 * number + which)).items()}
        for which in (1, 2)
    ]  # fmt: skip
    listed = [{"name_changes": [_renamed(symbol, day) for symbol in SYMBOLS]} for day in ("2024-03-01", "2024-06-03")]
    opened = [
        serve(market, page_size=1000, crypto_page_size=1000, actions=actions)
        for market, actions in zip(served, listed, strict=True)
    ]
    with opened[0] as old, opened[1] as new:
        yield old.url, new.url


def campaign(
    name: str, once: Callable[[Path, random.Random], str], place: Path, options: argparse.Namespace, until: float
) -> tuple[Counter[str], int]:
    """Kill so often, or until the time is over; states that were met, and the number of faults."""
    met, faults = Counter[str](), 0
    for number in range(options.kills):
        if time.monotonic() > until:
            break
        folder = place / f"{name}{number}"
        folder.mkdir()
        try:
            met[once(folder, random.Random(f"{options.seed}/{name}/{number}"))] += 1
        except (FaultError, GateError, ValueError, OSError, json.JSONDecodeError) as error:
            faults += 1
            kept = shutil.move(folder, tempfile.mkdtemp(prefix="modelgate-kill-"))
            print(f"FAULT {name} {number}, seed {options.seed}: {error} (see {kept})", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    return met, faults


def main() -> int:
    """Run the campaigns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600.0, help="of kills of each kind, at most")
    parser.add_argument("--only", choices=("run", "record"))
    options = parser.parse_args()
    every = 0
    with tempfile.TemporaryDirectory(prefix="modelgate-kills-") as name, markets() as urls:
        place = Path(name)
        for kind in ("run", "record") if options.only is None else (options.only,):
            once = Runs(place).once if kind == "run" else Records(place, urls).once
            begun = time.monotonic()
            met, faults = campaign(kind, once, place, options, begun + options.seconds)
            spent = time.monotonic() - begun
            print(f"{kind}: {met.total() + faults} kills, {faults} faults, {spent:.0f} s", flush=True)
            for state, count in sorted(met.items()):
                print(f"    {state:<28} {count:>4}")
            every += faults
    return 1 if every else 0


if __name__ == "__main__":
    sys.exit(main())
