"""Steps that plan, record, evaluate and decide."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelgate.cli.ci.moving import file_sha256
from pytest_modelgate.errors import ArchiveError, MarketDataError, SettingsError
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pydantic, which --help must not pay for
    from pytest_modelgate.adapters.plan_file import PlanFile
    from pytest_modelgate.adapters.verdict.schema import Verdict

_SUITE = "model_tests"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MOST_SHARDS = 99
_KEPT_AWAY = (
    *("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "ALPACA_KEYS_FILE", "GH_TOKEN", "GITHUB_TOKEN"),
    *("ARCHIVE_URL", "ARCHIVE_AUTHORIZATION", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN"),
    *("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE"),  # what steps after this one, and jobs, believe
)
_MOST_MARKS = 10  # of a kind, in one step; GitHub drops the rest
_BLOCKED = 1  # pytest's status when a test failed: which models that blocks, the verdict says


def add_judging(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    """Declare the commands."""
    plan = commands.add_parser("plan", help="find the archive, and say what there is to do")
    plan.add_argument("folder", type=Path, help="holds the archive, and nothing else")
    plan.add_argument("--shards", type=int, required=True, metavar="N", help="machines at most")
    plan.add_argument("--as-of", default="", metavar="DATE", help="day to judge as of (default: as the gate does)")
    plan.add_argument("--plan", type=Path, required=True, metavar="FILE", help="where the plan is written")
    _add_terms(plan)
    plan.set_defaults(run=_plan)
    record = commands.add_parser("record", help="record what a plan says is missing")
    record.add_argument("plan", type=Path, help="as the step before wrote it")
    record.add_argument("archive", type=Path, help="the archive it is about")
    record.add_argument("--sha256", default="", metavar="DIGEST", help="of the plan (default: whatever is there)")
    record.add_argument("--cassettes", type=Path, required=True, metavar="DIR", help="where recordings are kept")
    record.set_defaults(run=_record)
    shard = commands.add_parser("shard", help="evaluate the share of one machine")
    shard.add_argument("archive", type=Path, help="the archive")
    shard.add_argument("--shard", required=True, metavar="i/n", help="which share")
    shard.add_argument("--output", required=True, metavar="DIR", help="where evidence is left")
    _add_terms(shard)
    shard.set_defaults(run=_shard)
    merge = commands.add_parser("merge", help="decide from the evidence of all machines")
    merge.add_argument("archive", type=Path, help="the archive")
    merge.add_argument("--evidence", type=Path, required=True, metavar="DIR", help="what the machines left")
    merge.add_argument("--output", type=Path, required=True, metavar="DIR", help="where verdict and report are written")
    _add_terms(merge)
    merge.set_defaults(run=_merge)


def _add_terms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minimum", choices=("live", "paper"), required=True, help="least decision that passes")
    parser.add_argument("--cassettes", type=Path, required=True, metavar="DIR", help="where recordings are kept")
    parser.add_argument("--sha256", default="", metavar="DIGEST", help="of the recordings (default: whatever is there)")


def _plan(options: argparse.Namespace) -> int:
    """Plan; 0, or pytest's status where something could not be collected."""
    from pytest_modelgate.adapters.plan_file import read_plan

    archive = the_archive(options.folder)
    if not 1 <= options.shards <= _MOST_SHARDS:
        raise SettingsError(
            "--shards", f"is {options.shards}, expected 1 to {_MOST_SHARDS}", "Correct the input shards"
        )
    cassettes, judged = tree_sha256(options.cassettes), file_sha256(archive)
    as_of = [f"--gate-as-of={options.as_of}"] if options.as_of else []
    status = gate(archive, options, *as_of, f"--gate-plan={options.plan}", "--quiet")
    if status:
        return status
    plan = read_plan(options.plan)
    if plan.sha256 != judged:
        raise ArchiveError(str(archive), "has changed while it was read", "Run the job again")
    shards = list(range(1, min(options.shards, plan.pieces) + 1))
    outputs = {
        "archive": archive.as_posix(),
        "sha256": judged,
        "shards": json.dumps(shards, separators=(",", ":")),
        "count": str(len(shards)),
        "missing": json.dumps(bool(plan.missing)),
        "cassettes": cassettes,
        "plan": file_sha256(options.plan),
    }
    _hand_on(outputs)
    told = f"{len(plan.judged)} of {len(plan.models)} models to judge on {len(shards)} machines"
    print(terminal_safe(f"{plan.archive}: {told}, {len(plan.missing)} series to record first"))
    for series in plan.missing:
        print(terminal_safe(f"  {series}"))
    return 0


def _record(options: argparse.Namespace) -> int:
    """Record; what cannot be leaves its models without a verdict, and does not keep the others from theirs."""
    from pytest_modelgate.adapters.plan_file import read_plan

    if options.sha256 and (found := file_sha256(options.plan)) != options.sha256:
        problem = f"has sha256 {found[:12]}..., expected {options.sha256[:12]}..."
        raise SettingsError(f"plan {options.plan}", problem, "Run all jobs again, on what one job planned")
    record_planned(read_plan(options.plan), options.archive, options.cassettes)
    _hand_on({"cassettes": tree_sha256(options.cassettes)})
    return 0


