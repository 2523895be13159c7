"""What a trader, or whoever keeps its record, may do to look better than it is: each of it shows."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from support.watch_factory import DAY, HOUR, SECOND, Sent, Trader, market, outcomes

from pytest_modelgate.core.market.bars import Bars, Instrument, Timeframe
from pytest_modelgate.core.watching.market import RawMarket
from pytest_modelgate.core.watching.measuring import InForce, measure_watch
from pytest_modelgate.core.watching.order_ids import order_id
from pytest_modelgate.core.watching.records import AccountFill, AccountRecord, Order, OrderSide, Snapshot, TraderMap

ELSE = "ETHUSD_1Hour"
OTHER = "77" * 32


def traded(
    trader: Trader, row: int, client: str, side: OrderSide = "buy", *, units: float = 50.0, minutes: float = 20.0
) -> tuple[Order, AccountFill]:
    """An order in a trader's symbol beside its own, filled at once."""
    at, price = trader.bars.index.asi8.tolist()[row] + HOUR + round(minutes * 60 * SECOND), trader.bars.quotes[1][row]
    key = f"beside-{row}-{side}-{minutes}"
    order = Order(key, client, trader.symbol, side, units, None, at, at, "filled", units, price)
    return order, AccountFill(f"{key}/0", key, trader.symbol, side, units, price, at)


def beside(record: AccountRecord, *more: tuple[Order, AccountFill]) -> AccountRecord:
    """The record with them; closure is nobody's business here."""
    orders, fills = zip(*more, strict=True)
    in_order = tuple(sorted((*record.orders, *orders), key=lambda order: (order.submitted, order.key)))
    return replace(record, orders=in_order, fills=tuple(sorted((*record.fills, *fills), key=lambda fill: fill.at)))


def flat_rows(trader: Trader, count: int, apart: int = 3) -> list[int]:
    """Rows at whose close the trader wants nothing and holds nothing, for some bars."""
    calm = [
        row
        for row in range(trader.since_row + 24, len(trader.bars) - 24)
        if all(trader.wanted[row + n] == 0.0 for n in range(2)) and trader.course[row - trader.since_row][2] == 0.0
    ]
    return calm[::apart][:count]


def test_an_order_with_the_id_of_a_model_of_another_symbol_is_foreign() -> None:
    trader = Trader(market()).trade()
    other = InForce(ELSE, OTHER, Instrument.parse("ETHUSD"), trader.in_force.since, "PAPER")
    client = order_id(ELSE, OTHER, 0)
    record = beside(trader.record(), *(traded(trader, row, client) for row in flat_rows(trader, 5)))
    evidence = measure_watch(trader.subject(), [other], record, TraderMap())
    assert outcomes(evidence)["foreign"] == 5


