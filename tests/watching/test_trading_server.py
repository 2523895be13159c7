"""The local trading server, driven by the real alpaca-py."""

import warnings
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from support.exchange import SECOND, Exchange, Terms, moment_of
from support.trading_server import Quirks, TradingServer, serve_account, text_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of websockets, which alpaca-py imports
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.requests import (
        GetCalendarRequest,
        GetPortfolioHistoryRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopLossRequest,
    )

HOUR = 3600 * SECOND
START = moment_of("2024-01-01T00:00:00Z")
KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")


def bars(hours: int = 24 * 40) -> pd.DataFrame:
    """Each hour opens at 100 plus its number and closes half a dollar higher."""
    opens = pd.Series(range(hours), dtype=float) + 100.0
    frame = pd.DataFrame(
        {"open": opens, "high": opens + 0.75, "low": opens - 0.25, "close": opens + 0.5, "volume": 1.0}
    )
    return frame.set_index(pd.date_range(pd.Timestamp(START), periods=hours, freq="h", tz="UTC", unit="ns"))


class Case:
    """An account behind a server, and the real client in front of it."""

    def __init__(self, server: TradingServer, url: str) -> None:
        self.server, self.exchange = server, server.exchange
        self.client: Any = TradingClient(*KEYS, paper=True, raw_data=True, url_override=url)

    def order(self, side: str, quantity: float | None = None, **facts: Any) -> Any:
        request = MarketOrderRequest(
            symbol=facts.pop("symbol", "BTC/USD"),
            side=OrderSide(side),
            qty=quantity,
            time_in_force=TimeInForce.GTC,
            **facts,
        )
        return self.client.submit_order(request)

    def orders(self, **query: Any) -> Any:
        asked = {"status": "all", "nested": "true", "direction": "asc", "limit": 500} | query
        return self.client.get("/orders", asked)

    def activities(self, **query: Any) -> Any:
        return self.client.get("/account/activities", {"activity_types": "FILL,CFEE,FEE", "direction": "asc", **query})

    def move(self, seconds: float) -> None:
        self.exchange.move(self.exchange.now + int(seconds * SECOND))


def _exchange(**terms: Any) -> Exchange:
    whole = Terms(**{"half_spread": 0.0, "partial": 0.0, "fee_lag": 0.0, **terms})
    return Exchange({"BTC/USD": bars(), "AAPL": bars()}, START, 100_000.0, whole)


@pytest.fixture
def case() -> Iterator[Case]:
    with serve_account(_exchange()) as server:
        yield Case(server, server.url)


def test_a_purchase_is_filled_at_the_open_and_pays_its_fee_in_coins(case: Case) -> None:
    sent = case.order("buy", 0.1, client_order_id="mine")
    assert (sent["status"], sent["filled_qty"], sent["client_order_id"]) == ("new", "0", "mine")
    case.move(1)

    (order,) = case.orders()
    assert (order["status"], order["filled_qty"], order["filled_avg_price"]) == ("filled", "0.1", "100")
    (position,) = case.client.get_all_positions()
    assert (position["symbol"], position["qty"]) == ("BTCUSD", "0.09975")
    fill, fee = case.activities()
    assert (fill["activity_type"], fill["qty"], fill["order_id"]) == ("FILL", "0.1", order["id"])
    assert (fee["symbol"], fee["qty"], fee["price"], "order_id" in fee) == ("BTCUSD", "-0.00025", "100", False)
    account: Any = case.client.get_account()
    assert (account["cash"], account["equity"]) == ("99990", "99999.98")  # 99999.975


def test_a_sale_pays_in_usd_to_the_next_cent_without_a_symbol(case: Case) -> None:
    case.order("buy", 0.1)
    case.move(1)
    case.order("sell", 0.09975)
    case.move(1)

    fee = case.activities()[-1]
    assert fee["net_amount"] == "-0.03"  # a quarter of a percent of 9.975 USD
    assert "symbol" not in fee
    assert case.client.get_all_positions() == []
    assert case.exchange.cash == pytest.approx(100_000 - 10 + 9.975 - 0.03)


def test_between_open_and_close_the_price_lies_on_the_line(case: Case) -> None:
    case.move(1800)
    case.order("buy", 1.0)
    case.move(1)

    assert case.orders()[0]["filled_avg_price"] == "100.25"


