"""Short names of the gate's fixtures, for tests of users: a project's own fixture of a name goes before ours.

The suite asks for the long ones, so it is the same beside any project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # these pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.config.waivers import Waiver
    from pytest_modelgate.core.decision.backtest_sanity import Sanity
    from pytest_modelgate.core.decision.judgement import Judgement
    from pytest_modelgate.core.evidence.records import (
        CheckpointEvidence,
        WindowEvidence,
    )
    from pytest_modelgate.core.integrity.check import Check
    from pytest_modelgate.core.market.bars import Bars
    from pytest_modelgate.core.planning.plan import ModelPlan
    from pytest_modelgate.core.statistics.paired_comparison import Comparison
    from pytest_modelgate.core.training.gating import Gating
    from pytest_modelgate.core.training.run import TrainedModel
    from pytest_modelgate.core.watching.judging import WatchCase


@pytest.fixture
def model_plan(gate_model_plan: ModelPlan) -> ModelPlan:
    """What the model has to show."""
    return gate_model_plan


@pytest.fixture
def trained_model(gate_trained_model: TrainedModel) -> TrainedModel:
    """What the archive says about the model."""
    return gate_trained_model


@pytest.fixture
def metric(gate_metric: str) -> str:
    """One of the four training metrics."""
    return gate_metric


@pytest.fixture
def gating(gate_gating: Gating) -> Gating:
    """How the model's training metrics were judged."""
    return gate_gating


@pytest.fixture
def waivers(gate_waivers: dict[str, Waiver]) -> dict[str, Waiver]:
    """What is waived for the model, by check."""
    return gate_waivers


@pytest.fixture
def backtest(gate_backtest: WindowEvidence) -> WindowEvidence:
    """Evidence of the sanity window."""
    return gate_backtest


@pytest.fixture
def checkpoint(gate_checkpoint: CheckpointEvidence) -> CheckpointEvidence:
    """Which bytes are judged, and whether they compute what the trainer computed."""
    return gate_checkpoint


@pytest.fixture
def integrity(gate_integrity: dict[str, Check]) -> dict[str, Check]:
    """What the integrity checks found, by name."""
    return gate_integrity


@pytest.fixture
def champion(gate_champion: Comparison) -> Comparison:
    """How the model did against the one now deployed."""
    return gate_champion


@pytest.fixture
def paper(gate_paper: WatchCase) -> WatchCase:
    """What an account's record of the model is worth."""
    return gate_paper


@pytest.fixture
def sanity(gate_sanity: Sanity) -> Sanity:
    """How the sanity window was judged."""
    return gate_sanity


@pytest.fixture
def fold_result(gate_fold_result: WindowEvidence) -> WindowEvidence:
    """Evidence of one walk-forward fold."""
    return gate_fold_result


@pytest.fixture
def evidence(gate_evidence: dict[str, WindowEvidence]) -> dict[str, WindowEvidence]:
    """Evidence of every window of the model, by window name."""
    return gate_evidence


@pytest.fixture
def decision(gate_decision: Judgement) -> Judgement:
    """Everything known about the model, and what was decided."""
    return gate_decision


@pytest.fixture
def bars(gate_bars: Bars) -> Bars:
    """The bars the model is judged on."""
    return gate_bars


ALIASES = frozenset(name for name, value in tuple(globals().items()) if isinstance(value, type(bars)))  # all above
