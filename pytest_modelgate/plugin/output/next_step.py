"""What may be done with the models that a run judged, in a line, with the command that does it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.text import shell_command

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.plugin.session.gate_run import GateRun

_LISTED = 4
_FOLDERS = {"live": "models/live", "paper": "models/paper"}  # never one for both: traders read them


def next_step(run: GateRun, here: Path, now: datetime) -> list[str]:
    """One line, or one for money and one for paper. Commands are whole, and work as pasted in ``here``.

    Args:
        here: the folder in which pytest was called.
        now: how old the market data are follows from it (UTC).
    """
    if _unfinished(run):
        return ["The verdict is not complete: nothing here may trade, neither money nor on paper."]
    live, paper = _released(run, "LIVE"), _released(run, "PAPER")
    lines = [f"{live} LIVE may trade money: {_command(run, here, now, 'live')}"] if live else []
    if paper:
        sentence = f"{paper}{' PAPER' if live else ''} may trade on paper: {_command(run, here, now, 'paper')}"
        lines.append(sentence if live else f"0 LIVE: nothing here may trade money. {sentence}")
    if lines:
        return [*lines, *_on_accounts(run)]
    held = sum(judgement.label == "PAPER" for judgement in run.judgements)
    if held and run.settings.require is DecisionLevel.LIVE:
        return [f"0 LIVE: nothing here may trade money. {held} may trade on paper, but --gate-require=live was asked."]
    return ["0 LIVE, 0 PAPER: nothing here may trade, neither money nor on paper."]


def _on_accounts(run: GateRun) -> list[str]:
    """How far models at PAPER are on the account that trades them; nothing where none was asked."""
    traded = [item for item in run.judgements if item.watch and item.watch.evidence.since and item.label == "PAPER"]
    told = [f"{item.plan.model.id} {item.watch.brief}" for item in traded[:_LISTED] if item.watch]
    more = f" and {len(traded) - _LISTED} more" if len(traded) > _LISTED else ""
    return [f"On the account: {', '.join(told)}{more}."] if told else []


def steps(run: GateRun, here: Path, now: datetime) -> dict[str, str]:
    """The commands of ``next_step`` by what they ask for, ``live`` and ``paper``; empty where nothing may be done."""
    if _unfinished(run):
        return {}
    asked = {"live": _released(run, "LIVE"), "paper": _released(run, "PAPER")}
    return {minimum: _command(run, here, now, minimum) for minimum, count in asked.items() if count}


def _unfinished(run: GateRun) -> bool:
    return bool(run.unwritten or run.verdict.complete is not True or run.earlier)


def _released(run: GateRun, label: str) -> int:
    """Models that may be promoted with this decision."""
    return sum(item.label == label and item.plan.model.id in run.verdict.promotable for item in run.judgements)


def age_text(run: GateRun, now: datetime) -> str:
    """Warning that the command of ``next_step`` allows an age that promotion does not; empty where it need not."""
    days = _too_old(run, now)
    if not days or not run.verdict.promotable:
        return ""
    return f"warning: the prices end {days} days ago, more than promotion takes unasked: --max-age below allows it"


def _command(run: GateRun, here: Path, now: datetime, minimum: str) -> str:
    settings = run.settings
    words = ["modelgate", "promote", _path(run.verdict_path, here), "--archive", _path(settings.archive, here)]
    words += ["--to", _FOLDERS[minimum], "--minimum", minimum]
    if settings.profile.endswith(".toml"):
        words += ["--profile", _path(Path(settings.profile), here)]
    if days := _too_old(run, now):
        words += ["--max-age", f"{days + 2}d"]  # as old as that tomorrow
    return shell_command(words)


def _too_old(run: GateRun, now: datetime) -> int:
    """Age of the market data in days where it is above what promotion allows unasked, else 0."""
    from pytest_modelgate.services.verdict_terms import MAX_AGE

    age: timedelta = now - run.gate.plan.as_of.to_pydatetime()
    return age.days if age > MAX_AGE else 0


def _path(path: Path, here: Path) -> str:
    """As short as the folder allows, and no option."""
    text = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return f"./{text}" if text.startswith("-") else text
