"""What the suite asks for, under names that no project uses; ``aliases`` gives the short names that users know.

Each fixture makes its test run once per model, metric or window.

A model that gating dropped skips what it never reached; evidence that could not be gained fails its own test only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_modelgate.plugin.aliases import ALIASES
from pytest_modelgate.plugin.collection import STAGES
from pytest_modelgate.plugin.state import RUN

if TYPE_CHECKING:  # these pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.config.settings import Settings
    from pytest_modelgate.core.config.waivers import Waiver
    from pytest_modelgate.core.decision.backtest_sanity import Sanity
    from pytest_modelgate.core.decision.judgement import Judgement
    from pytest_modelgate.core.evidence.records import (
        ChampionEvidence,
        CheckpointEvidence,
        IntegrityEvidence,
        WindowEvidence,
    )
    from pytest_modelgate.core.integrity.check import Check
    from pytest_modelgate.core.market.bars import Bars
    from pytest_modelgate.core.planning.plan import ModelPlan
    from pytest_modelgate.core.statistics.paired_comparison import Comparison
    from pytest_modelgate.core.training.gating import Gating
    from pytest_modelgate.core.training.run import TrainedModel
    from pytest_modelgate.core.watching.evidence import WatchEvidence
    from pytest_modelgate.core.watching.findings import Finding
    from pytest_modelgate.core.watching.judging import WatchCase
    from pytest_modelgate.plugin.collection import Case
    from pytest_modelgate.services.gate import Gate


@pytest.fixture
def gate_case(request: pytest.FixtureRequest) -> Case:
    """The model, metric or window this test is about."""
    if not hasattr(request, "param"):
        pytest.fail(_without_archive(request), pytrace=False)
    case: Case = request.param
    return case


@pytest.fixture
def gate_facade(request: pytest.FixtureRequest) -> Gate:
    """The gate of this run."""
    if RUN not in request.config.stash:
        pytest.fail(_without_archive(request), pytrace=False)
    return request.config.stash[RUN].gate


@pytest.fixture
def gate_settings(gate_facade: Gate) -> Settings:
    """The options of this run."""
    return gate_facade.settings


@pytest.fixture
def gate_model_plan(gate_facade: Gate, gate_case: Case) -> ModelPlan:
    """What the model has to show."""
    return gate_facade.plan.of(gate_case.model)


@pytest.fixture
def gate_trained_model(gate_model_plan: ModelPlan) -> TrainedModel:
    """What the archive says about the model."""
    return gate_model_plan.model


@pytest.fixture
def gate_metric(gate_case: Case) -> str:
    """One of the four training metrics."""
    return gate_case.metric


@pytest.fixture
def gate_gating(gate_model_plan: ModelPlan) -> Gating:
    """How the model's training metrics were judged."""
    if gate_model_plan.model.fault:
        pytest.fail(f"INCOMPLETE: {gate_model_plan.model.fault}", pytrace=False)
    if gate_model_plan.gating is None:
        pytest.fail("INCOMPLETE: the training summary has no entry for this checkpoint", pytrace=False)
    return gate_model_plan.gating


@pytest.fixture
def gate_waivers(gate_facade: Gate, gate_case: Case) -> dict[str, Waiver]:
    """What is waived for the model, by check."""
    return {waiver.check: waiver for waiver in gate_facade.settings.waivers if waiver.model == gate_case.model}


@pytest.fixture
def gate_backtest(gate_facade: Gate, gate_case: Case, gate_model_plan: ModelPlan) -> WindowEvidence:
    """Evidence of the sanity window."""
    return _evidence(gate_facade, gate_model_plan, gate_case.window or gate_model_plan.backtest.name)


@pytest.fixture
def gate_checkpoint(gate_facade: Gate, gate_model_plan: ModelPlan) -> CheckpointEvidence:
    """Which bytes are judged, and whether they compute what the trainer computed."""
    return _evidence(gate_facade, gate_model_plan, gate_model_plan.backtest.name).checkpoint


@pytest.fixture
def gate_integrity(gate_facade: Gate, gate_model_plan: ModelPlan) -> dict[str, Check]:
    """What the integrity checks found, by name."""
    from pytest_modelgate.core.evidence.records import IntegrityEvidence

    gained = _gained(gate_facade, gate_model_plan, gate_model_plan.integrity.name)
    assert isinstance(gained, IntegrityEvidence)
    return {check.name: check for check in gained.checks}


@pytest.fixture
def gate_champion(gate_facade: Gate, gate_model_plan: ModelPlan) -> Comparison:
    """How the model did against the one now deployed."""
    from pytest_modelgate.core.evidence.records import ChampionEvidence

    gained = _gained(gate_facade, gate_model_plan, gate_model_plan.contest.name)
    assert isinstance(gained, ChampionEvidence)
    return gained.comparison


