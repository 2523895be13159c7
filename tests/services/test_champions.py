"""What is deployed, as evidence depends on it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support import report_factory as factory
from support.checkpoints import contents, saved

from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.records import Evidence, WindowEvidence, WindowFailure
from pytest_modelgate.core.policy.actions import CLOSE, HOLD, Target
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.services.champions import Champion

DEPLOYED = Champion("UNIUSD_1Hour", "ab" * 32, Path("UNIUSD_1Hour.pt"), "reference-v1", "tanh")


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "cd" * 32},
        {"feature_set": "mine"},
        {"activation": "relu"},
        {"verdict": "ef" * 32},
        {"declared": Declared(actions=(HOLD, CLOSE))},
        {"declared": Declared(account_mode="tracked")},
        {"bar_origin": "03:00 UTC"},
    ],
    ids=str,
)
def test_whatever_the_deployed_model_does_is_in_its_digest(change: dict[str, Any]) -> None:
    assert replace(DEPLOYED, **change).digest != DEPLOYED.digest


def test_where_its_file_lies_is_not() -> None:
    assert replace(DEPLOYED, file=Path("elsewhere/UNIUSD_1Hour.pt")).digest == DEPLOYED.digest


PLAN = factory.plan_of("UNIUSD")
ONE = PLAN.folds[0]


def measured() -> WindowEvidence:
    evidence = factory.evidence_of(PLAN, drift=0.001)[ONE.name]
    assert isinstance(evidence, WindowEvidence)
    return evidence


SEEN = measured()


@dataclass
class Records:
    """Evidence by model and window."""

    records: dict[tuple[str, str], Evidence | None]

    def read(self, model: str, name: str) -> Evidence | None:
        return self.records[model, name]


def champion(record: Evidence | None) -> Champion:
    store: Any = Records({(PLAN.model.id, ONE.name): record})
    return Champion(PLAN.model.id, SEEN.checkpoint.sha256, None, None, None, store)


def test_what_its_own_run_measured_on_these_bars_is_compared() -> None:
    (attribution,) = champion(SEEN).attributions([ONE], SEEN.market.sha256)

    assert len(attribution) == len(SEEN.times)


OTHERS: dict[str, Evidence | None] = {
    "gone": None,
    "another checkpoint": replace(SEEN, checkpoint=replace(SEEN.checkpoint, sha256="ef" * 32)),
    "other bars": replace(SEEN, market=replace(SEEN.market, sha256="ef" * 32)),
    "another window": replace(SEEN, start="2020-01-01T00:00:00+00:00"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_nothing_else_is(other: str) -> None:
    with pytest.raises(CheckpointError, match=r"no evidence of .* on these very bars"):
        champion(OTHERS[other]).attributions([ONE], SEEN.market.sha256)


def test_a_record_that_cannot_be_used_says_why() -> None:
    failure = WindowFailure(PLAN.model.id, ONE.name, "evidence a.json", "was written by another version", "Run again")

    with pytest.raises(CheckpointError, match=r"evidence a\.json: was written by another version"):
        champion(failure).attributions([ONE], SEEN.market.sha256)


def test_it_is_loaded_as_what_it_was_judged_as(tmp_path: Path) -> None:
    path = saved(tmp_path, contents(model_version="9.9.9", action_meanings=None))
    declared = Declared(actions=(HOLD, CLOSE, Target(0.1)), account=())

    policy, name = replace(DEPLOYED, file=path, declared=declared).load(
        Settings(archive=Path("a.zip")), builtin_formats()
    )

    assert (policy.actions, policy.account, name) == (declared.actions, (), "reference-v1")