def test_an_order_between_bars_waits_for_the_next_open() -> None:
    frame = bars().drop(pd.Timestamp("2024-01-01T01:00:00Z"))
    exchange = Exchange({"AAPL": frame}, START + HOUR, 1000.0, Terms(half_spread=0.001, partial=0.0))
    exchange.submit("AAPL", "buy", 1.0)

    exchange.move(START + 2 * HOUR - 1)
    assert exchange.orders[0].status == "new"
    exchange.move(START + 2 * HOUR + SECOND)

    assert exchange.orders[0].paid == pytest.approx(102.0 * 1.001)
    assert exchange.held == {"AAPL": 1.0}  # no fee on a stock


def test_pages_of_orders_have_exclusive_bounds_on_submission_and_no_token(case: Case) -> None:
    for _ in range(60):
        case.order("buy", 0.02)
        case.move(1)
    moments = [START + number * SECOND for number in range(60)]

    assert len(case.orders(limit=60)) == 60
    assert len(case.client.get("/orders", {"status": "all"})) == 50
    inside = case.orders(after=text_of(moments[10]), until=text_of(moments[20]))
    assert [order["submitted_at"] for order in inside] == [text_of(moment) for moment in moments[11:20]]
    newest = case.orders(direction="desc", limit=1)
    assert newest[0]["submitted_at"] == text_of(moments[-1])
    with pytest.raises(APIError, match="limit must be 1 to 500"):
        case.orders(limit=501)


def test_pages_of_activities_go_on_behind_the_last_id(case: Case) -> None:
    for _ in range(60):
        case.order("buy", 0.02)
        case.move(1)
    first = case.activities()
    rest = case.activities(page_token=first[-1]["id"])

    assert (len(first), len(rest)) == (100, 20)
    assert len({row["id"] for row in first + rest}) == 120
    fees = case.activities(activity_types="CFEE", after=first[50].get("created_at") or first[51]["created_at"])
    assert {row["activity_type"] for row in fees} == {"CFEE"}
    assert len(fees) in {33, 34, 35}


def test_ids_of_fills_carry_the_time_of_new_york(case: Case) -> None:
    case.order("buy", 0.02)
    case.move(1)

    fill, fee = case.activities()
    assert fill["id"].startswith("20231231190000333::")
    assert fill["transaction_time"] == "2024-01-01T00:00:00.333333333Z"
    assert fee["id"].startswith("20231231000000000::")


def test_a_fee_is_told_later_than_it_is_taken() -> None:
    exchange = _exchange(fee_lag=86_400.0)
    exchange.submit("BTC/USD", "buy", 0.1)
    exchange.move(START + SECOND)
    assert exchange.held == {"BTC/USD": 0.09975}
    assert [activity.kind for activity in exchange.activities] == ["FILL"]

    exchange.move(START + 25 * HOUR)

    assert [activity.kind for activity in exchange.activities] == ["FILL", "CFEE"]
    assert exchange.activities[1].told > START + 10 * SECOND


def test_one_order_in_ten_fills_in_two_parts_that_add_up() -> None:
    exchange = _exchange(partial=0.1)
    for _ in range(300):
        exchange.submit("BTC/USD", "buy", 0.5)
        exchange.move(exchange.now + 10 * SECOND)

    fills = [activity for activity in exchange.activities if activity.kind == "FILL"]
    partial = [activity for activity in fills if activity.facts["type"] == "partial_fill"]
    assert 15 <= len(partial) <= 50
    assert len(fills) == 300 + len(partial)
    assert sum(float(activity.facts["qty"]) for activity in fills) == pytest.approx(150.0)
    assert {order.filled for order in exchange.orders} == {0.5}


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        ({"side": "buy", "quantity": 2000.0}, 403, 40310000),
        ({"side": "sell", "quantity": 0.1}, 403, 40310000),
        ({"side": "buy", "quantity": 0.1, "symbol": "DOGE/USD"}, 422, 40010001),
        ({"side": "buy", "quantity": 0.1, "client_order_id": "twice"}, 422, 40010001),
    ],
)
def test_what_is_refused_at_submission_leaves_no_order(
    case: Case, facts: dict[str, Any], status: int, code: int
) -> None:
    case.order("buy", 0.02, client_order_id="twice")

    with pytest.raises(APIError) as caught:
        case.order(**facts)

    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert len(case.orders()) == 1


def test_other_keys_and_told_faults_are_answered_so(case: Case) -> None:
    stranger = TradingClient("PK", "other", raw_data=True, url_override=case.server.url)
    with pytest.raises(APIError, match="not authorized"):
        stranger.get_account()
    case.server.fail(403, "forbidden.", 40310000)
    with pytest.raises(APIError, match="forbidden"):
        case.client.get_account()
    case.server.fail(429)
    case.client._retry_wait = 0
    assert case.client.get_account()["currency"] == "USD"  # the client itself tries again