@pytest.fixture
def gate_paper_record(gate_facade: Gate, gate_model_plan: ModelPlan) -> Finding:
    """Whether there is a complete record of what an account did with the model."""
    from pytest_modelgate.core.watching.evidence import WatchEvidence
    from pytest_modelgate.core.watching.findings import judge_record

    gained = _gained(gate_facade, gate_model_plan, gate_model_plan.watch.name)
    assert isinstance(gained, WatchEvidence)
    if not gained.since:
        pytest.skip(f"no account trades it: {gained.problem}")
    return judge_record(gained, gate_facade.profile.watch)


@pytest.fixture
def gate_paper(gate_facade: Gate, gate_model_plan: ModelPlan, gate_paper_record: Finding) -> WatchCase:  # noqa: ARG001 - skips where no account trades it
    """What the account's record is worth, which takes the model's folds to compare with."""
    judgement = gate_facade.judge(gate_model_plan.model.id)
    if judgement.watch is None:
        pytest.fail(f"INCOMPLETE: {judgement.incomplete}", pytrace=False)
    return judgement.watch


@pytest.fixture
def gate_sanity(gate_facade: Gate, gate_gating: Gating, gate_backtest: WindowEvidence) -> Sanity:  # noqa: ARG001 - fails without gating
    """How the sanity window was judged."""
    return gate_facade.sanity(gate_backtest)


@pytest.fixture
def gate_fold_result(gate_facade: Gate, gate_case: Case, gate_model_plan: ModelPlan) -> WindowEvidence:
    """Evidence of one walk-forward fold."""
    if gate_model_plan.dropped and gate_facade.settings.evaluate_dropped:
        _inform(gate_facade, gate_model_plan, gate_case.window)
    return _evidence(gate_facade, gate_model_plan, gate_case.window)


@pytest.fixture
def gate_evidence(gate_facade: Gate, gate_model_plan: ModelPlan) -> dict[str, WindowEvidence]:
    """Evidence of every window of the model, by window name."""
    windows = (gate_model_plan.backtest, *gate_model_plan.folds)
    return {window.name: _evidence(gate_facade, gate_model_plan, window.name) for window in windows}


@pytest.fixture
def gate_decision(request: pytest.FixtureRequest, gate_model_plan: ModelPlan) -> Judgement:
    """Everything known about the model, and what was decided."""
    return request.config.stash[RUN].judge(gate_model_plan.model.id)


@pytest.fixture
def gate_bars(gate_facade: Gate, gate_trained_model: TrainedModel) -> Bars:
    """The bars the model is judged on."""
    from pytest_modelgate.errors import GateError

    try:
        return gate_facade.bars(gate_trained_model.id)
    except GateError as error:
        pytest.fail(f"INCOMPLETE: {error}", pytrace=False)


def _without_archive(request: pytest.FixtureRequest) -> str:
    """Say which fixture a test got from us, that asks for one which may be meant to be the project's own."""
    asked = [name for name in request.fixturenames if name in ALIASES] or ["gate fixtures"]
    return (
        f"{', '.join(asked)}: no fixture of the project bears this name, and the gate's needs --model-archive=PATH. "
        f"Define it, or mark the test with one of {', '.join(STAGES)}: it is skipped then where there is no archive."
    )


def _evidence(gate: Gate, plan: ModelPlan, window: str) -> WindowEvidence:
    from pytest_modelgate.core.evidence.records import WindowEvidence

    gained = _gained(gate, plan, window)
    assert isinstance(gained, WindowEvidence)
    return gained


def _inform(gate: Gate, plan: ModelPlan, window: str) -> NoReturn:
    """Say how a model that gating dropped did in a fold, which nothing depends on."""
    from pytest_modelgate.core.evidence.records import WindowEvidence

    gained = gate.evidence(plan.model.id, window)
    told = f"returns {gained.metrics.total_return:+.2%}" if isinstance(gained, WindowEvidence) else str(gained)
    pytest.skip(f"gating dropped the model; for information, {window} {told}")


def _gained(
    gate: Gate, plan: ModelPlan, window: str
) -> WindowEvidence | IntegrityEvidence | ChampionEvidence | WatchEvidence:
    from pytest_modelgate.core.evidence.records import WindowFailure

    if plan.dropped and plan.gating:
        pytest.skip(f"not evaluated, gating dropped the model: {'; '.join(plan.gating.findings)}")
    gained = gate.evidence(plan.model.id, window)
    if isinstance(gained, WindowFailure):
        pytest.fail(f"INCOMPLETE: {gained}", pytrace=False)
    return gained