@pytest.mark.parametrize("place", ["before the period", "still to come"])
def test_an_id_cannot_place_an_order_where_nobody_looks(place: str) -> None:
    """At a bar before the period, or at one that had not begun when it was sent."""
    trader = Trader(market()).trade()
    row = flat_rows(trader, 1)[0]
    starts = trader.bars.index.asi8.tolist()
    client = order_id(trader.model, trader.sha256, starts[5 if place == "before the period" else row + 30] // SECOND)
    evidence = measure_watch(trader.subject(), [], beside(trader.record(), traded(trader, row, client)), TraderMap())
    (extra,) = (order for order in evidence.orders if order.outcome == "extra")
    assert extra.bar == starts[row] // SECOND


@pytest.mark.parametrize("wants", [False, True])
def test_what_is_bought_and_sold_again_within_a_bar_is_extra(wants: bool) -> None:
    trader = Trader(market()).trade()
    rows = [row for row, quantity in trader.wanted.items() if quantity > 0.0] if wants else flat_rows(trader, 1)
    row = rows[len(rows) // 2]
    client = order_id(trader.model, trader.sha256, trader.bars.index.asi8.tolist()[row] // SECOND, 7)
    both = (traded(trader, row, client, "buy", minutes=20.0), traded(trader, row, client, "sell", minutes=30.0))
    evidence = measure_watch(trader.subject(), [], beside(trader.record(), *both), TraderMap())
    (extra,) = (order for order in evidence.orders if order.outcome == "extra")
    assert extra.bar == trader.bars.index.asi8.tolist()[row] // SECOND
    assert evidence.unexplained_notional > 0.0


def test_a_record_that_begins_after_the_model_was_put_in_force_is_none() -> None:
    """Else whoever records chooses afterwards which days count."""
    trader = Trader(market()).trade()
    whole = trader.record()
    begin, end = whole.spans[0]
    evidence = measure_watch(trader.subject(), [], replace(whole, spans=((begin + 9 * DAY, end),)), TraderMap())
    assert "not on record" in evidence.problem
    assert trader.measure(since=begin + 9 * DAY, spans=((begin + 9 * DAY, end),)).problem == ""  # of a new account


def test_an_order_of_other_bytes_amid_those_of_the_model_forgives_nothing() -> None:
    trader = Trader(market(), alter=lambda row, quantity: 0.0 if row < 600 else quantity).trade()
    client = order_id(trader.model, OTHER, int(trader.bars.index[700].timestamp()))
    record = beside(trader.record(), traded(trader, 700, client, units=1e-3))
    evidence = measure_watch(trader.subject(), [], record, TraderMap())
    assert pd.Timestamp(evidence.start) == trader.bars.index[trader.since_row]
    assert outcomes(evidence)["missing"] > 9


@pytest.mark.parametrize(
    ("timeframe", "start", "closes"),
    [
        ("1Day", "2024-03-08T05:00:00Z", "2024-03-08T21:00:00Z"),  # the Friday before daylight saving
        ("1Day", "2024-03-11T04:00:00Z", "2024-03-11T20:00:00Z"),
        ("4Hour", "2024-03-11T17:30:00Z", "2024-03-11T20:00:00Z"),
        ("2Hour", "2024-03-11T13:30:00Z", "2024-03-11T15:30:00Z"),
        ("1Hour", "2024-03-11T20:00:00Z", "2024-03-11T21:00:00Z"),  # after hours
    ],
)
def test_an_order_sent_when_a_session_has_closed_is_of_its_last_bar(timeframe: str, start: str, closes: str) -> None:
    """Bars of stocks that reach past the close end with it: nobody waits for midnight."""
    index = pd.DatetimeIndex([pd.Timestamp(start) - pd.Timedelta("1D"), pd.Timestamp(start)]).as_unit("ns")
    frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0), index=index)
    stock = RawMarket.of(Bars(Instrument.parse("AAPL"), Timeframe(timeframe), frame), None)
    assert stock.row_of(pd.Timestamp(closes).value) == 1
    assert stock.row_of(pd.Timestamp(closes).value - 1) == 0


def test_an_order_for_the_open_is_not_late_in_the_morning_of_a_daily_bar() -> None:
    index = pd.DatetimeIndex(["2024-03-08T05:00:00Z", "2024-03-11T04:00:00Z"]).as_unit("ns")  # daylight saving between
    frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0), index=index)
    stock = RawMarket.of(Bars(Instrument.parse("AAPL"), Timeframe.DAY_1, frame), None)
    opened = pd.Timestamp("2024-03-11T13:30:00Z").value
    assert opened < stock.late(0) < opened + 2 * HOUR


@pytest.mark.parametrize(("seconds", "seen"), [(5, True), (300, False)])
def test_a_fill_between_a_look_at_the_account_and_the_end_of_its_recording_leaves_nothing_open(
    seconds: int, seen: bool
) -> None:
    trader = Trader(market()).trade()
    record = trader.record()
    bought = next(fill for fill in trader.fills if fill.side == "buy" and fill.at > record.snapshots[5].at)
    before = [state for state in trader.course if state[0] <= bought.at][-1]  # as it was looked at
    look = Snapshot(bought.at + seconds * SECOND, before[3], before[1], {trader.symbol: before[2]})
    snapshots = sorted([*record.snapshots, look], key=lambda snapshot: snapshot.at)
    assert (trader.measure(snapshots=tuple(snapshots)).closure == pytest.approx(0.0, abs=1e-4)) == seen


def test_an_order_called_back_with_next_to_nothing_filled_is_missing() -> None:
    """Else a trader that sends each order and calls it back trades the model without trading it."""

    def alter(_: int, quantity: float) -> Sent:
        return Sent(quantity, filled=0.02, status="canceled")

    evidence = Trader(market(), alter=alter).trade().measure()
    assert outcomes(evidence)["missing"] > 20
    assert "partial" not in outcomes(evidence)


def test_a_journal_says_why_once() -> None:
    trader = Trader(market(), alter=lambda row, quantity: 0.0 if row % 5 == 0 else quantity).trade()
    afterwards = [replace(line, sent=False, why="a holiday") for line in trader.journal]
    evidence = trader.measure(TraderMap(journal=(*trader.journal, *afterwards)))
    assert outcomes(evidence)["missing"] > 5
    assert "explained" not in outcomes(evidence)
