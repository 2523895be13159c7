"""``modelgate promote``, ``rollback`` and ``withdraw``: judged models into the folder a trader reads, and out of it."""

from __future__ import annotations

import argparse
import getpass
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pandas, which --help must not pay for
    from pytest_modelgate.services.promotion import Change
    from pytest_modelgate.services.withdrawal import Withdrawal

_AGE = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[dh]?)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def add_promote(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("verdict", type=Path, help="verdict.json of a complete run")
    parser.add_argument(
        "--archive", type=Path, required=True, metavar="X.zip", help="the archive that was judged (required)"
    )
    parser.add_argument("--minimum", choices=("live", "paper"), default="live", help="least decision (default: live)")
    parser.add_argument(
        "--all-or-nothing", action="store_true", help="refuse unless every model reaches the minimum (default: off)"
    )
    others = "models in the folder that this verdict does not promote (default: refuse)"
    parser.add_argument("--others", choices=("refuse", "keep", "remove"), default="refuse", help=others)
    parser.add_argument(
        "--digest", type=_digest, metavar="SHA256", help="refuse any other verdict than this one (default: any)"
    )
    _add_verdict(parser)
    _add_common(parser, "--to")
    parser.set_defaults(run=_promote)


def add_rollback(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    _add_common(parser, "--to")
    withdrawn = "bring back what was withdrawn, too (default: refuse)"
    parser.add_argument("--withdrawn", action="store_true", help=withdrawn)
    parser.set_defaults(run=_roll_back)


def add_withdraw(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", metavar="SYMBOL_TIMEFRAME", help="the model")
    because = "verdict.json that decides less of its very bytes than they are in force with (required)"
    parser.add_argument("--because", type=Path, required=True, metavar="FILE", help=because)
    _add_verdict(parser)
    _add_common(parser, "--from")
    parser.set_defaults(run=_withdraw)


def _add_verdict(parser: argparse.ArgumentParser) -> None:
    age = "refuse a verdict that was written, or whose market data ended, longer ago, such as 36h (default: 7d)"
    parser.add_argument("--max-age", type=_age, default="7d", metavar="AGE", help=age)
    parser.add_argument(
        "--profile",
        metavar="FILE.toml",
        help="the profile it was judged by (default: the built-in one that the verdict names)",
    )


def _add_common(parser: argparse.ArgumentParser, folder: str) -> None:
    said = "the folder the trader reads (required)"
    parser.add_argument(folder, dest="folder", type=Path, required=True, metavar="DIR", help=said)
    parser.add_argument("--by", metavar="NAME", help="who does it (default: the CI's actor and run, or the user)")
    parser.add_argument(
        "--dry-run", action="store_true", help="verify and show what would be done, change nothing (default: off)"
    )


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age, expected for example 7d or 36h")
    count = int(match["count"])
    return timedelta(hours=count) if match["unit"] == "h" else timedelta(days=count)


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a sha256, expected 64 hexadecimal digits")
    return text


def _promote(options: argparse.Namespace) -> int:
    """Promote, or raise; 0 when it is done."""
    from pytest_modelgate.adapters.promotion import Target
    from pytest_modelgate.core.config.decision_level import DecisionLevel
    from pytest_modelgate.services.promotion import Terms, promote

    terms = Terms(
        minimum=DecisionLevel[options.minimum.upper()],
        all_or_nothing=options.all_or_nothing,
        others=options.others,
        max_age=options.max_age,
        digest=options.digest,
        profile=options.profile,
    )
    facts = {"at": datetime.now(UTC), "by": options.by or who(), "dry_run": options.dry_run}
    change = promote(options.verdict, options.archive, Target(options.folder), terms, **facts)
    _show(change, options, "promoted")
    return 0


def _roll_back(options: argparse.Namespace) -> int:
    """Roll back, or raise; 0 when it is done."""
    from pytest_modelgate.adapters.promotion import Target
    from pytest_modelgate.services.promotion import roll_back

    facts = {"at": datetime.now(UTC), "by": options.by or who(), "dry_run": options.dry_run}
    _show(roll_back(Target(options.folder), withdrawn=options.withdrawn, **facts), options, "rolled back to")
    return 0


def _withdraw(options: argparse.Namespace) -> int:
    """Withdraw, or raise; 0 when it is done."""
    from pytest_modelgate.adapters.promotion import Target
    from pytest_modelgate.services.withdrawal import Because, withdraw

    because = Because(verdict=options.because, max_age=options.max_age, profile=options.profile)
    facts = {"at": datetime.now(UTC), "by": options.by or who(), "dry_run": options.dry_run}
    _show_withdrawal(withdraw(options.model, Target(options.folder), because, **facts), options)
    return 0


def _show_withdrawal(done: Withdrawal, options: argparse.Namespace) -> None:
    model, out = done.model, done.withdrawn
    lines = [f"withdrawn: {model.id} {model.decision}, now {out.decision} sha256 {model.sha256[:12]}... {done.reason}"]
    lines += [f"stays: {other.id} {other.decision} sha256 {other.sha256[:12]}..." for other in done.stays]
    if done.record:
        left = "is in force" if done.stays else "is in force, which holds no model"
        lines.append(f"{options.folder}: set {done.record.set} {left}")
    else:
        lines.append(f"{options.folder}: nothing was changed (--dry-run)")
    for line in lines:
        print(terminal_safe(line))


def _show(change: Change, options: argparse.Namespace, done: str) -> None:
    lines = []
    for model_id, model in change.models.items():
        what = done if model_id in change.promoted else "stays"
        terms = [f"by the {model.rule}"] if model.rule == "table" else []
        terms += [f"{waiver.check} waived by {waiver.owner}" for waiver in model.waivers or ()]
        decision = f"{model.decision} ({', '.join(terms)})" if terms else model.decision
        lines.append(f"{what}: {model_id} {decision} sha256 {model.sha256[:12]}... of {model.source.archive}")
    lines += [f"removed: {name}" for name in change.removed]
    lines += [f"not promoted: {model_id} {decision}" for model_id, decision in change.held_back.items()]
    if change.record:
        undo = f"; modelgate rollback --to {options.folder} undoes it" if change.record.previous else ""
        lines.append(f"{options.folder}: set {change.record.set} is in force{undo}")
    else:
        lines.append(f"{options.folder}: nothing was changed (--dry-run)")
    for line in lines:
        print(terminal_safe(line))


def who() -> str:
    """Name of who promotes: the CI's actor and run, or the user of this machine."""
    environment = os.environ
    if environment.get("GITHUB_ACTIONS") == "true":
        run = "/".join(environment.get(f"GITHUB_{part}", "?") for part in ("SERVER_URL", "REPOSITORY"))
        return f"{environment.get('GITHUB_ACTOR', '?')} in {run}/actions/runs/{environment.get('GITHUB_RUN_ID', '?')}"
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know no name for its user
        return "unknown"
