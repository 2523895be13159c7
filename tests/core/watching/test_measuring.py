"""Synthetic accounts: the honest trader matches to the last order, each fault shows as what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.watch_factory import (
    CAPITAL,
    CRYPTO,
    DAY,
    HOUR,
    SECOND,
    STOCKS,
    Sent,
    Trader,
    market,
    outcomes,
    record_of,
)

from pytest_modelgate.core.backtest.evaluation import evaluate
from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.core.watching.judging import Forward, judge_days
from pytest_modelgate.core.watching.measuring import measure_watch
from pytest_modelgate.core.watching.records import (
    AccountFill,
    AccountRecord,
    Explained,
    MappedModel,
    Order,
    Snapshot,
    TraderMap,
)
from pytest_modelgate.core.watching.skill import Claim

FORWARD = Forward(Claim(0.0, 1.0), np.random.default_rng(1).normal(0.0, 0.01, 180), 36)


def every(count: int, change: Callable[[float], Sent | float]) -> Callable[[int, float], Sent | float]:
    """Alters each so-many-th order."""
    seen = 0

    def alter(_: int, quantity: float) -> Sent | float:
        nonlocal seen
        seen += quantity != 0.0
        return change(quantity) if quantity and seen % count == 0 else quantity

    return alter


def large(trader: Trader) -> int:
    """Orders but sales of what fees in kind left, which nobody can tell to the last digit."""
    return sum((order.quantity or 0.0) > 10.0 for order in trader.orders)


def large_matches(evidence: WatchEvidence) -> int:
    return sum(order.outcome == "match" and abs(order.actual) > 0.01 for order in evidence.orders)


def alarms(evidence: WatchEvidence) -> set[str]:
    found = judge_days(evidence, FORWARD, WatchLimits()).findings
    turned = {str(finding.name) for finding in found if finding.status in {"alarm", "incomplete"}}
    return turned - {"promotion"}


def test_the_honest_trader_matches_to_the_last_order() -> None:
    trader = Trader(market()).trade()
    evidence = trader.measure()
    assert set(outcomes(evidence)) == {"match"}
    assert large_matches(evidence) == large(trader) >= 60
    assert evidence.problem == ""
    assert (evidence.unexplained_notional, evidence.explained, evidence.outages) == (0.0, 0.0, 0)
    assert evidence.closure == pytest.approx(0.0, abs=1e-9)
    assert evidence.fees.realised == pytest.approx(0.0025)
    assert evidence.slippage == pytest.approx([0.001] * len(evidence.orders))
    assert evidence.curve[-1] == pytest.approx(trader.course[-1][3] / CAPITAL)
    assert evidence.curve[-1] == pytest.approx(evidence.simulated_curve[-1], abs=1e-3)
    assert alarms(evidence) == set()


def test_the_curve_is_that_of_the_account_at_every_close() -> None:
    trader = Trader(market()).trade()
    evidence = trader.measure()
    assert evidence.curve == pytest.approx([equity / CAPITAL for *_, equity in trader.course])
    assert [when * SECOND + HOUR for when in evidence.times] == [at for at, *_ in trader.course]


FAULTS: dict[str, tuple[dict[str, object], str, str]] = {
    "lost": ({"alter": every(7, lambda _: 0.0)}, "missing", "orders"),
    "late": ({"alter": every(7, lambda quantity: Sent(quantity, delay=HOUR // 2))}, "late", "orders"),
    "inverted": ({"alter": every(7, lambda quantity: -quantity)}, "other_side", "orders"),
    "half size": ({"alter": every(7, lambda quantity: quantity / 2)}, "other_size", "orders"),
    "rejected": ({"alter": every(7, lambda quantity: Sent(quantity, filled=0.0, status="rejected"))}, "refused",
                 "orders"),
    "cancelled": ({"alter": every(7, lambda quantity: Sent(quantity, filled=0.0, status="canceled"))}, "missing",
                  "orders"),
    "dear fills": ({"spread": 0.009}, "match", "costs"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_turns_its_own_finding(name: str) -> None:
    changes, outcome, finding = FAULTS[name]
    evidence = Trader(market(), **changes).trade().measure()  # type: ignore[arg-type]
    assert set(outcomes(evidence)) <= {"match", outcome}
    assert outcomes(evidence)[outcome] >= 5
    assert alarms(evidence) - {"tracking"} == {finding}


@given(st.integers(1, 100))
@settings(max_examples=8, deadline=None)
def test_one_lost_order_is_one_mismatch(lost: int) -> None:
    """In a free-running comparison all that follows would differ, too."""
    seen = 0

    def alter(_: int, quantity: float) -> float:
        nonlocal seen
        large = abs(quantity) > 10.0  # and no sale of what fees in kind left
        seen += large
        return 0.0 if large and seen == lost else quantity

    found = outcomes(Trader(market(), alter=alter).trade().measure())
    assert set(found) == {"match", "missing"}
    assert found["missing"] == 1


def test_a_trader_that_sees_an_old_bar_decides_otherwise() -> None:
    honest = Trader(market()).trade()
    before = {row + 1: quantity for row, quantity in honest.wanted.items()}
    stale = Trader(market(), alter=lambda row, _: before.get(row, 0.0)).trade()
    assert {"missing", "extra"} <= set(outcomes(stale.measure()))
    assert alarms(stale.measure()) == {"orders"}


def test_an_outage_is_counted_in_bars_while_its_orders_are_missing() -> None:
    down = range(500, 800)
    trader = Trader(market(), alter=lambda row, quantity: 0.0 if row in down else quantity).trade()
    lost = [row for row in down if trader.wanted[row]]
    evidence = trader.measure()
    assert evidence.outages == lost[-1] - lost[0] + 1
    assert outcomes(evidence)["missing"] == len(lost)


def test_orders_in_parts_and_by_notional_match_and_those_filled_short_are_partial() -> None:
    in_parts = every(2, lambda quantity: Sent(quantity, parts=3))
    by_notional = every(2, lambda quantity: Sent(quantity, notional=True))
    for alter in (in_parts, by_notional):
        found = outcomes(Trader(market(), alter=alter).trade().measure())
        assert set(found) == {"match"}
        assert found["match"] >= 60
    short = every(9, lambda quantity: Sent(quantity, filled=0.5, status="canceled"))
    evidence = Trader(market(), alter=short).trade().measure()
    assert set(outcomes(evidence)) == {"match", "partial"}
    assert evidence.unexplained_notional == 0.0
    assert alarms(evidence) == set()


def test_ids_tell_whose_order_it_is_and_a_symbol_that_one_model_alone_trades() -> None:
    assert outcomes(Trader(market(), ids=False).trade().measure()) == outcomes(Trader(market()).trade().measure())


def foreign(trader: Trader, at: int, units: float) -> AccountRecord:
    """The record with an order of somebody else, bought a minute after a close and sold an hour later."""
    record = trader.record()
    orders, fills = [], []
    for number, (side, moment) in enumerate((("buy", at), ("sell", at + HOUR))):
        key = f"foreign-{number}"
        orders.append(
            Order(key, f"other-{number}", trader.symbol, side, units, None, moment, moment, "filled", units, 100.0)  # type: ignore[arg-type]
        )
        fills.append(AccountFill(key, key, trader.symbol, side, units, 100.0, moment))  # type: ignore[arg-type]
    return replace(record, orders=(*record.orders, *orders), fills=(*record.fills, *fills))


def test_an_order_of_nobody_in_the_symbol_is_foreign_and_leaves_the_models_position_alone() -> None:
    trader = Trader(market()).trade()
    record = foreign(trader, trader.course[300][0] + 60 * SECOND, 10.0)
    evidence = measure_watch(trader.subject(), [], record, TraderMap())
    assert set(outcomes(evidence)) == {"match", "foreign"}
    assert outcomes(evidence)["foreign"] == 2
    assert large_matches(evidence) == large(trader)
    assert evidence.closure == pytest.approx(0.0, abs=1e-9), "bought and sold at one price"


def two_traders() -> tuple[Trader, Trader]:
    """Two models of one symbol on one account; each sizes by all of it, as three rounds find out."""
    one, other = Trader(market()), Trader(market(), model="BTCUSD_4Hour", seed=3, sha256="77" * 32)
    for _ in range(3):
        gains = [{at: equity - CAPITAL for at, *_, equity in trader.course} for trader in (one, other)]
        one, other = (
            replace(trader, beside=others.__getitem__ if others else trader.beside).trade()
            for trader, others in ((one, gains[1]), (other, gains[0]))
        )
    return one, other


def test_two_models_on_one_symbol_are_told_apart_by_their_ids() -> None:
    one, other = two_traders()
    record = record_of([one, other])
    for mine, its in ((one, other), (other, one)):
        subject = replace(mine.subject(), model=mine.in_force)
        evidence = measure_watch(subject, [its.in_force], record, TraderMap())
        assert set(outcomes(evidence)) == {"match"}
        assert evidence.closure == pytest.approx(0.0, abs=1e-9)


def test_two_models_on_one_symbol_without_ids_are_both_incomplete_unless_the_map_tells() -> None:
    one, other = two_traders()
    bare = [replace(order, client_order_id=f"{order.key[7]}-x") for trader in (one, other) for order in trader.orders]
    record = replace(record_of([one, other]), orders=tuple(bare))
    for mine, its in ((one, other), (other, one)):
        evidence = measure_watch(mine.subject(), [its.in_force], record, TraderMap())
        assert "say" in evidence.problem or "says" in evidence.problem
        assert evidence.orders == ()
    told = TraderMap((MappedModel(one.model, (), "1-.*"), MappedModel(other.model, (), "4-.*")))
    assert set(outcomes(measure_watch(one.subject(), [other.in_force], record, told))) == {"match"}


def test_a_position_from_before_begins_the_period_when_it_is_gone() -> None:
    trader = Trader(market()).trade()
    first = next(row for row, quantity in trader.wanted.items() if quantity > 0.0)
    moment = trader.course[first - trader.since_row + 1][0]
    begun = [place for place, state in enumerate(trader.course) if state[2] > 1.0]
    assert trader.course[begun[0]][0] == moment
    subject = trader.subject()
    later = replace(subject.model, since=pd.Timestamp(moment, tz="UTC"))
    evidence = measure_watch(replace(subject, model=later), [], trader.record(), TraderMap())
    sold = next(state[0] for state in trader.course[begun[0] :] if state[2] < 1.0)
    assert pd.Timestamp(evidence.start).value + HOUR == sold
    assert set(outcomes(evidence)) == {"match"}


def test_other_bytes_begin_a_new_period() -> None:
    trader = Trader(market()).trade()
    old = [replace(order, client_order_id=order.client_order_id.replace("5e5e5e5e", "11111111"))
           for order in trader.orders[:20]]  # fmt: skip
    record = replace(trader.record(), orders=(*old, *trader.orders[20:]))
    evidence = measure_watch(trader.subject(), [], record, TraderMap())
    assert pd.Timestamp(evidence.start).value + HOUR >= trader.orders[19].submitted
    assert set(outcomes(evidence)) == {"match"}
    none = replace(record, orders=tuple(
        replace(order, client_order_id=order.client_order_id.replace("5e5e5e5e", "11111111"))
        for order in trader.orders))  # fmt: skip
    last = replace(none, spans=((none.spans[0][0], trader.orders[-1].submitted + 60 * SECOND),))
    assert "other bytes" in measure_watch(trader.subject(), [], last, TraderMap()).problem


def test_a_run_as_of_a_moment_before_the_promotion_is_told_which_option_names_another() -> None:
    trader = Trader(market()).trade()
    subject = trader.subject(as_of=trader.in_force.since)

    assert "--gate-as-of" in measure_watch(subject, [], trader.record(), TraderMap()).problem


def test_a_gap_in_the_record_is_a_problem_and_the_end_of_the_record_the_end_of_the_period() -> None:
    trader = Trader(market()).trade()
    ((begin, end),) = trader.record().spans
    middle = (begin + end) // 2
    gap = trader.record(spans=((begin, middle), (middle + 6 * HOUR, end)))
    evidence = measure_watch(trader.subject(), [], gap, TraderMap())
    assert "6.0 hours" in evidence.problem
    assert alarms(evidence) >= {"record"}
    short = trader.measure(spans=((begin, middle),))
    assert pd.Timestamp(short.end).value + HOUR <= middle
    assert short.silent_days == pytest.approx((end - middle) / DAY)


def test_a_deposit_shows_in_what_fills_and_fees_leave_open() -> None:
    trader = Trader(market()).trade()
    record = trader.record()
    rich = [
        replace(one, cash=one.cash + 500.0, equity=one.equity + 500.0) if place >= 20 else one
        for place, one in enumerate(record.snapshots)
    ]
    evidence = trader.measure(snapshots=tuple(rich))
    assert evidence.closure == pytest.approx(0.005, rel=0.2), "less what fees may still come"
    assert alarms(evidence) == {"record"}


def test_units_nobody_traded_show_too() -> None:
    trader = Trader(market()).trade()
    snapshots = [*trader.record().snapshots]
    last = snapshots[-1]
    snapshots[-1] = Snapshot(last.at, last.equity, last.cash, {"BTCUSD": last.positions["BTCUSD"] + 10.0})
    assert alarms(trader.measure(snapshots=tuple(snapshots))) == {"record"}


def test_a_fill_without_its_order_and_one_twice_are_contradictions() -> None:
    trader = Trader(market()).trade()
    record = trader.record()
    lost = trader.measure(orders=(*record.orders[:40], *record.orders[41:]))
    assert "not on record" in lost.problem
    twice = trader.measure(fills=(*record.fills, replace(record.fills[40], key="again")))
    assert "its fills say, 200.0% of it" in twice.problem


@pytest.mark.parametrize(("lag", "pending"), [(20 * HOUR, True), (0, False)])
def test_fees_that_are_not_posted_yet_are_pending_and_change_no_match(lag: int, pending: bool) -> None:
    trader = Trader(market(), lag=lag).trade()
    last = trader.fills[-1].at
    until = trader.record(spans=((trader.course[0][0] - HOUR, last + 3 * HOUR),))
    until = replace(until, fees=tuple(fee for fee in until.fees if fee.at <= last + 3 * HOUR))
    evidence = measure_watch(trader.subject(), [], until, TraderMap())
    assert set(outcomes(evidence)) == {"match"}
    assert (evidence.fees.pending > 0.0) == pending
    assert evidence.fees.realised == pytest.approx(0.0025, rel=0.02)


def test_the_fees_of_a_whole_day_are_shared_among_its_fills() -> None:
    trader = Trader(market()).trade()
    record = trader.record()
    days: dict[tuple[int, bool], list[int]] = {}
    for place, fee in enumerate(record.fees):
        days.setdefault((fee.at // DAY, fee.quantity > 0.0), []).append(place)
    fees = []
    for (day, coins), places in days.items():
        some = [record.fees[place] for place in places]
        whole = replace(some[0], key=f"day-{day}-{coins}", at=(day + 1) * DAY,
                        quantity=sum(one.quantity for one in some), usd=sum(one.usd for one in some))  # fmt: skip
        fees.append(whole)
    evidence = trader.measure(fees=tuple(fees))
    assert evidence.fees.realised == pytest.approx(0.0025, rel=0.03)
    assert set(outcomes(evidence)) == {"match"}


def test_a_table_explains_what_it_names_and_a_journal_what_was_not_sent() -> None:
    trader = Trader(market(), alter=every(9, lambda _: Sent(0.0, why="holiday"))).trade()
    lost = outcomes(trader.measure())["missing"]
    table = TraderMap(explained=(Explained(trader.model, "missing", 0, 2**40, "broker down"),))
    other = TraderMap(explained=(Explained(trader.model, "late", 0, 2**40, "broker down"),))
    assert outcomes(trader.measure(table))["explained"] == lost
    assert "explained" not in outcomes(trader.measure(other))
    told = trader.measure(TraderMap(journal=tuple(trader.journal)))
    assert outcomes(told)["explained"] == lost
    assert told.unexplained_notional == 0.0
    assert {order.why for order in told.orders if order.outcome == "explained"} == {"holiday"}
    wrong = [replace(line, action="HOLD") for line in trader.journal]
    assert "explained" not in outcomes(trader.measure(TraderMap(journal=tuple(wrong))))


def test_a_refusal_that_left_no_order_is_told_by_the_journal_alone() -> None:
    trader = Trader(market(), alter=every(9, lambda _: Sent(0.0, why="buying power", code=40310000))).trade()
    evidence = trader.measure(TraderMap(journal=tuple(trader.journal)))
    assert set(outcomes(evidence)) == {"match", "refused"}


def test_what_a_broker_says_is_told_without_what_the_account_has() -> None:
    said = "insufficient balance (requested: 12,000.5, available: 9876.10), try 2"
    trader = Trader(market(), alter=every(9, lambda _: Sent(0.0, why=said, code=40310000))).trade()
    evidence = trader.measure(TraderMap(journal=tuple(trader.journal)))
    told = {order.why for order in evidence.orders if order.outcome == "refused"}
    assert told == {"refused with 40310000: insufficient balance (requested: #, available: #), try 2"}


def test_a_third_of_explained_orders_is_another_strategy() -> None:
    trader = Trader(market(), alter=every(2, lambda _: Sent(0.0, why="not sure"))).trade()
    evidence = trader.measure(TraderMap(journal=tuple(trader.journal)))
    assert evidence.explained > 0.3
    assert alarms(evidence) == {"orders"}


def adjusted(raw: Bars, row: int, ratio: float) -> Bars:
    """Bars as a later split or dividend rescales all that came before a row."""
    frame = raw.frame.copy()
    frame.iloc[:row, :4] /= ratio
    return replace(raw, frame=frame)


def test_a_dividend_rescales_what_decides_and_not_what_was_paid() -> None:
    raw = market("AAPL", 24 * 90)
    bars = adjusted(raw, 300, 1.01)
    trader = Trader(bars, STOCKS, "AAPL_1Hour", raw=raw, spread=0.0005, fee=0.0, since_row=100).trade()
    evidence = trader.measure()
    assert set(outcomes(evidence)) == {"match"}
    assert evidence.slippage == pytest.approx([0.0005] * len(evidence.slippage))
    assert evidence.days_per_year == 252.0
    unadjusted = replace(trader.subject(), raw=None)
    wrong = measure_watch(unadjusted, [], trader.record(), TraderMap())
    assert max(wrong.slippage) > 0.005, "held against adjusted bars, fills before the dividend look dear"


@pytest.mark.parametrize("ratio", [2.0, 1.5, 0.1])
def test_a_split_changes_the_number_of_shares(ratio: float) -> None:
    bars = market("AAPL", 24 * 90)
    split = next(row for row in range(290, 340) if row % 6 == 0)
    frame = bars.frame.copy()
    frame.iloc[:split, :4] *= ratio
    raw = replace(bars, frame=frame)
    seen: list[int] = []

    def alter(row: int, quantity: float) -> float:
        if row >= split and not seen:
            trader.held *= ratio
            seen.append(row)
            return 0.0
        return quantity

    trader = Trader(bars, STOCKS, "AAPL_1Hour", raw=raw, spread=0.0005, fee=0.0, since_row=100, alter=alter)
    evidence = trader.trade().measure()
    assert outcomes(evidence).get("match", 0) >= 60
    assert sum(count for kind, count in outcomes(evidence).items() if kind != "match") <= 1


def test_a_stop_that_the_profile_has_not_is_extra() -> None:
    plain = Trader(market()).trade()
    bought = next(order for order in plain.orders if order.side == "buy")
    leg = replace(bought, key="leg", parent=bought.key, side="sell", submitted=bought.submitted, client_order_id="",
                  ended=bought.submitted + 30 * 60 * SECOND, filled_price=bought.filled_price)  # fmt: skip
    fill = AccountFill("leg", "leg", "BTCUSD", "sell", leg.filled_quantity, bought.filled_price or 0.0, leg.ended or 0)
    record = plain.record()
    until = ((record.spans[0][0], bought.submitted + HOUR),)
    record = replace(record, orders=(*record.orders, leg), fills=(*record.fills, fill), spans=until)
    evidence = measure_watch(plain.subject(), [], record, TraderMap())
    assert [(order.outcome, order.why) for order in evidence.orders] == [("match", ""), ("extra", "within the bar")]


def test_a_stop_of_the_profile_is_missed_by_a_trader_who_does_not_know_it() -> None:
    rules = replace(CRYPTO, stop_loss=0.004)
    careless = Trader(market(), rules, since_row=240).trade()
    evidence = careless.measure()
    missed = [order for order in evidence.orders if order.outcome == "missing"]
    assert missed
    assert {order.why for order in missed} == {"stop_loss"}


def test_a_tracked_policy_is_asked_about_the_account_as_it_really_is() -> None:
    """Without costs a trader that follows a simulation has its very account, so each of its actions is expected."""
    free, bars = replace(CRYPTO, fee=0.0, slippage=0.0), market()
    model = Trader(bars, free, account=6)
    window = Window("paper", bars.index[model.since_row], bars.index[-1] + pd.Timedelta("1h"))
    trajectory, _ = evaluate(model.candidate, window, "tracked", CAPITAL)
    trader = replace(model, fee=0.0, spread=0.0, actions=trajectory.actions.tolist()).trade()
    tracked, neutral = (
        measure_watch(replace(trader.subject(), account=mode), [], trader.record(), TraderMap())
        for mode in ("tracked", "neutral")
    )
    assert set(outcomes(tracked)) == {"match"}
    assert len(tracked.orders) >= 20
    assert set(outcomes(neutral)) != {"match"}


def test_no_record_and_no_bar_yet_are_problems_with_a_remedy() -> None:
    trader = Trader(market()).trade()
    for changes in ({"spans": ()}, {"spans": ((0, trader.course[0][0] - HOUR + 1),)}):
        evidence = trader.measure(**changes)
        assert evidence.problem
        assert "modelgate watch" in evidence.remedy
        assert evidence.silent_days == pytest.approx((trader.subject().as_of.value - trader.in_force.since.value) / DAY)


@pytest.mark.parametrize(("delay", "outcome"), [(17 * HOUR, "match"), (18 * HOUR + 600 * SECOND, "late")])
def test_an_order_of_a_closed_session_is_late_once_the_next_one_is_open_for_a_while(delay: int, outcome: str) -> None:
    bars = market("AAPL", 24 * 90)
    nights = {row for row in range(len(bars) - 1) if bars.index[row + 1] - bars.index[row] == pd.Timedelta("19h")}

    def alter(row: int, quantity: float) -> Sent:
        return Sent(quantity, delay=delay) if row in nights else Sent(quantity)

    trader = Trader(bars, STOCKS, "AAPL_1Hour", spread=0.0005, fee=0.0, since_row=100, alter=alter).trade()
    evidence = trader.measure()
    overnight = {int(bars.index[row].timestamp()) for row in nights if trader.wanted.get(row)}
    found = {order.outcome for order in evidence.orders if order.bar in overnight}
    assert found == {outcome}
    assert {order.outcome for order in evidence.orders if order.bar not in overnight} == {"match"}
