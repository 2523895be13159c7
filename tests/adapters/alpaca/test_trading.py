"""The real alpaca-py client against a local server that shows an account as Alpaca does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.account_server import ACCOUNT_NUMBER, KEY, KEYS, SECRET, START, Account, moment, serve, uuid

from pytest_modelgate.adapters.alpaca.paging import all_activities, all_orders, history_windows
from pytest_modelgate.adapters.alpaca.trading import TRADING_URL, TradingService
from pytest_modelgate.adapters.alpaca.transport import RateLimiter, RequestPolicy, UnusableAnswerError
from pytest_modelgate.core.watching.moments import parse_moment, write_moment
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountKind
from pytest_modelgate.errors import AccountError, SettingsError

FIRST, DAY = int(START.value), 86_400 * NANOSECONDS
ASKS = ("account", "clock", "positions", "orders", "activities", "equity")


@pytest.fixture
def account() -> Iterator[Account]:
    with serve(Account()) as shown:
        yield shown


@pytest.fixture
def service(account: Account, tmp_path: Path) -> TradingService:
    policy = RequestPolicy(limiter=RateLimiter(tmp_path, 0.0), tries=2)
    return TradingService.of("paper", account.environ(), policy)


def ask(service: TradingService, what: str) -> object:
    return getattr(service, what)(*((FIRST, FIRST + DAY) if what in ("orders", "activities", "equity") else ()))


def test_orders_of_several_pages_arrive_once_each(account: Account, service: TradingService) -> None:
    for number in range(1_100):
        account.order(str(number), number / 100, status="canceled")

    orders = service.orders(FIRST, FIRST + DAY)

    assert [row["id"] for row in orders] == [uuid(number) for number in range(1_100)]
    assert [path for path, _ in account.requests] == ["/v2/orders"] * 4  # the last brings nothing new


def test_bounds_of_orders_are_half_open(account: Account, service: TradingService) -> None:
    for name, hours in (("at", 0.0), ("within", 23.9), ("until", 24.0)):
        account.order(name, hours)

    assert [row["id"] for row in service.orders(FIRST, FIRST + DAY)] == [uuid("at"), uuid("within")]


def test_a_full_page_within_one_second_is_refused(account: Account, service: TradingService) -> None:
    for number in range(501):
        account.order(str(number), 3, submitted_at=moment(3, number), status="canceled")

    with pytest.raises(AccountError, match=r"500 orders were submitted within one second"):
        service.orders(FIRST, FIRST + DAY)


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 9))
def test_paging_finds_every_order_or_refuses(halves: list[int], limit: int) -> None:
    moments = sorted(half * NANOSECONDS // 2 + FIRST for half in halves)
    rows = [{"id": str(number), "submitted_at": write_moment(at)} for number, at in enumerate(moments)]

    def page(after: int) -> list[dict[str, str]]:
        return [row for row in rows if parse_moment(row["submitted_at"]) > after][:limit]

    try:
        found = all_orders(page, FIRST - 1, limit)
    except UnusableAnswerError:
        stretches = [at for at in moments if sum(at - NANOSECONDS <= other <= at for other in moments) >= limit]
        assert stretches, "nothing kept it from asking on"
    else:
        assert found == rows


@pytest.mark.parametrize("shortened", [1, 37])
def test_a_short_page_is_not_taken_for_the_last(shortened: int) -> None:
    """Legs may count into the limit, so that a page is shorter though more orders follow."""
    rows = [
        {"id": str(number), "submitted_at": write_moment(FIRST + number * 2 * NANOSECONDS)} for number in range(120)
    ]
    asked = []

    def page(after: int) -> list[dict[str, str]]:
        asked.append(after)
        return [row for row in rows if parse_moment(row["submitted_at"]) > after][: 50 - shortened]

    assert all_orders(page, FIRST - 1, 50) == rows
    assert len(asked) > 2


def test_orders_out_of_order_are_refused() -> None:
    rows = [{"id": str(n), "submitted_at": write_moment(FIRST - n * NANOSECONDS)} for n in range(3)]

    with pytest.raises(UnusableAnswerError, match="not in the order"):
        all_orders(lambda _: rows, 0, 500)


def test_activities_are_asked_for_by_the_id_of_the_last(account: Account, service: TradingService) -> None:
    order = account.order("one", 1, status="canceled")
    for number in range(250):
        account.fill(str(number), 2 + number / 100, order)
    account.activities.insert(7, {"id": "transfer", "activity_type": "CSD", "created_at": moment(3)})

    rows = service.activities(FIRST, FIRST + DAY)

    assert [row["id"] for row in rows] == [row["id"] for row in account.activities if row["id"] != "transfer"]
    tokens = [query.get("page_token") for _, query in account.requests]
    assert tokens == [None, rows[99]["id"], rows[199]["id"], rows[249]["id"]]


@given(st.integers(0, 50), st.integers(1, 7))
def test_paging_by_token_finds_every_row_in_its_order(count: int, size: int) -> None:
    rows = [{"id": str(number)} for number in range(count)]

    def page(token: str | None) -> list[dict[str, str]]:
        begin = int(token) + 1 if token else 0
        return rows[begin : begin + size]

    assert all_activities(page, size) == rows


def test_a_token_that_comes_back_is_no_circle_without_end(account: Account, service: TradingService) -> None:
    account.faults.extend([(200, [{"id": str(n), "activity_type": "FILL"} for n in range(100)], {})] * 9)

    with pytest.raises(AccountError, match="circle"):
        service.activities(FIRST, FIRST + DAY)


def test_a_long_history_is_asked_for_in_months(account: Account, service: TradingService) -> None:
    points = service.equity(FIRST, FIRST + 70 * DAY)

    assert len(account.requests) == 3
    moments = [at for at, _ in points]
    assert moments == sorted(set(moments))
    assert FIRST // NANOSECONDS <= moments[0] <= moments[-1] < (FIRST + 70 * DAY) // NANOSECONDS


@given(st.integers(0, 400), st.integers(0, 86_399))
def test_windows_of_a_history_hold_all_of_it(days: int, seconds: int) -> None:
    last = FIRST + days * DAY + seconds * NANOSECONDS
    windows = list(history_windows(FIRST, last))

    assert all(begin < end <= begin + 30 * DAY for begin, end in windows)
    assert [begin for begin, _ in windows] + [last] == [FIRST] + [end for _, end in windows]


REFUSALS = {
    401: (SettingsError, "does not know these keys"),
    403: (AccountError, "refuses this to these keys"),
    404: (AccountError, "does not know this address"),
    422: (AccountError, "refused the request's values"),
}


@pytest.mark.parametrize("what", ASKS)
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_one_clear_error_without_the_services_words(
    account: Account, service: TradingService, what: str, status: int
) -> None:
    account.faults.append((status, {"code": 40310000, "message": f"not for {ACCOUNT_NUMBER} with {KEY} {SECRET}"}, {}))
    error, told = REFUSALS[status]

    with pytest.raises(error, match=f"paper account.* {told} .*status {status}") as caught:
        ask(service, what)

    assert not any(secret in str(caught.value) for secret in (ACCOUNT_NUMBER, KEY, SECRET))


def test_a_limited_rate_midway_is_waited_for(account: Account, service: TradingService) -> None:
    for number in range(600):
        account.order(str(number), number / 100, status="canceled")
    waits: list[str] = []
    told = replace(service, policy=replace(service.policy, tell=waits.append))
    page = account.answer

    def limited(target: str, headers: dict[str, str | None]) -> object:
        if len(account.requests) == 1 and not waits:
            account.faults.append((429, {"message": "too many requests."}, {}))
        return page(target, headers)

    account.answer = limited  # type: ignore[method-assign, assignment]  # a server that limits the second page

    assert len(told.orders(FIRST, FIRST + DAY)) == 600
    assert waits == ["Alpaca answered with status 429; trying again in 1 s"]


def test_a_limited_rate_that_stays_is_told(account: Account, service: TradingService) -> None:
    account.faults.append((429, {"message": "too many requests."}, {}))

    with pytest.raises(AccountError, match=r"limits the rate of requests.*status 429"):
        ask(replace(service, policy=replace(service.policy, tries=1)), "orders")


@pytest.mark.parametrize("answer", ["<html>", '"text"', "7", "[7]", "{", ""])
@pytest.mark.parametrize("what", ASKS)
def test_any_other_answer_is_one_clear_error(account: Account, service: TradingService, what: str, answer: str) -> None:
    account.faults.append((200, answer, {}))

    with pytest.raises(AccountError, match="paper account"):
        ask(replace(service, policy=replace(service.policy, tries=1)), what)


def test_nothing_is_asked_without_keys(account: Account) -> None:
    with pytest.raises(SettingsError, match="no keys are set"):
        TradingService.of("live", {TRADING_URL: account.url}, RequestPolicy())

    assert account.requests == []


@pytest.mark.parametrize(
    ("kind", "told", "url"),
    [
        ("paper", "", "https://paper-api.alpaca.markets"),
        ("live", "", "https://api.alpaca.markets"),
        ("paper", "http://127.0.0.1:8123/", "http://127.0.0.1:8123"),
        ("live", "http://localhost:8123", "http://localhost:8123"),
        ("live", "https://relay.example.org", "https://relay.example.org"),
    ],
)
def test_where_an_account_is_asked(kind: AccountKind, told: str, url: str) -> None:
    assert TradingService.of(kind, {**KEYS, TRADING_URL: told}, RequestPolicy()).url == url


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("paper", "http://paper-api.alpaca.markets"),
        ("paper", "http://192.168.1.7:8000"),
        ("paper", "https://user:word@relay.example.org"),
        ("paper", "https://relay.example.org/v2?key=1"),
        ("paper", "paper-api.alpaca.markets"),
        ("paper", "https://[::1"),
        ("paper", "https://api.alpaca.markets"),
        ("live", "https://paper-api.alpaca.markets"),
    ],
)
def test_keys_are_sent_to_no_other_host(kind: AccountKind, told: str) -> None:
    with pytest.raises(SettingsError, match=TRADING_URL):
        TradingService.of(kind, {**KEYS, TRADING_URL: told}, RequestPolicy())


def test_no_representation_shows_the_keys(service: TradingService) -> None:
    assert KEY not in repr(service)
    assert SECRET not in repr(service)
