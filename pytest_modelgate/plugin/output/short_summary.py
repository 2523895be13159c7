"""What pytest says at the end of tests about models, grouped: a reason once per model, and whole.

Other plugins, and whatever pytest counts, see every report: only pytest's own sections are given fewer.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.plugin.session.gate_run import GateRun

Stats = dict[str, list[Any]]
Groups = dict[tuple[str, str], list[Any]]
_LISTED = {"s": "skipped", "x": "xfailed", "X": "xpassed", "f": "failed", "E": "error", "p": "passed"}  # letters of -r
_WORDS = {"skipped": "SKIPPED", "xfailed": "XFAIL", "failed": "FAILED", "error": "ERROR"}
_BLOCKING, _INCOMPLETE = {"error", "failed"}, "INCOMPLETE: "
_WIDTH, _MOST_LINES = 100, 2


def widest(reporter: pytest.TerminalReporter) -> int:
    """Columns of a line of the closing part."""
    return max(20, min(_WIDTH, reporter.config.get_terminal_writer().fullwidth))


def from_here(config: pytest.Config, nodeid: str) -> str:
    """The id of a test, as it can be pasted where pytest was called; pytest's own way is not public, and changes."""
    here, (path, colons, names) = config.invocation_params.dir, nodeid.partition("::")
    try:
        return nodeid if here == config.rootpath else f"{os.path.relpath(config.rootpath / path, here)}{colons}{names}"
    except ValueError:  # another drive
        return nodeid


def two_lines(text: str, width: int, first: str = "") -> tuple[str, ...]:
    """A sentence on at most two lines; what goes on is indented, so that no word of it begins a line of its own."""
    safe = terminal_safe(" ".join(text.split()))
    lines = textwrap.wrap(
        safe,
        width,
        initial_indent=first,
        subsequent_indent="    ",
        max_lines=_MOST_LINES,
        placeholder=" ...",
        break_on_hyphens=False,
    )
    return tuple(lines) or (first,)


class ShortSummary:
    """Takes the place of pytest's short summary for tests about models, around all that others say at the end.

    Attributes:
        whole: the reports that pytest counts, by outcome; empty where it says nothing.
        short: those that are left to its short summary.
    """

    def __init__(self, run: GateRun) -> None:
        self._run = run
        self.whole: Stats = {}
        self.short: Stats = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, object, object]:  # noqa: ANN401
        """Outside of pytest's own: what keeps a model from being judged takes one of its sections."""
        reporter = terminalreporter
        if not isinstance(reporter, pytest.TerminalReporter) or reporter.no_summary:
            return (yield)
        taken = {kind for kind in _WORDS if kind != "skipped" or reporter.foldskipped}
        self.whole = {kind: reporter.stats[kind] for kind in _WORDS if kind in reporter.stats}
        self.short = {
            kind: [one for one in reports if kind not in taken or not _model(one)]
            for kind, reports in self.whole.items()
        }
        causes = self._causes()
        repeated = {id(report) for reports in causes.values() for report in reports[1:]}
        try:
            for kind in _BLOCKING & self.whole.keys():
                reporter.stats[kind] = [one for one in self.whole[kind] if id(one) not in repeated]
            result = yield
            begun = any(reporter.stats.get(_LISTED[letter]) for letter in reporter.reportchars if letter in _LISTED)
        finally:
            reporter.stats.update(self.whole)
        kinds = [_LISTED[letter] for letter in reporter.reportchars if _LISTED.get(letter) in taken]
        entries = dict.fromkeys(entry for kind in kinds for entry in self._entries(kind, causes, reporter))
        if entries and not begun:
            reporter.write_sep("=", "short test summary info", cyan=True, bold=True)
        for line in (line for entry in entries for line in entry):
            reporter.write_line(line)
        return result

    def _causes(self) -> Groups:
        """Reports by model and by what keeps it from being judged, where that struck several of its tests."""
        known = {judgement.plan.model.id: judgement.incomplete for judgement in self._run.judgements}
        causes: Groups = {}
        for report in (one for kind in ("error", "failed") for one in self.whole.get(kind, ()) if _model(one)):
            model, text = _model(report), _text(report)
            if known.get(model) and known[model] in text:
                causes.setdefault((model, known[model]), []).append(report)
            elif text.startswith(_INCOMPLETE):
                causes.setdefault((model, text.removeprefix(_INCOMPLETE)), []).append(report)
        return {key: reports for key, reports in causes.items() if len(reports) > 1}

    def _entries(self, kind: str, causes: Groups, reporter: pytest.TerminalReporter) -> Iterator[tuple[str, ...]]:
        """Lines about one outcome; those of a test give its id, which can be pasted back."""
        width, reports = widest(reporter), [one for one in self.whole.get(kind, ()) if _model(one)]
        if kind not in _BLOCKING:
            for (model, reason), group in _by_reason(reports).items():
                yield two_lines(f"{_WORDS[kind]} [{len(group)}] {model}: {reason}", width)
            return
        of_report = {id(report): key for key, group in causes.items() for report in group}
        for report in reports:
            if key := of_report.get(id(report)):
                yield two_lines(f"INCOMPLETE [{len(causes[key])}] {key[0]}: {key[1]}", width)
            else:
                yield _of_test(kind, report, reporter, width)


