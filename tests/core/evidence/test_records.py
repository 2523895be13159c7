"""Records of evidence, as they are kept while a run goes on."""

from dataclasses import replace

import pytest
from support.report_factory import evidence_of, judged, judgement_of, plan_of

from pytest_modelgate.adapters.verdict.model_part import model_part
from pytest_modelgate.errors import GateError

PLAN = plan_of("AAPL")
EVIDENCE = evidence_of(PLAN, drift=0.001)
WHOLE = judgement_of(PLAN, EVIDENCE)


def test_what_is_kept_says_the_same_in_a_tenth_of_the_room() -> None:
    kept = WHOLE.without_bars()

    assert model_part(kept) == model_part(WHOLE)
    assert kept.reasons == WHOLE.reasons
    for ours, theirs in zip(kept.measured, WHOLE.measured, strict=True):
        assert len(str(ours)) < len(str(theirs)) / 10


def test_what_was_left_out_is_found_again() -> None:
    assert str(WHOLE.without_bars().with_bars(EVIDENCE.get)) == str(WHOLE)


def test_what_was_never_there_is_not_looked_for() -> None:
    incomplete = replace(WHOLE, backtest=None, folds=(None,) * len(WHOLE.folds))

    assert incomplete.with_bars(lambda _: pytest.fail("nothing to find")) == incomplete


def test_other_evidence_than_was_judged_is_refused() -> None:
    for other in (judged("AAPL", drift=0.002).backtest, None):
        with pytest.raises(GateError, match=r"AAPL_1Hour backtest: is no longer what was judged"):
            WHOLE.without_bars().with_bars({**EVIDENCE, "backtest": other}.get)
