"""What tests of models may ask for. Each fixture makes its test run once per model, metric or window.

A model that gating dropped skips what it never reached; evidence that could not be gained fails its own test only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
    from pytest_modelgate.plugin.collection import Case
    from pytest_modelgate.services.gate import Gate


@pytest.fixture
def gate_case(request: pytest.FixtureRequest) -> Case:
    """The model, metric or window this test is about."""
    case: Case = request.param
    return case


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Gate:
    """The gate of this run."""
    return request.config.stash[RUN].gate


@pytest.fixture
def gate_settings(gate: Gate) -> Settings:
    """The options of this run."""
    return gate.settings


@pytest.fixture
def model_plan(gate: Gate, gate_case: Case) -> ModelPlan:
    """What the model has to show."""
    return gate.plan.of(gate_case.model)


@pytest.fixture
def trained_model(model_plan: ModelPlan) -> TrainedModel:
    """What the archive says about the model."""
    return model_plan.model


@pytest.fixture
def metric(gate_case: Case) -> str:
    """One of the four training metrics."""
    return gate_case.metric


@pytest.fixture
def gating(model_plan: ModelPlan) -> Gating:
    """How the model's training metrics were judged."""
    if model_plan.model.fault:
        pytest.fail(f"INCOMPLETE: {model_plan.model.fault}", pytrace=False)
    if model_plan.gating is None:
        pytest.fail("INCOMPLETE: the training summary has no entry for this checkpoint", pytrace=False)
    return model_plan.gating


@pytest.fixture
def waivers(gate: Gate, gate_case: Case) -> dict[str, Waiver]:
    """What is waived for the model, by check."""
    return {waiver.check: waiver for waiver in gate.settings.waivers if waiver.model == gate_case.model}


@pytest.fixture
def backtest(gate: Gate, gate_case: Case, model_plan: ModelPlan) -> WindowEvidence:
    """Evidence of the sanity window."""
    return _evidence(gate, model_plan, gate_case.window or model_plan.backtest.name)


@pytest.fixture
def checkpoint(gate: Gate, model_plan: ModelPlan) -> CheckpointEvidence:
    """Which bytes are judged, and whether they compute what the trainer computed."""
    return _evidence(gate, model_plan, model_plan.backtest.name).checkpoint


@pytest.fixture
def integrity(gate: Gate, model_plan: ModelPlan) -> dict[str, Check]:
    """What the integrity checks found, by name."""
    from pytest_modelgate.core.evidence.records import IntegrityEvidence

    gained = _gained(gate, model_plan, model_plan.integrity.name)
    assert isinstance(gained, IntegrityEvidence)
    return {check.name: check for check in gained.checks}


@pytest.fixture
def champion(gate: Gate, model_plan: ModelPlan) -> Comparison:
    """How the model did against the one now deployed."""
    from pytest_modelgate.core.evidence.records import ChampionEvidence

    gained = _gained(gate, model_plan, model_plan.contest.name)
    assert isinstance(gained, ChampionEvidence)
    return gained.comparison


@pytest.fixture
def sanity(gate: Gate, gating: Gating, backtest: WindowEvidence) -> Sanity:  # noqa: ARG001 - fails without gating
    """How the sanity window was judged."""
    return gate.sanity(backtest)


@pytest.fixture
def fold_result(gate: Gate, gate_case: Case, model_plan: ModelPlan) -> WindowEvidence:
    """Evidence of one walk-forward fold."""
    return _evidence(gate, model_plan, gate_case.window)


@pytest.fixture
def evidence(gate: Gate, model_plan: ModelPlan) -> dict[str, WindowEvidence]:
    """Evidence of every window of the model, by window name."""
    windows = (model_plan.backtest, *model_plan.folds)
    return {window.name: _evidence(gate, model_plan, window.name) for window in windows}


@pytest.fixture
def decision(request: pytest.FixtureRequest, model_plan: ModelPlan) -> Judgement:
    """Everything known about the model, and what was decided."""
    return request.config.stash[RUN].judge(model_plan.model.id)


@pytest.fixture
def bars(gate: Gate, trained_model: TrainedModel) -> Bars:
    """The bars the model is judged on."""
    from pytest_modelgate.errors import GateError

    try:
        return gate.bars(trained_model.id)
    except GateError as error:
        pytest.fail(f"INCOMPLETE: {error}", pytrace=False)


def _evidence(gate: Gate, plan: ModelPlan, window: str) -> WindowEvidence:
    from pytest_modelgate.core.evidence.records import WindowEvidence

    gained = _gained(gate, plan, window)
    assert isinstance(gained, WindowEvidence)
    return gained


def _gained(gate: Gate, plan: ModelPlan, window: str) -> WindowEvidence | IntegrityEvidence | ChampionEvidence:
    from pytest_modelgate.core.evidence.records import WindowFailure

    if plan.dropped and plan.gating:
        pytest.skip(f"not evaluated, gating dropped the model: {'; '.join(plan.gating.findings)}")
    gained = gate.evidence(plan.model.id, window)
    if isinstance(gained, WindowFailure):
        pytest.fail(f"INCOMPLETE: {gained}", pytrace=False)
    return gained
