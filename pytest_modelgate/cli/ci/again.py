"""Steps that judge what is deployed anew, on market data up to now; nothing of it changes what is deployed."""

from __future__ import annotations

import argparse
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelgate.cli.ci.judging import record_planned, run_pytest
from pytest_modelgate.cli.ci.moving import ARCHIVES, TRUSTED_EVENTS, keep
from pytest_modelgate.errors import PromotionError, SettingsError
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pydantic, which --help must not pay for
    from pytest_modelgate.adapters.promotion import Promoted

_MOST_PAGES = 50  # of artifacts
_ANY = (0, 1)  # pytest's statuses of a run that came to its end


def add_again(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    """Declare the commands."""
    latest = commands.add_parser("latest", help="find the run that promoted last on the default branch")
    latest.add_argument("--as-of", default="", metavar="DATE", help="day to judge as of (default: today, UTC)")
    latest.set_defaults(run=_latest)
    deployed = commands.add_parser("deployed", help="gather what a trader's folder says is in force, and its archives")
    deployed.add_argument("folder", type=Path, help="the folder the trader reads")
    deployed.add_argument("--archives", default="", metavar="DIR", help="archives (default: archives, beside it)")
    deployed.add_argument("--to", type=Path, required=True, metavar="DIR", help="where they are gathered")
    deployed.add_argument("--as-of", default="", metavar="DATE", help="day to judge as of (default: today, UTC)")
    deployed.set_defaults(run=_deployed)
    for name, about, run in (
        ("plan-again", "say what is missing up to a day", _plan_again),
        ("record-again", "record that", _record_again),
        ("judge-again", "judge up to a day what is in force; 1 if a model has fallen", _judge_again),
    ):
        again = commands.add_parser(name, help=about)
        again.add_argument("folder", type=Path, help="what was promoted, with its archives")
        again.add_argument("--as-of", required=True, metavar="DATE", help="day to judge as of")
        again.add_argument("--cassettes", type=Path, required=True, metavar="DIR", help="where recordings are kept")
        again.add_argument("--output", type=Path, required=True, metavar="DIR", help="where verdicts are written")
        again.set_defaults(run=run)


def _latest(options: argparse.Namespace) -> int:
    """The newest artifact of a promotion; no number where there is none yet, red where it has expired."""
    run, expired = newest_run("promoted")
    if run:
        _hand_on({"run-id": run, "as-of": options.as_of or _today()})
        return 0
    if expired:
        remedy = "Promote anew, or name the trader's folder in MODELGATE_DEPLOY_TO"
        raise PromotionError("artifact promoted", "has expired, and what it deployed is judged no more", remedy)
    return _nothing("Nothing was promoted yet")


def newest_run(artifact: str) -> tuple[str, bool]:
    """Number of the last run of the default branch that left an artifact, which nobody else can have started.

    Returns:
        It, empty where there is none, and whether a newer one's artifact has expired.

    Raises:
        SettingsError: GitHub does not answer, or the step is not told the default branch.
    """
    from pytest_modelgate.adapters.download import ask_github

    branch, expired = os.environ.get("DEFAULT_BRANCH"), False
    if not branch:
        raise SettingsError("DEFAULT_BRANCH", "is empty, expected the branch that promotes", "Set it for this step")
    for found in _artifacts(artifact):
        run = found["workflow_run"]
        if run["head_repository_id"] != run["repository_id"] or run["head_branch"] != branch:
            continue
        if found["expired"]:
            expired = True
            continue
        if ask_github(f"/actions/runs/{int(run['id'])}", os.environ).get("event") in TRUSTED_EVENTS:
            return str(int(run["id"])), expired
    return "", expired


def _artifacts(name: str) -> Sequence[Any]:
    """Artifacts of a name, the newest first; anybody's pull request can upload one."""
    from pytest_modelgate.adapters.download import ask_github

    found: list[Any] = []
    for page in range(1, _MOST_PAGES + 1):
        answer = ask_github(f"/actions/artifacts?name={name}&per_page=100&page={page}", os.environ)
        found += answer["artifacts"]
        if not answer["artifacts"] or len(found) >= answer["total_count"]:
            return sorted(found, key=lambda artifact: str(artifact["created_at"]), reverse=True)
    remedy = "Delete those of pull requests"
    raise SettingsError(f"artifacts named {name}", f"are more than {len(found)}", remedy)


def _deployed(options: argparse.Namespace) -> int:
    """What is in force, from the machine where it is."""
    if not (options.folder / "promotion.json").exists():
        return _nothing(f"Nothing was promoted into {options.folder} yet")
    archives = Path(options.archives) if options.archives else options.folder.resolve().parent / ARCHIVES
    in_force = archives_in_force(options.folder, archives)
    if not in_force:
        return _nothing(f"No model is in force in {options.folder}")
    options.to.mkdir(parents=True)
    shutil.copyfile(options.folder / "promotion.json", options.to / "promotion.json")
    for archive in in_force:
        keep(archive, options.to / ARCHIVES)
    _hand_on({"as-of": options.as_of or _today()})
    return 0


def _plan_again(options: argparse.Namespace) -> int:
    """A plan for each archive; apart from recording, since it runs code of the project, and that needs keys."""
    for archive in archives_in_force(options.folder, options.folder / ARCHIVES):
        status = run_pytest([*words_for(archive, options), f"--gate-plan={_plan_of(archive, options)}", "--quiet"])
        if status:
            return status
    return 0


def _nothing(why: str) -> int:
    """Green, since nothing can have fallen, but marked: who expected models there shall see it."""
    from pytest_modelgate.adapters.github import annotation

    print(annotation("warning", "Judge again", terminal_safe(f"{why}: there is nothing to judge again.")))
    _hand_on({"run-id": "", "as-of": ""})
    return 0


def _record_again(options: argparse.Namespace) -> int:
    """Record; what cannot be leaves its models INCOMPLETE, which the judgement tells."""
    from pytest_modelgate.adapters.plan_file import read_plan

    for archive, models in archives_in_force(options.folder, options.folder / ARCHIVES).items():
        plan = read_plan(_plan_of(archive, options))
        if plan.missing:
            record_planned(plan, archive, options.cassettes, [model.id for model in models])
    return 0


def _judge_again(options: argparse.Namespace) -> int:
    """Judge, tell of each model, and say with the status whether one has fallen."""
    from pytest_modelgate.adapters.github import append_step_summary, commands_stopped, markdown, table
    from pytest_modelgate.adapters.verdict.reader import read_verdict

    rows, fallen = [], 0
    for archive, models in archives_in_force(options.folder, options.folder / ARCHIVES).items():
        output = options.output / archive.parent.name
        with commands_stopped(os.environ):
            status = run_pytest([*words_for(archive, options), f"--gate-output={output}"])
        if status not in _ANY:
            return status
        judged = {model.id: model for model in read_verdict(output / "verdict.json").models}
        for model in models:
            now = judged.get(model.id)
            same = now is not None and now.checkpoint is not None and now.checkpoint.sha256 == model.sha256
            decision: str = now.decision if now is not None and same else "another checkpoint"
            fell = decision not in ("LIVE", model.decision)
            fallen += fell
            rows.append([model.id, model.decision, model.at[:10], decision, "fallen" if fell else ""])
    for name, was, at, decision, _ in rows:
        print(terminal_safe(f"{name}: promoted as {was} on {at}, as of {options.as_of} {decision}"))
    columns = ("model", "promoted as", "on", f"as of {options.as_of}", "")
    lines = table(columns, [[markdown(terminal_safe(cell)) for cell in row] for row in rows])
    append_step_summary(os.environ, "\n".join(lines))
    return 1 if fallen else 0


def archives_in_force(folder: Path, archives: Path) -> Mapping[Path, Sequence[Promoted]]:
    """Archives that the models in force came from, each with these models.

    Raises:
        PromotionError: nothing is in force, or an archive is not kept, or another one under its name.
    """
    from pytest_modelgate.adapters.archive import open_archive
    from pytest_modelgate.adapters.promotion import Target

    record = Target(folder).record()
    if record is None:
        problem = "holds no promotion.json"
        raise PromotionError(str(folder), problem, "Name the folder that modelgate promote or modelgate ci pack wrote")
    found: dict[Path, list[Promoted]] = defaultdict(list)
    for model in record.models:
        found[archives / model.source.archive_sha256[:16] / Path(model.source.archive).name].append(model)
    for path, models in found.items():
        if not path.exists():
            problem = f"is not kept, and {models[0].id} came from it"
            raise PromotionError(f"archive {path}", problem, "Put it there with modelgate ci keep, or promote anew")
        with open_archive(path) as archive:
            if archive.sha256() != models[0].source.archive_sha256:
                raise PromotionError(f"archive {path}", "is not the one that was judged", "Put the judged one there")
    return found


def _plan_of(archive: Path, options: argparse.Namespace) -> Path:
    return Path(options.output, f"{archive.parent.name}.json")


def words_for(archive: Path, options: argparse.Namespace) -> list[str]:
    """Options of the gate for an archive that a model in force came from."""
    return [
        f"--model-archive={archive}",
        f"--gate-as-of={options.as_of}",
        f"--gate-cassettes={options.cassettes}",
    ]


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _hand_on(outputs: Mapping[str, str]) -> None:
    from pytest_modelgate.adapters.github import set_outputs

    set_outputs(os.environ, outputs)
