"""Header of the terminal, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.core.config.settings import OWN_FEED
from pytest_modelgate.errors import GateError
from pytest_modelgate.plugin.options import only_shows
from pytest_modelgate.plugin.output.text import describe_accounts, execution_text
from pytest_modelgate.plugin.suite import describe_suite, runs_all
from pytest_modelgate.plugin.xdist.placement import count_specs, describe, describe_device, is_distributed
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # these pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.plugin.session.gate_run import GateRun


def header(config: pytest.Config, run: GateRun) -> list[str]:
    """Lines on what is in force."""
    from pytest_modelgate.core.planning.schedule import workers_pay

    gate, settings = run.gate, run.settings
    models = len(gate.plan.models)
    asked = (
        f"model gate: {run.archive_name}, {models} model{'s' if models != 1 else ''}; "
        f"profile {gate.profile.name}{_rules(run)}, decision {settings.decision}, at least {settings.require.name}, "
        f"trials {gate.plan.trials}{_assumed(run)}"
    )
    mode = settings.record_mode
    recording = "replaying " if mode == "none" else f"recording ({mode}) into and replaying "
    basis = (
        f"model gate: as of {gate.plan.as_of:%Y-%m-%d %H:%M} UTC; backtest {settings.backtest_days} days, "
        f"{settings.folds} folds over {settings.walk_forward_days} days; "
        f"{recording}{terminal_safe(str(settings.cassettes))}; account {describe_accounts(gate.plan)}; "
        f"{describe_device(config)}"
    )
    lines = [asked, basis, f"model gate: {describe_suite(config)}", f"model gate: {_known(run)}"]
    lines += [f"model gate: {terminal_safe(line)}" for line in _features(config)]
    lines += [f"model gate: {terminal_safe(line)}" for line in _account(run)]
    if settings.feed == OWN_FEED:
        lines.append("model gate: judging on bars of your own (--gate-feed own), not on Alpaca's")
    lines += [f"model gate: warning: {terminal_safe(warning)}" for warning in gate.plan.run.warnings]
    if text := hold_out_text(run):
        lines.append(f"model gate: {text}")
    if is_distributed(config) and not only_shows(config):
        lines.append(f"model gate: {describe(config)}")
        if not workers_pay(gate.plan, set(run.work) - run.reusable, count_specs(config)):
            lines.append("model gate: so little is to be computed that starting workers takes longer: try -n 0")
    return lines


def _account(run: GateRun) -> list[str]:
    """Which account is asked about how many of the models; why none can be."""
    watching = run.gate.watching
    if watching is None:
        return []
    traded = sum(model.model.id in watching.in_force for model in run.gate.plan.models)
    told = f"{traded} of {len(run.gate.plan.models)} models in force in {run.settings.paper}"
    if isinstance(watching.account, GateError):
        return [f"{told}; warning: {watching.account}"]
    record = watching.account.record
    return [f"{told}, traded by {record.kind} account {record.account}"]


def _features(config: pytest.Config) -> list[str]:
    """Feature sets that are registered so far, and by which code; a registration that fails is told by its models."""
    from pytest_modelgate.plugin.session.start import feature_sets

    try:
        known = feature_sets(config)
    except GateError:
        return []
    return [f"feature set {name} of {item.source}" for name, item in sorted(known.items()) if item.source]


def _rules(run: GateRun) -> str:
    """Rules of execution in force, in brackets."""
    said = execution_text(run.gate.profile)
    return f" ({said})" if said else ""


def _assumed(run: GateRun) -> str:
    """Looks that the number of trials assumes, for want of a ledger; empty where it assumes none."""
    count = run.gate.plan.count
    said = []
    if count.counted * count.looks > count.counted + count.concealed:
        said.append(f"{count.looks} looks at each model assumed, by as-of's distance from the archive")
    elif count.concealed:
        said.append(f"{count.concealed} that nobody declared assumed")
    if said:
        said.append("--gate-ledger counts")
    if count.validations:
        said.append(f"{count.validations} validations may have seen the folds: declare the selection window")
    return f" ({'; '.join(said)})" if said else ""


def _known(run: GateRun) -> str:
    """Counts of windows known and to be computed."""
    settings, total, known = run.settings, len(run.work), len(run.reusable)
    share = f"shard {settings.shard}, " if settings.shard else ""
    if settings.merge:
        return f"merging, evidence of {known} of {total} windows is there, nothing is computed"
    if not known:
        return f"{share}{total} windows to compute"
    return f"{share}{total} windows, {known} known from earlier evidence, {total - known} to compute"


def begin(config: pytest.Config, run: GateRun) -> None:
    """Begin a run, telling what is recorded as it happens.

    Raises:
        pytest.UsageError: market data is to be recorded, which these keys, options or cassettes do not allow.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    try:
        run.begin(
            lambda line: reporter.write_line(f"model gate: {terminal_safe(line)}") if reporter else None,
            whole=runs_all(config),
        )
    except GateError as error:
        raise pytest.UsageError(str(error)) from None


def hold_out_text(run: GateRun) -> str:
    """Say when no fold is out-of-sample, and what would change that; empty otherwise."""
    from pytest_modelgate.core.planning.hold_out import advise

    advice = advise(run.gate.plan, run.settings)
    if advice is None:
        return ""
    live = "LIVE is out of reach" if run.settings.decision != "table" else "the folds prove nothing about new data"
    held = f"a trainer that holds out the last {advice.days} days can prove its models at once"
    if advice.provable_from is None:
        return f"no training window is declared: no fold is known to be out-of-sample, {live}; {held}"
    since = f"this archive could prove itself as of {advice.provable_from:%Y-%m-%d}"
    return f"no fold is out-of-sample, so {live}; {since}, {held}"
