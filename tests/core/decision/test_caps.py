"""Who makes a cap, and how far a waiver lifts it."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.record_factory import case_of

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.config.cap_kind import CapKind
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.waivers import WAIVABLE, Waiver
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.caps import Cap, CapSource
from pytest_modelgate.core.decision.decision import Decision, decide
from pytest_modelgate.core.decision.model_case import NOT_COMPARED, Hanging, ModelCase
from pytest_modelgate.core.decision.proof import PROOFS, Proof
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.statistics.paired_comparison import Comparison, Outcome
from pytest_modelgate.core.training.gating import Classification

PROFILE = load_profile("2.4.5")
DROP, RETRAIN, PAPER, LIVE = DecisionLevel
FAILED = Check("causality", "fail", "It sees the future.")


def _compared(outcome: Outcome) -> Comparison:
    return Comparison(outcome, "c" * 64, -0.001, -0.002, -0.0005, 0.1, 0.05)


def _waivers(*checks: str) -> dict[str, Waiver]:
    return {check: Waiver("AAPL_1Hour", check, "it is known", "ada", date(2026, 3, 1)) for check in checks}


def _folds(*returns: float) -> list[FoldResult]:
    return [FoldResult(value, 0.1 * value, 800, 8760.0) for value in returns]


def _proofs(*missed: str) -> list[Proof]:
    return [Proof(name, name not in missed, 0.01, 0.5, at_most=False, sentence="x.") for name in PROOFS]


def _decide(*checks: str, **changes: Any) -> Decision:
    flawless: dict[str, Any] = {
        "classification": Classification.APPROVED,
        "sanity": Sanity("pass", ()),
        "folds": _folds(*[0.05] * 5),
        "profile": PROFILE,
        "rule": "proven",
        "proofs": _proofs(),
        "parity": Parity("proven", "all of it"),
    }
    return decide(ModelCase(**flawless | changes, waivers=_waivers(*checks)))


def _sanity(status: Any) -> Sanity:
    return Sanity(status, ("something",) if status != "pass" else ())


CASES: dict[CapKind, dict[str, Any]] = {
    CapKind.GATING: {"classification": Classification.REVIEW},
    CapKind.BACKTEST: {"sanity": _sanity("warn")},
    CapKind.FOLDS: {"folds": _folds(*[0.05] * 4)},
    CapKind.RETURN: {"folds": _folds(0.01, 0.01, 0.01, 0.01, -0.5)},
    CapKind.LUCKY_FOLD: {"folds": _folds(0.5, 0.01, 0.01, 0.01, -0.1)},
    CapKind.CHAMPION: {"comparison": _compared("worse")},
    CapKind.IMPLAUSIBLE: {"folds": [FoldResult(0.05, 0.3, 800, 8760.0)] * 5},
    CapKind.FLAGGED_BARS: {"hanging": Hanging(("fold1of5 returns +1.00%, and -1.00% without x",), LIVE)},
    CapKind.INTEGRITY: {"checks": [FAILED]},
    CapKind.PARITY: {"parity": NOT_COMPARED},
    CapKind.PROOF: {"proofs": _proofs("money")},
    CapKind.UNCERTIFIED: {"uncertified": True},
    CapKind.PAPER: {"watch": case_of(PAPER)},
}


@pytest.mark.parametrize("kind", CapKind)
def test_a_cap_knows_who_made_it(kind: CapKind) -> None:
    names = {CapKind.INTEGRITY: "causality", CapKind.PROOF: "money"}

    assert _decide(**CASES[kind]).caps[0].source == CapSource(kind, names.get(kind, ""))


@pytest.mark.parametrize("kind", CapKind)
def test_what_waivers_may_name_is_what_can_be_waived(kind: CapKind) -> None:
    assert _decide(**CASES[kind]).caps[0].waivable == (kind in WAIVABLE)


def test_what_nobody_earns_allows_paper_under_every_rule() -> None:
    rules = [_decide(**CASES[CapKind.IMPLAUSIBLE], rule=rule) for rule in ("proven", "table")]

    assert [(decision.table, decision.level) for decision in rules] == [(LIVE, PAPER)] * 2
    assert rules[0].reasons[0].startswith("Too good to be true, which allows PAPER at most: an annualised Sharpe")


@pytest.mark.parametrize("rule", ["proven", "pooled", "table"])
def test_what_is_not_certified_gets_no_further_than_paper_under_any_rule(rule: Any) -> None:
    assert _decide(**CASES[CapKind.UNCERTIFIED], rule=rule).level is PAPER


def test_live_needs_proven_parity_unless_the_table_alone_decides() -> None:
    proven, table = (_decide(**CASES[CapKind.PARITY], rule=rule) for rule in ("proven", "table"))

    assert (proven.level, table.level, table.caps) == (PAPER, LIVE, ())
    assert proven.reasons[0] == (
        "Parity with the trainer is unproven, PAPER at most: it was not compared; give write_archive the policy, "
        "ModelArtifact(..., policy=network), and it makes a probe."
    )


@pytest.mark.parametrize(("without", "level"), [(LIVE, PAPER), (PAPER, PAPER), (RETRAIN, RETRAIN), (DROP, DROP)])
def test_no_decision_hangs_on_doubtful_prices(without: DecisionLevel, level: DecisionLevel) -> None:
    decision = _decide(hanging=Hanging(("it does",), without))

    assert (decision.table, decision.level) == (LIVE, level)
    assert decision.reasons[0] == f"It hangs on bars with doubtful prices, which allows {level} at most: it does."


def test_a_flawless_model_has_no_cap() -> None:
    assert _decide().caps == ()


@pytest.mark.parametrize("outcome", ["better", "equal"])
def test_a_model_no_worse_than_the_champion_is_not_capped(outcome: Outcome) -> None:
    assert _decide(comparison=_compared(outcome)).caps == ()


@pytest.mark.parametrize("kind", [CapKind.GATING, CapKind.BACKTEST, CapKind.FOLDS, CapKind.CHAMPION])
def test_paper_becomes_live_where_nothing_else_speaks_against_it(kind: CapKind) -> None:
    before, after = _decide(**CASES[kind]), _decide(kind, **CASES[kind])

    assert (before.level, after.level) == (PAPER, LIVE)


def test_retrain_becomes_paper() -> None:
    before, after = (_decide(*checks, sanity=_sanity("fail")) for checks in ([], ["backtest"]))

    assert (before.level, after.level) == (RETRAIN, PAPER)


@pytest.mark.parametrize("kind", CapKind)
def test_waivers_of_everything_else_change_nothing(kind: CapKind) -> None:
    others = [other for other in CapKind if other is not kind]

    assert _decide(*others, **CASES[kind]).caps[0] == _decide(**CASES[kind]).caps[0]


def test_a_lifted_cap_says_by_whom() -> None:
    reason = _decide("backtest", sanity=_sanity("fail")).reasons[0]

    assert reason.endswith(": something; waived by ada until 2026-03-01: it is known, which allows PAPER.")


@pytest.mark.parametrize("folds", [[], _folds(*[0.05] * 5)], ids=["unmeasured", "measured"])
def test_a_drop_stays_a_drop(folds: list[FoldResult]) -> None:
    assert _decide(*CapKind, classification=Classification.DROP, folds=folds).level is DROP


@pytest.mark.parametrize(
    "kind",
    [
        CapKind.IMPLAUSIBLE,
        CapKind.FLAGGED_BARS,
        CapKind.INTEGRITY,
        CapKind.PARITY,
        CapKind.PROOF,
        CapKind.UNCERTIFIED,
    ],
)
def test_neither_integrity_nor_proof_nor_what_nobody_earns_can_be_waived(kind: CapKind) -> None:
    names = *CapKind, *PROOFS, "causality"

    assert _decide(*names, **CASES[kind]).level is _decide(**CASES[kind]).level


def test_a_cap_at_live_is_lifted_no_further() -> None:
    cap = Cap(LIVE, "x.", CapSource(CapKind.FOLDS), waivable=True)

    assert cap.lifted(_waivers("folds")).level is LIVE


AT_RANDOM = given(
    classification=st.sampled_from(Classification),
    sanity=st.sampled_from(["pass", "warn", "fail"]),
    returns=st.lists(st.floats(-0.3, 0.3), min_size=1, max_size=8),
    missed=st.sampled_from([[], ["money"]]),
    checks=st.sets(st.sampled_from(WAIVABLE)),
)


def _before_and_after(
    classification: Classification, sanity: str, returns: list[float], missed: list[str], checks: set[str]
) -> tuple[Decision, Decision]:
    case = {
        "classification": classification,
        "sanity": _sanity(sanity),
        "folds": _folds(*returns),
        "proofs": _proofs(*missed),
    }
    return _decide(**case), _decide(*checks, **case)


@AT_RANDOM
def test_waivers_lift_by_one_step_at_most(**case: Any) -> None:
    before, after = _before_and_after(**case)

    assert before.level <= after.level <= before.level + 1


@AT_RANDOM
def test_waivers_lift_nothing_beyond_the_table(**case: Any) -> None:
    _, after = _before_and_after(**case)

    assert after.table is not None
    assert after.level <= after.table


@AT_RANDOM
def test_waivers_never_lift_a_drop(**case: Any) -> None:
    before, after = _before_and_after(**case)

    assert before.level is not DROP or after.level is DROP


@AT_RANDOM
def test_waivers_never_lift_a_model_beyond_paper_that_misses_a_proof(**case: Any) -> None:
    _, after = _before_and_after(**case)

    assert not case["missed"] or after.level <= PAPER
