"""What lies in verdict.json when a run decided on too few models to replace it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # these pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.adapters.verdict.schema import Verdict
    from pytest_modelgate.plugin.session.gate_run import GateRun


def earlier_text(run: GateRun) -> str:
    """Whose verdict stays in place; empty where this run's own is written."""
    if run.earlier is None:
        return ""
    return f"as it was: complete, on {_subject(run.earlier, run.verdict)}; this run decided on too few models"


def _subject(earlier: Verdict, verdict: Verdict) -> str:
    before, now = earlier.archive, verdict.archive
    if (before.sha256, before.name) != (now.sha256, now.name):
        return f"another archive, {terminal_safe(before.name)} with sha256 {before.sha256[:12]}..."
    return "this archive" if _terms(earlier) == _terms(verdict) else "this archive on other terms"


def _terms(verdict: Verdict) -> object:
    """All but the ledger, which grows with every look."""
    settings = {name: value for name, value in verdict.settings.items() if name != "ledger"}
    return settings, verdict.profile, verdict.waivers
