"""Fuzz the gate under random circumstances: workers, orders, selections, crashes, errors, limits, earlier runs, shards.

    python tests/fuzz/circumstances.py --runs 300 --seed 0

Every run is a real one, with real workers and cheap folds. Whatever happens to it, it must end by itself; each model
must end in the decision of an undisturbed run or in INCOMPLETE; nothing that broke or is missing may end green; and a
complete verdict must be the undisturbed one, byte for byte. A case that fails prints what it takes to run it again;
the exit status is 1 then. ``--only N`` runs one case of a seed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import cheap_runs
from support.cheap_runs import RND, WAV, CheapRun

SHAPE = ("--gate-folds=3", "--gate-walk-forward-days=90", "--gate-require=paper", "--gate-decision=table")
WINDOWS = ("backtest", "fold1of3", "fold2of3", "fold3of3", "integrity")
MODELS = (RND, WAV)
ALL = tuple(f"{model}.{window}" for model in MODELS for window in WINDOWS)
IN_PROCESS = ("raise", "setup", "interrupt")
DEADLY = ("kill", "exit", "body")
SELECTIONS = ("", "WAVUSD", "decision", "WAVUSD and decision", "fold", "fold2of3 or decision", "not fold1of3", "gating")


@dataclass
class Case:
    """One set of circumstances."""

    number: int
    workers: int = 0
    options: list[str] = field(default_factory=list)
    selection: str = ""
    mishap: dict[str, str] = field(default_factory=dict)
    shuffle: int | None = None
    before: str | None = None
    shards: int = 0

    @property
    def limited(self) -> bool:
        """Whether the run may end early."""
        return "-x" in self.options or "--max-worker-restart=0" in self.options

    def __str__(self) -> str:
        chosen = [f"-n{self.workers}", *self.options, *(["-k", repr(self.selection)] if self.selection else [])]
        earlier = "" if self.before is None else f"; before it: -k {self.before!r}"
        more = f"order {self.shuffle}; shards {self.shards}{earlier}"
        return f"case {self.number}: {' '.join(chosen)}; {self.mishap}; {more}"


def draw(seed: int, number: int) -> Case:
    """Circumstances are a function of seed and number."""
    rng = random.Random(f"{seed}/{number}")
    case = Case(number, workers=rng.choice((0, 0, 1, 2, 2, 2, 3, 4)))
    if case.workers and rng.random() < 0.25:
        case.options.append("--dist=worksteal")
    if rng.random() < 0.15:
        case.options.append("-x")
    if case.workers and rng.random() < 0.15:
        case.options.append("--max-worker-restart=0")
    if rng.random() < 0.4:
        case.selection = rng.choice(SELECTIONS)
    if rng.random() < 0.4:
        case.shuffle = rng.randrange(1000)
    if rng.random() < 0.35:
        case.before = rng.choice(("", "WAVUSD", "fold2of3", "RNDUSD and fold"))
    kinds = IN_PROCESS + (DEADLY if case.workers else ())
    if rng.random() < 0.65:
        case.mishap = {name: rng.choice(kinds) for name in rng.sample(ALL, rng.choice((1, 1, 1, 2, 3)))}
    if rng.random() < 0.12:
        case.shards, case.selection, case.options, case.before = rng.choice((2, 3)), "", [], None
        case.mishap = {name: kind for name, kind in case.mishap.items() if kind in ("raise", "kill", "exit")}
    return case


def play(case: Case, archive: Path, folder: Path) -> list[CheapRun]:
    """Run a case; the last run is the one that decides."""
    if case.before is not None:
        before = ["-k", case.before] if case.before else []
        cheap_runs.run(folder, archive, "-n0", *SHAPE, *before, name="before")
    told = {"mishap": case.mishap, "shuffle": case.shuffle}
    chosen = [f"-n{case.workers}", *SHAPE, *case.options, *(["-k", case.selection] if case.selection else [])]
    if not case.shards:
        return [cheap_runs.run(folder, archive, *chosen, **told)]
    runs = [
        cheap_runs.run(
            folder, archive, *chosen, f"--gate-shard={n}/{case.shards}", name=f"s{n}", output=f"shard{n}", **told
        )
        for n in range(1, case.shards + 1)
    ]
    folders = [f"--gate-evidence={run.output / 'evidence'}" for run in runs]
    merged = cheap_runs.run(folder, archive, *chosen, "--gate-merge", *folders)
    return [*runs, merged]


def faults(case: Case, runs: list[CheapRun], reference: CheapRun) -> Iterator[str]:
    """What must not be."""
    run = runs[-1]
    for each in runs:
        if each.ret not in (0, 1, 2, 5) or "INTERNALERROR" in each.text:
            yield f"it ended with status {each.ret}"
        if each.ret == 0 and _broken(each):
            yield "a test broke, and it ended green"
        if "end-of-session" in each.text:
            yield "something internal shows"
    for model, decision in run.decisions.items():
        if decision not in (reference.decisions[model], "INCOMPLETE"):
            yield f"{model} is {decision}, undisturbed {reference.decisions[model]}"
    complete = run.verdict["complete"] is True
    if complete and run.digest != reference.digest:
        yield "the verdict is complete and another one"
    if run.verdict["promotable"] and not complete:
        yield "something is promotable in an incomplete verdict"
    yield from _evaluations(case, runs)
    yield from _covered_up(case, runs)
    if not case.limited:
        yield from _untold(case, run, reference)


def _covered_up(case: Case, runs: list[CheapRun]) -> Iterator[str]:
    """Windows that broke, of models that were decided."""
    run = runs[-1]
    evaluated = {name for each in runs for name in each.evaluations}
    for name, kind in case.mishap.items():
        model, _, window = name.partition(".")
        tested = any(f"[{model}-{window.replace('backtest', '30d')}]" in test for test in run.outcomes)
        # Where an earlier run knows a window it is not evaluated, and only what strikes in its test can strike.
        struck = tested if kind in ("setup", "body") else name in evaluated
        if struck and run.decisions[model] != "INCOMPLETE":
            yield f"{name} broke, and its model was decided"


def _untold(case: Case, run: CheapRun, reference: CheapRun) -> Iterator[str]:
    """What a run that nobody ended early does not tell."""
    if set(run.junit) != set(run.html):
        yield f"JUnit and HTML tell of other tests: {set(run.junit) ^ set(run.html)}"
    if not case.selection and set(run.junit) != set(reference.junit):
        yield f"tests are missing: {set(reference.junit) ^ set(run.junit)}"
    undisturbed = run.outcomes == reference.outcomes and run.verdict["complete"] is True
    if not case.mishap and not case.selection and not undisturbed:
        yield "nothing happened, and it is not as undisturbed"


def _broken(run: CheapRun) -> set[str]:
    return {test for test, outcome in run.outcomes.items() if outcome == "ERROR"}


def _evaluations(case: Case, runs: list[CheapRun]) -> Iterator[str]:
    counts = Counter(name for run in runs for name in run.evaluations)
    struck = {name for name, kind in case.mishap.items() if kind in (*DEADLY, "interrupt", "raise")}
    for name, count in counts.items():
        # What breaks for a test that needs it may break once more in its own.
        if count > (2 if name in struck else 1):
            yield f"{name} was evaluated {count} times"
    if case.shards and runs[-1].evaluations:
        yield "a merge evaluated something"


def main() -> int:
    """Run the cases; the exit status tells whether any of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, help="number of cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run this one case")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no case after that time")
    options = parser.parse_args()
    start, failed, done = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="modelgate-fuzz-") as place:
        top = Path(place)
        archive = cheap_runs.cheap_archive(top, dropped=False)
        (top / "reference").mkdir()
        reference = cheap_runs.run(top / "reference", archive, "-n0", *SHAPE)
        for number in range(options.runs) if options.only is None else [options.only]:
            if time.monotonic() - start > 60 * options.minutes:
                break
            folder = top / f"case{number}"
            folder.mkdir()
            case = draw(options.seed, number)
            try:
                runs = play(case, archive, folder)
                found = list(faults(case, runs, reference))
            except (AssertionError, OSError) as error:
                runs, found = [], [str(error)]
            done += 1
            if found:
                failed += 1
                print(f"FAILED seed {options.seed}, {case}\n  " + "\n  ".join(found), flush=True)
                if options.only is not None and runs:
                    print(runs[-1].text)
            shutil.rmtree(folder)
    minutes = (time.monotonic() - start) / 60
    print(f"{done} cases of seed {options.seed} in {minutes:.1f} minutes, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