class WithinSummary:
    """Gives every report to other plugins, and to pytest's short summary those that are not about models."""

    def __init__(self, outside: ShortSummary) -> None:
        self._outside = outside

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, object, object]:  # noqa: ANN401
        """Inside of whatever pytest says before and after others."""
        if not self._outside.whole:
            return (yield)
        terminalreporter.stats.update(self._outside.whole)
        try:
            return (yield)
        finally:
            terminalreporter.stats.update(self._outside.short)


def _model(report: Any) -> str:  # noqa: ANN401 - of a test, or of what was collected
    """The model that a test is about; empty for any other."""
    return str(dict(getattr(report, "user_properties", ())).get("model", ""))


def _text(report: Any) -> str:  # noqa: ANN401
    """Message of a failure."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = report.longrepr if isinstance(report.longrepr, str) else getattr(crash, "message", "")
    return str(text).removeprefix("Failed: ")


def _of_test(kind: str, report: Any, reporter: pytest.TerminalReporter, width: int) -> tuple[str, ...]:  # noqa: ANN401
    """A test and its reason, which goes below it where the screen is narrow; on one line for whoever reads a file."""
    test = f"{_WORDS[kind]} {from_here(reporter.config, report.nodeid)}"
    first, *_ = _text(report).splitlines() or [""]
    (reason, *_) = two_lines(first, _WIDTH * _MOST_LINES)
    if not reason:
        return (test,)
    if not reporter.isatty or len(test) + len(reason) + 3 <= reporter.config.get_terminal_writer().fullwidth:
        return (f"{test} - {reason}",)
    return (test, *two_lines(first, width, first="    "))


def _by_reason(reports: list[Any]) -> Groups:
    """Reports by model and reason; what is tolerated in one stage of a model counts as one reason."""
    skipped: Groups = {}
    tolerated: Groups = {}
    for report in reports:
        if hasattr(report, "wasxfail"):
            stage = dict(report.user_properties).get("stage", "")
            tolerated.setdefault((_model(report), str(stage)), []).append(report)
        else:
            skipped.setdefault((_model(report), report.longrepr[2].removeprefix("Skipped: ")), []).append(report)
    return skipped | {(model, _together(group)): group for (model, _), group in tolerated.items()}


def _together(reports: list[Any]) -> str:
    """Reasons of several tests, without those that another one holds."""
    reasons = dict.fromkeys(report.wasxfail.removeprefix("reason: ").removesuffix(".") for report in reports)
    return "; ".join(one for one in reasons if not any(one != other and one in other for other in reasons))
