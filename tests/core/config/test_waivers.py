"""What may be waived, and how far a waiver reaches."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.core.backtest.metrics import FoldResult
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.waivers import WAIVABLE, Waiver, check_models, parse_waivers
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.decision import Cap, Decision, decide
from pytest_modelgate.core.decision.proofs import PROOFS, Proof
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.statistics.paired_comparison import Comparison
from pytest_modelgate.core.training.gating import Classification
from pytest_modelgate.errors import SettingsError

TODAY = date(2026, 3, 1)
PROFILE = load_profile("2.4.5")
ENTRY = {"model": "AAPL_1Hour", "check": "backtest", "reason": "One trade", "owner": "ada", "expires": date(2026, 3, 9)}
WORSE = Comparison("worse", "c" * 64, -0.001, -0.002, -0.0005, 0.1, 0.05)


def _waivers(*checks: str) -> dict[str, Waiver]:
    return {check: Waiver("AAPL_1Hour", check, "it is known", "ada", TODAY) for check in checks}


def _folds(*returns: float) -> list[FoldResult]:
    return [FoldResult(value, 0.1 * value, 800, 8760.0) for value in returns]


def _proofs(shown: bool = True) -> list[Proof]:
    return [Proof(name, shown, 1.0, 0.5, at_most=False, sentence="x.") for name in PROOFS]


def _decide(
    *checks: str,
    classification: Classification = Classification.APPROVED,
    sanity: str = "pass",
    folds: list[FoldResult] | None = None,
    shown: bool = True,
    **more: Any,
) -> Decision:
    found: Any = Sanity(sanity, ("something",) if sanity != "pass" else ())  # type: ignore[arg-type]
    returns = folds or _folds(0.05, 0.05, 0.05, 0.05, 0.05)
    return decide(
        classification, found, returns, PROFILE, "proven", proofs=_proofs(shown), waivers=_waivers(*checks), **more
    )


def test_a_cap_is_lifted_by_one_step_and_says_by_whom() -> None:
    insane = _decide(sanity="fail")
    waived = _decide("backtest", sanity="fail")

    assert (insane.decision, waived.decision) == (DecisionLevel.RETRAIN, DecisionLevel.PAPER)
    assert "waived by ada until 2026-03-01: it is known, which allows PAPER." in waived.reasons[0]


@pytest.mark.parametrize(
    ("check", "case"),
    [
        ("gating", {"classification": Classification.REVIEW}),
        ("backtest", {"sanity": "warn"}),
        ("champion", {"comparison": WORSE}),
    ],
)
def test_paper_becomes_live_where_nothing_else_speaks_against_it(check: str, case: dict[str, Any]) -> None:
    assert _decide(**case).decision is DecisionLevel.PAPER
    assert _decide(check, **case).decision is DecisionLevel.LIVE
    assert _decide(*(set(WAIVABLE) - {check}), **case).decision is DecisionLevel.PAPER


def test_a_drop_stays_a_drop() -> None:
    assert _decide(*WAIVABLE, classification=Classification.DROP).decision is DecisionLevel.DROP
    named = Cap(DecisionLevel.DROP, "Dropped.", "gating")
    assert named.lifted(_waivers("gating")) is named
    alone = decide(Classification.DROP, None, (), PROFILE, "proven", waivers=_waivers(*WAIVABLE))
    assert alone.decision is DecisionLevel.DROP


def test_neither_integrity_nor_proof_can_be_waived() -> None:
    failed = Check("causality", "fail", "It sees the future.")

    assert _decide(*WAIVABLE, checks=[failed]).decision is DecisionLevel.RETRAIN
    assert _decide(*WAIVABLE, shown=False).decision is DecisionLevel.PAPER


@given(
    st.sampled_from(Classification),
    st.sampled_from(["pass", "warn", "fail"]),
    st.lists(st.floats(-0.3, 0.3), min_size=1, max_size=8),
    st.booleans(),
    st.sets(st.sampled_from(sorted(WAIVABLE))),
)
def test_waivers_lift_by_one_step_at_most_and_never_beyond_the_table(
    classification: Classification, sanity: str, returns: list[float], shown: bool, checks: set[str]
) -> None:
    case: dict[str, Any] = {
        "classification": classification, "sanity": sanity, "folds": _folds(*returns), "shown": shown
    }  # fmt: skip
    before, after = _decide(**case), _decide(*checks, **case)

    assert before.decision <= after.decision <= before.decision + 1
    assert after.table is not None
    assert after.decision <= after.table
    if before.decision is DecisionLevel.DROP:
        assert after.decision is DecisionLevel.DROP
    if not shown:
        assert after.decision <= DecisionLevel.PAPER


def test_waivers_are_read_in_order_of_models() -> None:
    other = {**ENTRY, "model": "AAPL_1Day"}

    found = parse_waivers({"waiver": [ENTRY, other]}, "w.toml", TODAY)

    assert [waiver.model for waiver in found] == ["AAPL_1Day", "AAPL_1Hour"]
    assert str(found[1]) == "waived by ada until 2026-03-09: One trade"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"expires": TODAY - timedelta(days=1)}, "expired on 2026-02-28"),
        ({"expires": TODAY + timedelta(days=31)}, "more than 30 days ahead"),
        ({"expires": "2026-03-09"}, "expires is not a day"),
        ({"check": "causality"}, "'causality' cannot be waived.*No waiver lifts DROP, an integrity check or a proof"),
        ({"check": "out_of_sample"}, "cannot be waived"),
        ({"check": "parity"}, "cannot be waived"),
        ({"reason": " "}, "reason is not a line"),
        ({"owner": "a\x1b[2J"}, "owner is not a line"),
        ({"reason": 7}, "reason is not a line"),
        ({"ticket": "1"}, "does not have exactly the fields"),
    ],
)
def test_an_unusable_waiver_is_an_error(change: dict[str, object], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        parse_waivers({"waiver": [ENTRY | change]}, "w.toml", TODAY)


@pytest.mark.parametrize("missing", sorted(ENTRY))
def test_every_field_is_required(missing: str) -> None:
    entry = {name: value for name, value in ENTRY.items() if name != missing}

    with pytest.raises(SettingsError, match="does not have exactly the fields"):
        parse_waivers({"waiver": [entry]}, "w.toml", TODAY)


def test_the_last_day_and_the_longest_one_hold() -> None:
    for expires in (TODAY, TODAY + timedelta(days=30)):
        assert parse_waivers({"waiver": [ENTRY | {"expires": expires}]}, "w.toml", TODAY)


def test_two_for_one_check_and_other_tables_are_refused() -> None:
    with pytest.raises(SettingsError, match="is a second one for backtest of AAPL_1Hour"):
        parse_waivers({"waiver": [ENTRY, ENTRY]}, "w.toml", TODAY)
    with pytest.raises(SettingsError, match="holds other than a list"):
        parse_waivers({"waivers": [ENTRY]}, "w.toml", TODAY)


def test_a_waiver_for_a_model_that_is_not_there_is_an_error() -> None:
    waivers = parse_waivers({"waiver": [ENTRY]}, "w.toml", TODAY)

    check_models(waivers, ["AAPL_1Hour"], "w.toml")
    with pytest.raises(SettingsError, match="waives backtest of AAPL_1Hour, which the archive does not hold"):
        check_models(waivers, ["UNIUSD_1Hour"], "w.toml")
