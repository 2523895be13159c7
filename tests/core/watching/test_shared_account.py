"""A model that shares its account: sizes refer to what the whole of it is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from operator import itemgetter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.watch_factory import CAPITAL, CRYPTO, HOUR, Trader, market, outcomes, record_of

from pytest_modelgate.core.backtest.account import Account
from pytest_modelgate.core.backtest.evaluation import evaluate
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.watching.account_equity import AccountEquity, AccountShare, shared
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.core.watching.measuring import InForce, measure_watch
from pytest_modelgate.core.watching.records import AccountRecord, Snapshot, TraderMap

BARS = market()
BEGIN = BARS.index[240].value + HOUR
MOMENTS = st.integers(0, 10**6)
POINTS = st.lists(st.tuples(MOMENTS, st.floats(1.0, 2.0)), max_size=20, unique_by=(itemgetter(0), itemgetter(1)))


def jumping(factor: float) -> Callable[[int], float]:
    """Another holding that is worth so many times the capital from 20 bars after the beginning on."""
    return lambda moment: factor * CAPITAL * (moment >= BEGIN + 20 * HOUR)


def doubling(moment: int) -> float:
    """Another holding that is worth as much again as the capital after the 50 days that are traded."""
    return CAPITAL * (moment - BEGIN) / (50 * 24 * HOUR)


def trader(share: float = 1.0) -> Trader:
    """One that sizes by the whole account, and sends a share of that."""
    return Trader(BARS, beside=doubling, alter=lambda _, quantity: share * quantity).trade()


def record(of: Trader, *, history: bool = True) -> AccountRecord:
    """What is on record of an account that holds one unit of something else, too."""
    snapshots = [
        replace(one, equity=one.equity + of.beside(one.at), positions={**one.positions, "ELSE": 1.0})
        for one in record_of([of]).snapshots
    ]
    points = [(at - HOUR, equity + of.beside(at)) for at, _, _, equity in of.course]  # named by the hour's beginning
    return record_of([of], snapshots=tuple(snapshots), equity=tuple(points) if history else ())


def measured(of: Trader, seen: AccountRecord, *others: InForce) -> WatchEvidence:
    return measure_watch(of.subject(), others, seen, TraderMap())


def test_orders_of_a_shared_account_match_while_the_rest_of_it_doubles() -> None:
    honest = trader()

    evidence = measured(honest, record(honest))

    assert set(outcomes(evidence)) == {"match"}
    assert outcomes(evidence)["match"] >= 60


def test_what_a_model_makes_of_a_shared_account_is_a_share_of_the_whole_of_it() -> None:
    honest, alone = trader(), Trader(BARS).trade()

    ours, theirs = measured(honest, record(honest)).curve, alone.measure().curve

    assert ours == pytest.approx(theirs, abs=0.002)
    assert max(ours) - min(ours) > 0.02
    assert honest.cash - CAPITAL != pytest.approx(alone.cash - CAPITAL, rel=0.1), "its orders grew with the account"


def test_without_a_history_daily_recordings_tell_what_the_account_was_worth() -> None:
    honest = trader()

    assert set(outcomes(measured(honest, record(honest, history=False)))) == {"match"}


@pytest.mark.parametrize("kept", [slice(None, None, 7), slice(-2, None), slice(0, 0)])
def test_what_a_model_made_since_is_counted_where_the_account_was_last_seen_long_ago(kept: slice) -> None:
    bold = Trader(BARS, replace(CRYPTO, position_size=0.45, max_position=0.95), seed=2).trade()
    known = record_of([bold])
    other = replace(bold.in_force, id="ETHUSD_1Hour")

    evidence = measured(bold, replace(known, equity=(), snapshots=known.snapshots[kept]), other)

    assert set(outcomes(evidence)) == {"match"}
    assert evidence.curve == pytest.approx(bold.measure().curve, rel=1e-9)
    assert min(evidence.curve) < 0.75


def test_a_model_that_lost_more_than_there_was_at_first_is_not_ruined_where_the_account_has_grown() -> None:
    rules = replace(CRYPTO, position_size=0.45, max_position=0.95)
    honest, alone = Trader(BARS, rules, seed=2, beside=jumping(30.0)).trade(), Trader(BARS, rules, seed=2).trade()

    evidence = measured(honest, record(honest))

    assert honest.cash + honest.held * BARS.quotes[1][-1] < 0.0, "of the capital alone nothing would be left"
    assert set(outcomes(evidence)) == {"match"}
    assert evidence.curve == pytest.approx(alone.measure().curve, abs=0.01)


def test_a_ruin_stays_one_on_a_shared_account() -> None:
    account = Account(CRYPTO, 100.0)
    share, curve = AccountShare(account), []
    for equity, whole in ((100.0, 100.0), (50.0, 50.0), (-10.0, 50.0), (80.0, 50.0), (120.0, 50.0)):
        account.equity = equity
        share.mark(1.0, whole)
        curve.append(share.account.equity)

    assert curve[:3] == pytest.approx([100.0, 50.0, -10.0])
    assert curve[3:] == curve[2:3] * 2


def test_a_policy_is_asked_about_its_share_of_a_shared_account() -> None:
    """Without costs a trader that follows a simulation has its very account, in shares of whatever sizes refer to."""
    free = replace(CRYPTO, fee=0.0, slippage=0.0)
    model = Trader(BARS, free, account=6)
    window = Window("paper", BARS.index[model.since_row], BARS.index[-1] + pd.Timedelta("1h"))
    trajectory, _ = evaluate(model.candidate, window, "tracked", CAPITAL)
    actions = trajectory.actions.tolist()
    trader = replace(model, fee=0.0, spread=0.0, actions=actions, beside=jumping(4.0)).trade()

    evidence = measure_watch(replace(trader.subject(), account="tracked"), [], record(trader), TraderMap())

    assert set(outcomes(evidence)) == {"match"}
    assert outcomes(evidence)["match"] >= 60


@pytest.mark.parametrize("usd", [1.0, 3e4, 1e9])
@pytest.mark.parametrize("hours", [1, 5])
def test_an_hour_that_no_recording_bears_out_makes_neither_a_gain_nor_a_ruin(usd: float, hours: int) -> None:
    honest = trader()
    known = record(honest)
    right = measured(honest, known)
    for wrong in range(300, 1100, 200):
        points = [*known.equity]
        points[wrong : wrong + hours] = [(at, usd) for at, _ in points[wrong : wrong + hours]]

        evidence = measured(honest, replace(known, equity=tuple(points)))

        assert evidence.curve == pytest.approx(right.curve, rel=1e-3)
        assert set(outcomes(evidence)) == {"match"}


def test_a_history_that_repeats_itself_tells_nothing_new() -> None:
    bold = Trader(BARS, replace(CRYPTO, position_size=0.45, max_position=0.95), seed=2).trade()
    known, other = record_of([bold]), replace(bold.in_force, id="ETHUSD_1Hour")
    stuck = tuple((at, usd if at < BEGIN + 100 * HOUR else 0.98 * CAPITAL) for at, usd in known.equity)

    evidence = measured(bold, replace(known, equity=stuck), other)

    assert set(outcomes(evidence)) == {"match"}
    assert evidence.curve == pytest.approx(bold.measure().curve, rel=0.01)


def test_a_deposit_between_two_recordings_is_no_error() -> None:
    seen = [Snapshot(24 * HOUR * day, usd, usd, {}) for day, usd in ((1, 1e5), (2, 1e6))]
    told = [(hour * HOUR, (1e5 if hour < 36 else 1e6) + hour) for hour in range(23, 48)]

    known = AccountEquity(replace(empty(), snapshots=tuple(seen), equity=tuple(told)))

    assert [known.last(at + HOUR) for at, _ in told[1:-1]] == [(at + HOUR, usd) for at, usd in told[1:-1]]


def test_a_later_recording_changes_nothing_that_was_credible_before_an_earlier_one() -> None:
    told = [(hour * HOUR, 1e5 + hour if hour % 5 else 3.0) for hour in range(72)]
    seen = [Snapshot(24 * HOUR * day, usd, usd, {}) for day, usd in ((1, 1e5), (2, 1e5), (3, 4e5))]
    one, other = (
        AccountEquity(replace(empty(), snapshots=tuple(seen[:count]), equity=tuple(told[: 24 * count])))
        for count in (2, 3)
    )

    for hour in range(49):
        assert one.last(hour * HOUR) == other.last(hour * HOUR)


def test_half_the_size_is_another_size_on_a_shared_account_too() -> None:
    careful = trader(0.5)

    assert outcomes(measured(careful, record(careful)))["other_size"] >= 60


def test_sizes_of_a_model_alone_are_its_own_whatever_a_history_says() -> None:
    alone = Trader(BARS).trade()
    wrong = record_of([alone], equity=tuple((at - HOUR, 1.5 * CAPITAL) for at, *_ in alone.course))

    assert set(outcomes(measured(alone, wrong))) == {"match"}


def test_another_model_in_force_makes_an_account_a_shared_one_before_it_trades() -> None:
    alone = Trader(BARS).trade()
    other = replace(alone.in_force, id="ETHUSD_1Hour")
    wrong = record_of([alone], equity=tuple((at - HOUR, 1.5 * CAPITAL) for at, *_ in alone.course))

    assert "other_size" in outcomes(measured(alone, wrong, other))


@pytest.mark.parametrize(("positions", "expected"), [({}, False), ({"BTCUSD": 1.0}, False), ({"ELSE": 1.0}, True)])
def test_an_account_is_shared_with_what_it_holds_beside_the_symbol(positions: dict[str, float], expected: bool) -> None:
    snapshot = Snapshot(0, CAPITAL, CAPITAL, positions)

    assert shared(replace(record_of([trader()]), snapshots=(snapshot,)), "BTCUSD") is expected


def test_an_account_is_shared_with_whoever_else_traded_the_symbol() -> None:
    """Such as a model that was withdrawn since."""
    honest = trader()
    known = record(honest)
    key, moment = "withdrawn", honest.orders[3].submitted + HOUR // 2
    order = replace(honest.orders[3], key=key, client_order_id="other-1", submitted=moment, ended=moment + 1)
    fill = replace(honest.fills[3], key=key, order=key, at=moment + 1, quantity=order.filled_quantity)
    snapshots = tuple(replace(one, positions={"BTCUSD": one.positions["BTCUSD"]}) for one in known.snapshots)
    seen = replace(known, orders=(*known.orders, order), fills=(*known.fills, fill), snapshots=snapshots)

    found = outcomes(measured(honest, seen))

    assert found == {"match": found["match"], "foreign": 1}


def test_an_account_is_shared_with_what_was_bought_and_sold_between_recordings() -> None:
    seen = record_of([trader()])
    elsewhere = replace(seen.fills[0], symbol="ELSE")

    assert not shared(seen, "BTCUSD")
    assert shared(replace(seen, fills=(*seen.fills, elsewhere)), "BTCUSD")


@cache
def empty() -> AccountRecord:
    return record_of([trader()])


@given(history=POINTS, seen=POINTS, moment=MOMENTS)
def test_equity_is_the_last_that_was_known_and_never_a_later_one(
    history: list[tuple[int, float]], seen: list[tuple[int, float]], moment: int
) -> None:
    snapshots = tuple(Snapshot(at, usd, usd, {}) for at, usd in seen)
    known = replace(empty(), snapshots=snapshots, equity=tuple(sorted(history)))

    found = AccountEquity(known).last(moment)

    points = sorted([*((at + HOUR, usd) for at, usd in history), *seen])
    before = [point for point in points if point[0] <= moment]
    assert found == (before[-1] if before else None)
