"""``modelgate check``: what the gate would judge of an archive, what it would refuse, and what mends that."""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelgate.cli.wording import add_options, called_as_here
from pytest_modelgate.core.config.options import CHECKING
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.errors import ArchiveError, SettingsError
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pandas, which --help must not pay for
    from pytest_modelgate.services.checking import ModelReport, Policies

_MOST_COLUMNS, _LEAST_COLUMNS = 100, 60
_LABEL = 18
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")  # any other file is taken for a checkpoint


def add_check(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments; those that the gate has too mean the same, and have its defaults."""
    parser.add_argument("archive", type=Path, metavar="X", help="zip or folder of a training run, or one checkpoint")
    add_options(parser, CHECKING)
    package = "package whose config classes a checkpoint may name (repeatable; default: alpaca_trading)"
    parser.add_argument("--trainer-package", action="append", metavar="NAME", help=package)
    policy = "function of yours from a model's id to its network, or None: parity is tried against it (default: none)"
    parser.add_argument("--policy", metavar="MODULE:FUNCTION", help=policy)
    parser.add_argument("--json", action="store_true", help="write JSON, for other programs (default: text)")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    """Report on every model; 0 when the gate would judge all of them, else 1."""
    with called_as_here():
        reports, warnings = _reports(options)
    for warning in warnings:
        print(terminal_safe(f"modelgate: {warning}"), file=sys.stderr)
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=1))
    else:
        columns = shutil.get_terminal_size((_MOST_COLUMNS, 24)).columns
        for line in as_text(reports, max(_LEAST_COLUMNS, min(_MOST_COLUMNS, columns))):
            print(line)
    return 1 if any(report.refusals for report in reports) else 0


def _reports(options: argparse.Namespace) -> tuple[list[ModelReport], tuple[str, ...]]:
    """What is said of each model, and of what lies in the archive and is none."""
    from pytest_modelgate.adapters.archive import open_archive
    from pytest_modelgate.adapters.config_files.profiles import load_profile
    from pytest_modelgate.core.features.reference import REFERENCE
    from pytest_modelgate.services.checking import check_archive, check_checkpoint, is_model

    asked = {option.setting: getattr(options, option.setting) for option in CHECKING}
    if options.trainer_package:
        asked["trainer_packages"] = tuple(options.trainer_package)
    settings, known = Settings(archive=options.archive, **asked), {REFERENCE.name: REFERENCE}
    profile, policies = load_profile(settings.profile), _own_policies(options.policy) if options.policy else None
    if not options.archive.exists():
        raise ArchiveError(f"archive {options.archive}", "does not exist, expected a zip or a folder", "Check the path")
    if options.archive.is_file() and (
        not options.archive.name.lower().endswith(_ARCHIVES) or is_model(options.archive)
    ):
        return [check_checkpoint(options.archive, settings, known, policies)], ()
    with open_archive(options.archive) as archive:
        return list(check_archive(archive, settings, profile, known, policies)), archive.run.warnings


def _own_policies(text: str) -> Policies:
    """The user's function that gives networks by ids; modules are looked for in the current folder first.

    Raises:
        SettingsError: there is no such function, or its module cannot be imported.
    """
    module, colon, name = text.partition(":")
    remedy = "Name a module that can be imported from here, and a function in it, as in my_package.export:network"
    if not (colon and module and name):
        raise SettingsError("--policy", f"is {text[:80]!a}, expected MODULE:FUNCTION", remedy)
    sys.path.insert(0, str(Path.cwd()))
    try:
        function: Policies = getattr(importlib.import_module(module), name)
    except Exception as error:
        problem = f"{text[:80]!a} cannot be imported: {type(error).__name__}: {error}"
        raise SettingsError("--policy", problem, remedy) from error

    def network(model: str) -> Callable[..., Any] | None:
        try:
            return function(model)
        except Exception as error:
            problem = f"{text[:80]!a} fails for {model}: {type(error).__name__}: {error}"
            raise SettingsError(
                "--policy", problem, "Let it return the network, or None where there is none"
            ) from error

    return network


def as_text(reports: Sequence[ModelReport], columns: int = _MOST_COLUMNS) -> list[str]:
    """Lines of so many columns at most, the models one under the other; what is said of several is said once."""
    from pytest_modelgate.services.checking import same_bytes

    lines = []
    saying = _by_what_is_said(reports)
    for report in reports:
        lines.append(f"{terminal_safe(report.id)}: {'would be refused' if report.refusals else 'would be judged'}")
        told = [*report.judged_as.items(), *(("refused", sentence) for sentence in report.refusals)]
        lines += _wrapped([*told, *(item for item, ids in saying.items() if ids == (report.id,))], columns)
    for ids in dict.fromkeys(ids for ids in saying.values() if len(ids) > 1):
        whose = f"all {len(ids)} models" if len(ids) == len(reports) else ", ".join(ids)
        lines += textwrap.wrap(terminal_safe(f"{whose}:"), columns, subsequent_indent="  ")
        lines += _wrapped((item for item, theirs in saying.items() if theirs == ids), columns)
    for ids in same_bytes(reports):
        lines += textwrap.wrap(f"the same bytes: {', '.join(ids)}", columns, subsequent_indent="    ")
    refused = sum(bool(report.refusals) for report in reports)
    count = f"{len(reports)} model{'s' if len(reports) != 1 else ''}"
    return [*lines, f"{count}: {len(reports) - refused} would be judged, {refused} would be refused"]


def _by_what_is_said(reports: Sequence[ModelReport]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Models by each note, and each line to write, about them."""
    saying: dict[tuple[str, str], dict[str, None]] = {}
    for report in reports:
        for item in (*(("note", note) for note in report.notes), *(("write", line) for line in report.lines)):
            saying.setdefault(item, {})[report.id] = None
    return {item: tuple(ids) for item, ids in saying.items()}


def _wrapped(told: Iterable[tuple[str, str]], columns: int) -> list[str]:
    """Labels and texts in two columns; lines are broken at spaces alone, so that what is copied stays whole."""
    lines = []
    for label, text in told:
        first, rest = f"    {label:<{_LABEL}}", " " * (_LABEL + 4)
        lines += textwrap.wrap(
            terminal_safe(text), columns, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
        )
    return lines
