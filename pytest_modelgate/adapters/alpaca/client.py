"""Bars from Alpaca's market data service, through its own client."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_modelgate.adapters.alpaca.failures import DATA_URL, MARKET_DATA, Wording, explained
from pytest_modelgate.adapters.alpaca.keys import KEYS_FILE, Credentials, read_credentials
from pytest_modelgate.adapters.alpaca.rows import to_bars
from pytest_modelgate.core.config.settings import ADJUSTMENTS
from pytest_modelgate.core.market.bars import AssetClass, Bars, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import SettingsError

if TYPE_CHECKING:  # pulls in requests, which a run that replays nothing must not pay for
    from requests import Session

    from pytest_modelgate.adapters.alpaca.transport import Answer, RequestPolicy

__all__ = ["DATA_URL", "KEYS_FILE", "Credentials", "fetch_bars", "read_credentials"]

_Word = TypeVar("_Word", bound=Enum)
_Answered = TypeVar("_Answered")
_OF_OTHER_JSON = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def fetch_bars(
    request: MarketRequest,
    *,
    credentials: Credentials | None,
    data_url: str | None = None,
    request_policy: RequestPolicy | None = None,
    reply: Answer | None = None,
) -> Bars:
    """Fetch all bars of a request, every page of them.

    Args:
        credentials: crypto is served without; for stocks None sends placeholders, which only a cassette accepts.
        data_url: another host that speaks Alpaca's wire; None is Alpaca's own.
        request_policy: how to ask; by default once, and as fast as answers come.
        reply: answers instead of the network, as a recording does.

    Raises:
        MarketDataError: the service refused, did not answer, or answered with something else than the bars asked for.
        SettingsError: the keys are wrong, or feed, adjustment or data_url are not what Alpaca's client takes.
    """
    where = f"market data of {request}"

    def ask(session: Session) -> Any:  # noqa: ANN401 - whatever JSON came
        return _question(request, credentials, data_url, session)().get(request.instrument.alpaca_symbol, [])

    rows = answered(where, ask, credentials, request_policy, reply)
    return to_bars(request, rows, where)


def answered(
    where: str,
    ask: Callable[[Session], _Answered],
    credentials: Credentials | None,
    request_policy: RequestPolicy | None,
    reply: Answer | None = None,
    *,
    words: Wording = MARKET_DATA,
) -> _Answered:
    """What comes of asking over the network, or of a recording; args and errors as of ``fetch_bars``.

    Args:
        where: names what is asked for in error messages.
        ask: takes the session of requests to ask with.
        words: how errors speak of the service.
    """
    from alpaca.common.exceptions import APIError
    from requests import RequestException

    from pytest_modelgate.adapters.alpaca.transport import (
        RecordedSession,
        RequestPolicy,
        UnusableAnswerError,
    )

    request_policy = request_policy or RequestPolicy()
    session = RecordedSession(reply) if reply else _networked(request_policy)
    try:
        return ask(session)
    # The client trusts JSON to be what it expects: anything may come of one that is not.
    except (APIError, RequestException, UnusableAnswerError, *_OF_OTHER_JSON) as error:
        raise explained(error, where, credentials, request_policy.timeout_s, words) from None


def _question(
    request: MarketRequest,
    credentials: Credentials | None,
    data_url: str | None,
    session: Session,
) -> Callable[[], Any]:
    """The call that fetches all pages as Alpaca's JSON, per symbol; its arguments are checked and bound."""
    with warnings.catch_warnings():
        # alpaca-py imports a deprecated part of websockets; under -W error that would end the gate.
        warnings.simplefilter("ignore", DeprecationWarning)
        from alpaca.data.enums import DataFeed
        from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
        from alpaca.data.requests import CryptoBarsRequest, StockBarsRequest

    window = _window(request)
    options: dict[str, Any] = {"raw_data": True, "url_override": data_url.rstrip("/") if data_url else None}
    if request.instrument.asset_class is AssetClass.CRYPTO:
        pair = (credentials.key, credentials.secret) if credentials else (None, None)
        crypto = CryptoHistoricalDataClient(*pair, **options)
        prepare(crypto, session)
        return partial(crypto.get_crypto_bars, CryptoBarsRequest(**window))
    feed = _one_of(DataFeed, request.feed, "feed")
    if request.adjustment not in ADJUSTMENTS:
        raise _unknown(request.adjustment, ADJUSTMENTS, "adjustment")
    pair = (credentials.key, credentials.secret) if credentials else ("replay", "replay")
    stocks = StockHistoricalDataClient(*pair, **options)
    prepare(stocks, session)

    class Question(StockBarsRequest):  # theirs knows neither spin-offs nor combinations, which the service takes
        adjustment: str | None = None  # type: ignore[assignment]

    question = Question(**window, feed=feed, adjustment=request.adjustment, asof=request.asof)
    return partial(stocks.get_stock_bars, question)