def record_planned(plan: PlanFile, archive: Path, cassettes: Path, models: Collection[str] | None = None) -> None:
    """Record what the models of a plan are judged on.

    Args:
        models: ids of those that count; None for all.

    Raises:
        MarketDataError: nothing at all could be recorded.
        SettingsError: the keys are missing or unusable.
    """
    from pytest_modelgate.adapters.github import annotation
    from pytest_modelgate.cli.record import add_record, record_series

    parser = argparse.ArgumentParser(prog="modelgate record")
    add_record(parser)
    chosen = [f"--model={model}" for model in plan.judged if models is None or model in models]
    words = [str(archive), *plan.recording, f"--as-of={plan.as_of}", f"--cassettes={cassettes}", *chosen]
    counts = record_series(parser.parse_args(words))
    if counts["failed"] and counts.total() == counts["failed"]:
        problem = f"none of {counts['failed']} series could be recorded"
        raise MarketDataError("market data", problem, "See above what was answered")
    if lost := counts["failed"] + counts["unfit"]:
        print(annotation("warning", "Market data", f"{lost} series are missing or unfit: their models get no verdict"))


def _shard(options: argparse.Namespace) -> int:
    return _unless_broken(gate(options.archive, options, f"--gate-shard={options.shard}", "-n", "auto"))


def _merge(options: argparse.Namespace) -> int:
    """Decide; 0 when there is a verdict, whatever it says."""
    from pytest_modelgate.adapters.verdict.reader import read_verdict

    options.evidence.mkdir(parents=True, exist_ok=True)  # no machine left any where there was nothing to do
    status = gate(options.archive, options, "--gate-merge", f"--gate-evidence={options.evidence}")
    path = options.output / "verdict.json"
    verdict = read_verdict(path)
    for line in _marks(verdict):
        print(line)
    _hand_on(
        {
            "complete": json.dumps(verdict.complete is True),
            "promotable": json.dumps(list(verdict.promotable), separators=(",", ":")),
            "digest": verdict.digest,
            "sha256": sha256(path.read_bytes()).hexdigest(),
        }
    )
    return _unless_broken(status)


def _marks(verdict: Verdict) -> Iterator[str]:
    """Marks on the run's page: one per model that is blocked, which commands being stopped had kept away."""
    from pytest_modelgate.adapters.github import annotation

    blocked = [model for model in verdict.models if model.id not in verdict.promotable]
    if verdict.complete is not True:
        yield annotation("error", "Model gate", terminal_safe(f"The verdict is not complete: {verdict.complete}"))
    for model in blocked[: _MOST_MARKS - 1]:
        title = terminal_safe(f"Model gate: {model.id} {model.decision}")
        yield annotation("error", title, terminal_safe(" ".join(model.reasons[:1])))


def gate(archive: Path, options: argparse.Namespace, *further: str) -> int:
    """Run the gate in a process of its own, none of whose lines is a command to the runner; pytest's status.

    Raises:
        MarketDataError: the recordings are not those that this run's plan, or its recording, was about.
    """
    from pytest_modelgate.adapters.github import commands_stopped

    if options.sha256 and (found := tree_sha256(options.cassettes)) != options.sha256:
        problem = f"the folder has digest {found[:12]}..., expected {options.sha256[:12]}..."
        raise MarketDataError(f"cassettes {options.cassettes}", problem, "Run all jobs again, on what one job recorded")
    words = [f"--model-archive={archive}", f"--gate-require={options.minimum}", f"--gate-cassettes={options.cassettes}"]
    if output := getattr(options, "output", None):
        words.append(f"--gate-output={output}")
    with commands_stopped(os.environ):
        return run_pytest([*words, *further])


def run_pytest(words: Sequence[str]) -> int:
    """Run the gate's suite, which replays, without a step's keys and what it tells other steps; pytest's status."""
    command = [sys.executable, "-m", "pytest", _SUITE, "--gate-record-mode=none", *words]
    environment = {name: value for name, value in os.environ.items() if name not in _KEPT_AWAY}
    return subprocess.run(command, check=False, env=environment).returncode  # noqa: S603 - options of ours


def the_archive(folder: Path) -> Path:
    """The one file in a folder.

    Raises:
        ArchiveError: it holds none, or several, or one whose name has to be quoted.
    """
    found = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    if len(found) != 1 or not _NAME.fullmatch(found[0].name):
        problem = f"holds {len(found)} files, expected one archive with a name of letters, digits, '.', '_' and '-'"
        raise ArchiveError(str(folder), problem, "Upload one archive as the artifact")
    return found[0]


def tree_sha256(folder: Path) -> str:
    """Digest of all files of a folder, by their names; of one that is not there as of an empty one."""
    digest = sha256()
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in _files(folder)):
        digest.update(f"{sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return digest.hexdigest()


def _files(folder: Path) -> Iterable[Path]:
    """Files that artifacts carry: none that are hidden, such as locks."""
    return (
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _unless_broken(status: int) -> int:
    return 0 if status in (0, _BLOCKED) else status


def _hand_on(outputs: dict[str, str]) -> None:
    from pytest_modelgate.adapters.github import set_outputs

    set_outputs(os.environ, outputs)