def test_a_leg_is_nested_and_sells_at_its_stop() -> None:
    frame = bars()
    frame.loc["2024-01-01T05:00:00Z", "low"] = 90.0
    exchange = Exchange({"AAPL": frame}, START, 1000.0, Terms(half_spread=0.0, partial=0.0))
    with serve_account(exchange) as server:
        case = Case(server, server.url)
        case.order("buy", 1.0, symbol="AAPL", order_class="oto", stop_loss=StopLossRequest(stop_price=95.0))
        (order,) = case.orders()
        assert order["legs"][0]["status"] == "held"
        assert len(case.orders(nested="false")) == 2
        case.move(6 * 3600)

        (leg,) = case.orders()[0]["legs"]
        assert (leg["status"], leg["filled_avg_price"], leg["side"]) == ("filled", "95", "sell")
        assert case.client.get_all_positions() == []


def test_orders_are_cancelled_and_replaced_while_they_are_open() -> None:
    exchange = Exchange({"AAPL": bars().iloc[5:]}, START, 1000.0)
    with serve_account(exchange) as server:
        case = Case(server, server.url)
        first = case.order("buy", 1.0, symbol="AAPL")
        second: Any = case.client.replace_order_by_id(first["id"], ReplaceOrderRequest(qty=2))
        assert second["replaces"] == first["id"]
        case.client.cancel_order_by_id(second["id"])

        assert [order["status"] for order in case.orders()] == ["replaced", "canceled"]
        assert case.orders()[0]["replaced_by"] == second["id"]
        with pytest.raises(APIError, match="already"):
            case.client.cancel_order_by_id(second["id"])
        case.move(6 * 3600)
        assert exchange.held == {}


def test_an_intraday_history_reaches_back_thirty_days(case: Case) -> None:
    case.order("buy", 100.0)
    case.move(86_400 * 35)
    end = pd.Timestamp(case.exchange.now, tz="UTC").to_pydatetime()
    start = end - pd.Timedelta(days=2)

    history: Any = case.client.get_portfolio_history(GetPortfolioHistoryRequest(timeframe="1H", start=start, end=end))

    assert history["timestamp"][-1] == case.exchange.now // SECOND
    assert len(history["equity"]) == 49
    assert history["equity"][-1] == pytest.approx(90_000.0 + 99.75 * (100.0 + 24 * 35))
    with pytest.raises(APIError, match="30 days"):
        case.client.get_portfolio_history(
            GetPortfolioHistoryRequest(timeframe="1H", start=end - pd.Timedelta(days=31), end=end)
        )


def test_clock_and_calendar_are_those_of_simulated_time(case: Case) -> None:
    case.move(86_400 + 15 * 3600)  # a Tuesday, 10:00 in New York
    clock: Any = case.client.get_clock()

    assert clock["timestamp"] == "2024-01-02T10:00:00-05:00"
    assert (clock["is_open"], clock["next_close"]) == (True, "2024-01-02T16:00:00-05:00")
    calendar: Any = case.client.get_calendar(
        GetCalendarRequest(start=pd.Timestamp("2024-01-05").date(), end=pd.Timestamp("2024-01-08").date())
    )
    assert [day["date"] for day in calendar] == ["2024-01-05", "2024-01-08"]


def test_quirks_are_switched_on() -> None:
    quirks = Quirks(updated_at_null=True, client_order_id_null=True, status="weird")
    with serve_account(_exchange(priceless_fees=True, nameless_fees=False, to_the_cent=False), quirks=quirks) as server:
        case = Case(server, server.url)
        case.order("buy", 0.1, client_order_id="mine")
        case.move(1)
        case.order("sell", 0.09975)
        case.move(1)

        bought, _ = case.orders()
        assert (bought["status"], bought["updated_at"], bought["client_order_id"]) == ("weird", None, None)
        in_coins, in_usd = (row for row in case.activities() if row["activity_type"] == "CFEE")
        assert in_coins["price"] == "0"
        assert (in_usd["symbol"], in_usd["net_amount"]) == ("BTCUSD", "-0.0249375")


def test_the_same_seed_gives_the_same_account() -> None:
    def played() -> tuple[Any, ...]:
        exchange = _exchange(partial=0.5, fee_lag=60.0)
        for _ in range(20):
            exchange.submit("BTC/USD", "buy", 0.5)
            exchange.move(exchange.now + HOUR)
        return exchange.id, exchange.activities, exchange.cash

    assert played() == played()
