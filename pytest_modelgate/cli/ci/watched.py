"""Steps that follow what an account does with the models in force: record, judge, tell; and move what they are told to.

What was judged lies in one folder: ``watched.json``, and a verdict for each archive under its digest's first digits.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelgate.cli.ci.again import archives_in_force, newest_run, words_for
from pytest_modelgate.cli.ci.judging import run_pytest, tree_sha256
from pytest_modelgate.cli.ci.moving import ARCHIVES
from pytest_modelgate.errors import GateError, SettingsError
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pydantic, which --help must not pay for
    from pytest_modelgate.adapters.promotion import Promoted
    from pytest_modelgate.adapters.verdict.schema import ModelPart

_ANY = (0, 1)  # pytest's statuses of a run that came to its end
_LISTED = "watched.json"
_ACCOUNT = "account"  # artifact in which the recordings of an account go from run to run
_BOT = "github-actions[bot]"
_PAGE, _MOST_PAGES = 100, 10  # of issues that the bot has open
_MOST_REASONS = 12
_MARK = "<!-- modelgate-watch "  # begins the text of an issue, before the model's id


def add_watched(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    """Declare the commands."""
    recorded = commands.add_parser("recorded", help="find the run of the default branch that recorded an account last")
    recorded.set_defaults(run=_recorded)
    record = commands.add_parser("record-watched", help="record what an account did, and its market data")
    _add_folder(record)
    record.add_argument("--account", choices=("paper", "live"), required=True, help="whose host is asked")
    record.add_argument("--map", default="", metavar="FILE.toml", help="whose orders are whose (default: none)")
    record.set_defaults(run=_record_watched)
    judge = commands.add_parser("judge-watched", help="judge what is in force together with what its account did")
    _add_folder(judge)
    judge.add_argument("--output", type=Path, required=True, metavar="DIR", help="where verdicts are written")
    judge.set_defaults(run=_judge_watched)
    tell = commands.add_parser("tell-watched", help="open, update or close one issue for each model")
    _add_judged(tell)
    tell.set_defaults(run=_tell_watched)
    promote = commands.add_parser("promote-watched", help="promote to LIVE what has earned it")
    _add_judged(promote)
    promote.add_argument("folder", type=Path, help="what is in force, with its archives")
    promote.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder of the live trader")
    promote.set_defaults(run=_promote_watched)
    withdraw = commands.add_parser("withdraw-watched", help="take out of force what is decided lower now")
    _add_judged(withdraw)
    withdraw.add_argument("--from", dest="folder", type=Path, required=True, metavar="DIR", help="the trader's folder")
    withdraw.set_defaults(run=_withdraw_watched)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="what is in force, with its archives")
    parser.add_argument("--as-of", required=True, metavar="DATE", help="day to judge as of")
    parser.add_argument("--cassettes", type=Path, required=True, metavar="DIR", help="where recordings are kept")


def _add_judged(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("judged", type=Path, help="what judge-watched wrote")
    parser.add_argument("--sha256", required=True, metavar="DIGEST", help="of it, as that step handed on")


def _recorded(_: argparse.Namespace) -> int:
    """Its number; empty where there is none, or its artifact has expired: then all is recorded anew, from the start."""
    _hand_on({"run-id": newest_run(_ACCOUNT)[0]})
    return 0


def _record_watched(options: argparse.Namespace) -> int:
    """Record; what cannot be leaves its models without a record, which the judgement tells."""
    from pytest_modelgate.adapters.github import annotation
    from pytest_modelgate.cli.watch import add_watch

    parser = argparse.ArgumentParser(prog="modelgate watch")
    add_watch(parser)
    told = [f"--map={options.map}"] if options.map else []
    for archive in archives_in_force(options.folder, options.folder / ARCHIVES):
        words = [f"--archive={archive}", f"--to={options.cassettes}", f"--account={options.account}", *told]
        chosen = parser.parse_args([str(options.folder), *words, f"--as-of={options.as_of}"])
        if chosen.run(chosen):
            print(annotation("warning", "Watch", "Market data are missing or unfit: their models get no verdict"))
    return 0


def _judge_watched(options: argparse.Namespace) -> int:
    """Judge, and hand on which models have fallen and which have earned LIVE; 0 when there is a verdict on each."""
    from pytest_modelgate.adapters.github import append_step_summary, commands_stopped, markdown, table
    from pytest_modelgate.adapters.verdict.reader import read_verdict

    entries: list[dict[str, Any]] = []
    for archive, models in archives_in_force(options.folder, options.folder / ARCHIVES).items():
        output = options.output / archive.parent.name
        with commands_stopped(os.environ):
            words = [*words_for(archive, options), f"--gate-paper={options.folder}", f"--gate-output={output}"]
            status = run_pytest(words)
        if status not in _ANY:
            return status
        verdict = read_verdict(output / "verdict.json")
        judged = {model.id: model for model in verdict.models}
        entries += [
            _entry(model, judged.get(model.id), archive, verdict.promotable, verdict.complete is True)
            for model in models
        ]
    options.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"as_of": options.as_of, "models": entries}, indent=2)
    (options.output / _LISTED).write_text(f"{text}\n", encoding="utf-8")
    rows = [[entry["id"], entry["was"], entry["decision"], entry["state"]] for entry in entries]
    for row in rows:
        print(terminal_safe(f"{row[0]}: in force as {row[1]}, as of {options.as_of} {row[2]}: {row[3]}"))
    lines = table(("model", "in force as", f"as of {options.as_of}", ""), [list(map(markdown, row)) for row in rows])
    append_step_summary(os.environ, "\n".join(lines))
    ids = {state: [entry["id"] for entry in entries if entry["state"] == state] for state in ("fallen", "earned LIVE")}
    outputs = {"fallen": ids["fallen"], "earned": ids["earned LIVE"]}
    lists = {name: json.dumps(value, separators=(",", ":")) for name, value in outputs.items()}
    _hand_on({**lists, "sha256": tree_sha256(options.output)})
    return 0


def _entry(
    model: Promoted,
    now: ModelPart | None,
    archive: Path,
    promotable: Sequence[str],
    complete: bool,  # noqa: FBT001
) -> dict[str, Any]:
    """What is said of one model: ``state`` is empty where nothing is to be done."""
    same = now is not None and now.checkpoint is not None and now.checkpoint.sha256 == model.sha256
    decision: str = now.decision if now is not None and same else "INCOMPLETE"
    reasons = list(now.reasons) if now is not None and same else ["The archive holds another checkpoint now."]
    paper = now.paper if now is not None and same else None
    reasons += [f"{finding.name}: {finding.sentence}" for finding in (paper.findings if paper else ())]
    if decision not in ("LIVE", model.decision):
        state = "fallen" if decision != "INCOMPLETE" else "not judged"
    elif decision == "LIVE" != model.decision and complete and model.id in promotable and paper is not None:
        state = "earned LIVE"
    else:
        state = ""
    return {
        "id": model.id,
        "sha256": model.sha256,
        "was": model.decision,
        "decision": decision,
        "state": state,
        "archive": archive.parent.name,
        "file": archive.name,
        "reasons": reasons[:_MOST_REASONS],
    }


def _tell_watched(options: argparse.Namespace) -> int:
    """One issue for each model that something is to be said of; those of models that are well are closed."""
    from pytest_modelgate.adapters.download import ask_github

    document = _read(options)
    known = _issues()
    for entry in document["models"]:
        issue = known.get(_marker(entry["id"]))
        if not entry["state"]:
            if issue is not None:
                closed = {"state": "closed", "state_reason": "completed", "body": _body(entry, document["as_of"])}
                ask_github(f"/issues/{issue}", os.environ, closed, "PATCH")
                print(terminal_safe(f"{entry['id']}: well, issue {issue} closed"))
            continue
        content = {"title": _title(entry), "body": _body(entry, document["as_of"])}
        if issue is None:
            issue = int(ask_github("/issues", os.environ, content, "POST")["number"])
        else:
            ask_github(f"/issues/{issue}", os.environ, content, "PATCH")
        print(terminal_safe(f"{entry['id']}: {entry['state']}, issue {issue}"))
    watched = {_marker(entry["id"]) for entry in document["models"]}
    for issue in (known[marker] for marker in sorted(known.keys() - watched)):  # of what is in force no more
        ask_github(f"/issues/{issue}", os.environ, {"state": "closed", "state_reason": "completed"}, "PATCH")
    return 0


def _issues() -> Mapping[str, int]:
    """Open issues that a workflow of this repository wrote, by the marker that their text begins with."""
    from pytest_modelgate.adapters.download import ask_github

    found: dict[str, int] = {}
    for page in range(1, _MOST_PAGES + 1):
        path = f"/issues?state=open&creator=github-actions%5Bbot%5D&per_page={_PAGE}&page={page}"
        issues = ask_github(path, os.environ)
        for issue in issues:  # of anybody else's, a marker says nothing
            if issue["user"]["login"] == _BOT and "pull_request" not in issue:
                marker = str(issue["body"] or "").partition("\n")[0].strip()
                found |= {marker: int(issue["number"])} if marker.startswith(_MARK) else {}
        if len(issues) < _PAGE:
            return found
    problem = f"are more than {_MOST_PAGES * _PAGE}"
    raise SettingsError("open issues of the workflows", problem, "Close those that are done")


def _marker(model: str) -> str:
    return f"{_MARK}{model} -->"


def _title(entry: Mapping[str, Any]) -> str:
    said = {"fallen": f"{entry['was']} no more", "not judged": "cannot be judged", "earned LIVE": "has earned LIVE"}
    return f"Model {entry['id']}: {said[entry['state']]}"


def _body(entry: Mapping[str, Any], as_of: str) -> str:
    from pytest_modelgate.adapters.github import code, markdown

    do = {
        "fallen": f"To act on it: `modelgate withdraw {entry['id']} --from DIR --because verdict.json`.",
        "not judged": "See in the run's report what was missing.",
        "earned LIVE": "The run waits for a reviewer of the environment `modelgate` to promote it.",
        "": "It is as it was promoted.",
    }
    repository = "/".join(os.environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY"))
    run = f"{repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"
    lines = [
        _marker(entry["id"]),
        f"In force as {entry['was']} ({code(entry['sha256'][:12])}), as of {markdown(as_of)} {entry['decision']}.",
        "",
        *(f"- {markdown(terminal_safe(reason))}" for reason in entry["reasons"]),
        "",
        do[entry["state"]],
        f"Verdict and report: artifact `watched` of [this run]({run}).",
    ]
    return "\n".join(lines)


def _promote_watched(options: argparse.Namespace) -> int:
    """Promote each archive that a model which has earned LIVE is from; the others in the folder stay."""
    from pytest_modelgate.cli.promote import add_promote

    entries = [entry for entry in _read(options)["models"] if entry["state"] == "earned LIVE"]
    parser = argparse.ArgumentParser(prog="modelgate promote")
    add_promote(parser)
    for archive, name in sorted({(entry["archive"], entry["file"]) for entry in entries}):
        kept = options.folder / ARCHIVES / archive / name
        words = [str(options.judged / archive / "verdict.json"), f"--archive={kept}", f"--to={options.to}"]
        chosen = parser.parse_args([*words, "--minimum=live", "--others=keep"])
        chosen.run(chosen)
    return 0


def _withdraw_watched(options: argparse.Namespace) -> int:
    """Withdraw what has fallen; 1 when one of them could not be."""
    from pytest_modelgate.adapters.promotion import Target
    from pytest_modelgate.cli.promote import who
    from pytest_modelgate.services.withdrawal import Because, withdraw

    failed = 0
    for entry in _read(options)["models"]:
        if entry["state"] != "fallen":
            continue
        because = Because(verdict=options.judged / entry["archive"] / "verdict.json", max_age=timedelta(days=7))
        try:
            withdraw(entry["id"], Target(options.folder), because, at=datetime.now(UTC), by=who(), dry_run=False)
            print(terminal_safe(f"{entry['id']}: withdrawn from {options.folder}, decided {entry['decision']}"))
        except GateError as error:
            failed += 1
            print(terminal_safe(f"{entry['id']}: {error}"))
    return 1 if failed else 0


def _read(options: argparse.Namespace) -> dict[str, Any]:
    """What was judged, if it is what that step left.

    Raises:
        SettingsError: it is not.
    """
    if (found := tree_sha256(options.judged)) != options.sha256:
        problem = f"has digest {found[:12]}..., expected {options.sha256[:12]}..."
        raise SettingsError(f"folder {options.judged}", problem, "Run all jobs again, on what one job judged")
    document: dict[str, Any] = json.loads((options.judged / _LISTED).read_text(encoding="utf-8"))
    return document


def _hand_on(outputs: Mapping[str, str]) -> None:
    from pytest_modelgate.adapters.github import set_outputs

    set_outputs(os.environ, outputs)
