"""``modelgate check``: what the gate would judge of an archive, what it would refuse, and what mends that."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelgate.cli.wording import add_options, called_as_here
from pytest_modelgate.core.config.options import CHECKING
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pandas, which --help must not pay for
    from pytest_modelgate.services.checking import ModelReport

_WIDTH = 100
_LABEL = 18


def add_check(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments; those that the gate has too mean the same, and have its defaults."""
    parser.add_argument("archive", type=Path, metavar="X", help="zip or folder of a training run, or one checkpoint")
    add_options(parser, CHECKING)
    package = "package whose config classes a checkpoint may name (repeatable; default: alpaca_trading)"
    parser.add_argument("--trainer-package", action="append", metavar="NAME", help=package)
    parser.add_argument("--json", action="store_true", help="write JSON, for other programs")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    """Report on every model; 0 when the gate would judge all of them, else 1."""
    with called_as_here():
        reports = _reports(options)
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=1))
    else:
        for line in as_text(reports):
            print(terminal_safe(line))
    return 1 if any(report.refusals for report in reports) else 0


def _reports(options: argparse.Namespace) -> list[ModelReport]:
    from pytest_modelgate.adapters.archive import open_archive
    from pytest_modelgate.adapters.config_files.profiles import load_profile
    from pytest_modelgate.core.features.reference import REFERENCE
    from pytest_modelgate.services.checking import check_archive, check_checkpoint

    asked = {option.setting: getattr(options, option.setting) for option in CHECKING}
    if options.trainer_package:
        asked["trainer_packages"] = tuple(options.trainer_package)
    settings, known = Settings(archive=options.archive, **asked), {REFERENCE.name: REFERENCE}
    profile = load_profile(settings.profile)
    if not options.archive.exists():
        raise ArchiveError(f"archive {options.archive}", "does not exist, expected a zip or a folder", "Check the path")
    if options.archive.suffix == ".pt" and options.archive.is_file():
        return [check_checkpoint(options.archive, settings, known)]
    with open_archive(options.archive) as archive:
        return list(check_archive(archive, settings, profile, known))


def as_text(reports: Sequence[ModelReport]) -> list[str]:
    """Lines of at most 100 columns, the models one under the other."""
    from pytest_modelgate.services.checking import same_bytes

    lines = []
    for report in reports:
        lines.append(f"{report.id}: {'would be refused' if report.refusals else 'would be judged'}")
        lines += _wrapped(report.judged_as.items())
        lines += _wrapped(("refused", sentence) for sentence in report.refusals)
        lines += _wrapped(("note", sentence) for sentence in report.notes)
        lines += _wrapped(("write", line) for line in dict.fromkeys(report.lines))
    for ids in same_bytes(reports):
        lines += textwrap.wrap(f"the same bytes: {', '.join(ids)}", _WIDTH, subsequent_indent="    ")
    refused = sum(bool(report.refusals) for report in reports)
    count = f"{len(reports)} model{'s' if len(reports) != 1 else ''}"
    return [*lines, f"{count}: {len(reports) - refused} would be judged, {refused} would be refused"]


def _wrapped(told: Iterable[tuple[str, str]]) -> list[str]:
    """Labels and texts in two columns."""
    lines = []
    for label, text in told:
        first, rest = f"    {label:<{_LABEL}}", " " * (_LABEL + 4)
        lines += textwrap.wrap(terminal_safe(text), _WIDTH, initial_indent=first, subsequent_indent=rest)
    return lines