def _window(request: MarketRequest) -> dict[str, Any]:
    """Arguments that alpaca-py's requests for crypto and for stocks share."""
    from alpaca.common.enums import Sort
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

    # TimeFrame(1, TimeFrame.Hour) would silently ask for "11Hour" (alpaca-py issue 664).
    amount, unit = {
        Timeframe.MIN_1: (1, TimeFrameUnit.Minute),
        Timeframe.MIN_5: (5, TimeFrameUnit.Minute),
        Timeframe.MIN_15: (15, TimeFrameUnit.Minute),
        Timeframe.MIN_30: (30, TimeFrameUnit.Minute),
        Timeframe.HOUR_1: (1, TimeFrameUnit.Hour),
        Timeframe.HOUR_2: (2, TimeFrameUnit.Hour),
        Timeframe.HOUR_4: (4, TimeFrameUnit.Hour),
        Timeframe.DAY_1: (1, TimeFrameUnit.Day),
    }[request.timeframe]
    return {
        "symbol_or_symbols": request.instrument.alpaca_symbol,
        "timeframe": TimeFrame(amount, unit),
        "start": request.first.to_pydatetime(),
        "end": request.last.to_pydatetime(),
        "sort": Sort.ASC,
    }


def _one_of(words: type[_Word], word: str, what: str) -> _Word:
    try:
        return words(word)
    except ValueError:
        raise _unknown(word, [known.value for known in words], what) from None


def _unknown(word: str, words: Sequence[str], what: str) -> SettingsError:
    problem = f"{word[:40]!r} is not one of Alpaca's: {', '.join(words)}"
    return SettingsError(what, problem, f"Choose one with --gate-{what}, or --{what} when recording")


def prepare(client: Any, session: Session) -> None:  # noqa: ANN401 - one of three clients
    """Have a client ask with a session, once, for which it offers no public way."""
    client._retry = 0  # noqa: SLF001 - it would retry 429 and 504 only, after 3 s whatever their headers say
    client._session = session  # noqa: SLF001 - alpaca-py offers no public way


def _networked(request_policy: RequestPolicy) -> Session:
    """A session that asks over the network; the environment's proxies count where the policy has turns."""
    from requests import Session

    from pytest_modelgate.adapters.alpaca.transport import RetryingAdapter

    session, trusting = Session(), request_policy.limiter is not None
    adapter = RetryingAdapter(request_policy)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    # Newer Pythons would ask for zstd too, which vcrpy cannot decode.
    session.headers.clear()
    session.headers["Accept-Encoding"] = "gzip"
    # A .netrc would replace the keys, and is looked up for every page.
    session.trust_env = trusting
    if trusting:
        session.auth = _as_it_is
    return session


def _as_it_is(request: Any) -> Any:  # noqa: ANN401 - a prepared request of requests
    """The request itself: its headers bear the keys already, and an entry in .netrc must not replace them."""
    return request
