"""Bars from Alpaca's market data service, through its own client. The only file that imports alpaca."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pytest_modelgate.core.bars import COLUMNS, AssetClass, Bars, Timeframe
from pytest_modelgate.core.market import MarketRequest
from pytest_modelgate.errors import MarketDataError, SettingsError

KEYS_FILE = "ALPACA_KEYS_FILE"
KEY_ID, SECRET_KEY = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"
_FIELDS = ("o", "h", "l", "c", "v")
_KEYS_REMEDY = "Write APCA_API_KEY_ID=... and APCA_API_SECRET_KEY=..., the same as JSON, or key and secret on two lines"
_ADVICE = {
    400: ("refused the request as malformed", "Check the symbol, the feed and the adjustment"),
    401: ("does not know these keys", f"Check {KEYS_FILE}, or {KEY_ID} and {SECRET_KEY}"),
    403: ("does not serve this to your subscription", "Ask for --feed iex, or for bars older than 15 minutes"),
    404: ("does not know this address", "Check APCA_API_DATA_URL, or leave it unset"),
    422: ("refused the request's values", "Check the symbol, the feed and the adjustment"),
    429: ("limits the rate of requests, also after some retries", "Wait a minute and record again"),
}


@dataclass(frozen=True)
class Credentials:
    """A key pair of Alpaca; its representation shows neither."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


def read_credentials(environ: Mapping[str, str]) -> Credentials | None:
    """Look up keys: the file that ALPACA_KEYS_FILE names, else the two APCA variables; None when neither is set.

    Raises:
        SettingsError: the file cannot be read or holds no key pair, or one of the two variables is missing.
    """
    if path := environ.get(KEYS_FILE):
        return _read_keys_file(Path(path))
    key, secret = environ.get(KEY_ID, ""), environ.get(SECRET_KEY, "")
    if not key and not secret:
        return None
    if not (key and secret):
        missing = SECRET_KEY if key else KEY_ID
        raise SettingsError(missing, "is not set, but its counterpart is", "Set both, or neither")
    return Credentials(key, secret)


def _read_keys_file(path: Path) -> Credentials:
    where = f"{KEYS_FILE} {path}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        raise SettingsError(where, problem, "Check the path and its permissions") from None
    told = (line.strip().removeprefix("export ").strip() for line in text.splitlines())
    lines = [line for line in told if line and not line.startswith("#")]
    values: Any = {}
    if lines and lines[0].startswith("{"):
        try:
            values = json.loads(text)
        except ValueError:
            raise SettingsError(where, "looks like JSON, but is not", _KEYS_REMEDY) from None
    elif any(line.split("=")[0].strip() == KEY_ID for line in lines):
        pairs = (line.split("=", 1) for line in lines if "=" in line)
        values = {name.strip(): value.strip().strip("'\"") for name, value in pairs}
    elif len(lines) == 2:
        values = {KEY_ID: lines[0], SECRET_KEY: lines[1]}
    key, secret = values.get(KEY_ID), values.get(SECRET_KEY)
    for name, value in ((KEY_ID, key), (SECRET_KEY, secret)):
        if not isinstance(value, str) or not value or any(letter.isspace() for letter in value):
            raise SettingsError(where, f"has {len(lines)} lines, but no usable {name}", _KEYS_REMEDY)
    return Credentials(str(key), str(secret))


def fetch_bars(
    request: MarketRequest,
    *,
    credentials: Credentials | None,
    data_url: str | None = None,
    timeout_s: float = 30.0,
) -> Bars:
    """All bars of a request, every page of them.

    Args:
        credentials: crypto is served without; for stocks None sends placeholders, which only a cassette accepts.
        data_url: another host that speaks Alpaca's wire; None is Alpaca's own.
        timeout_s: seconds to wait for the service to answer, per page.

    Raises:
        MarketDataError: the service refused, did not answer, or answered with something else than bars.
    """
    from alpaca.common.exceptions import APIError
    from requests.exceptions import ConnectionError as RequestsConnectionError
    from requests.exceptions import RequestException, Timeout

    where = f"market data of {request}"
    try:
        answer = _ask(request, credentials, data_url, timeout_s)
    except APIError as error:
        status = getattr(getattr(error, "_http_error", None), "response", None)
        code = int(status.status_code) if status is not None else 0
        doing, remedy = _ADVICE.get(code, ("failed", "Try again later; nothing was recorded"))
        raise MarketDataError(where, f"Alpaca {doing} (status {code or 'unknown'})", remedy) from None
    except Timeout:
        remedy = "Check the network and try again; nothing was recorded"
        raise MarketDataError(where, f"Alpaca did not answer within {timeout_s:g} s", remedy) from None
    except RequestsConnectionError:
        remedy = "Check the network and try again; nothing was recorded"
        raise MarketDataError(where, "the connection to Alpaca could not be made or broke off", remedy) from None
    except (RequestException, ValueError, TypeError, KeyError, AttributeError):
        remedy = "Try again later; nothing was recorded"
        raise MarketDataError(where, "the answer is not Alpaca's JSON of bars", remedy) from None
    return _to_bars(request, answer.get(request.instrument.alpaca_symbol, []), where)


def _ask(
    request: MarketRequest, credentials: Credentials | None, data_url: str | None, timeout_s: float
) -> Mapping[str, Any]:
    with warnings.catch_warnings():
        # alpaca-py imports a deprecated part of websockets; under -W error that would end the gate.
        warnings.simplefilter("ignore", DeprecationWarning)
        from alpaca.common.enums import Sort
        from alpaca.data.enums import Adjustment, DataFeed
        from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
        from alpaca.data.requests import CryptoBarsRequest, StockBarsRequest
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

    # TimeFrame(1, TimeFrame.Hour) would silently ask for "11Hour" (alpaca-py issue 664).
    amount, unit = {
        Timeframe.MIN_15: (15, TimeFrameUnit.Minute),
        Timeframe.HOUR_1: (1, TimeFrameUnit.Hour),
        Timeframe.HOUR_4: (4, TimeFrameUnit.Hour),
        Timeframe.DAY_1: (1, TimeFrameUnit.Day),
    }[request.timeframe]
    window: dict[str, Any] = {
        "symbol_or_symbols": request.instrument.alpaca_symbol,
        "timeframe": TimeFrame(amount, unit),
        "start": request.first.to_pydatetime(),
        "end": request.last.to_pydatetime(),
    }
    options: dict[str, Any] = {"raw_data": True, "url_override": data_url}
    if request.instrument.asset_class is AssetClass.CRYPTO:
        pair = (credentials.key, credentials.secret) if credentials else (None, None)
        crypto = CryptoHistoricalDataClient(*pair, **options)
        _set_timeout(crypto, timeout_s)
        answer = crypto.get_crypto_bars(CryptoBarsRequest(**window, sort=Sort.ASC))
    else:
        feed, adjustment = DataFeed(request.feed), Adjustment(request.adjustment)
        pair = (credentials.key, credentials.secret) if credentials else ("replay", "replay")
        stocks = StockHistoricalDataClient(*pair, **options)
        _set_timeout(stocks, timeout_s)
        answer = stocks.get_stock_bars(StockBarsRequest(**window, sort=Sort.ASC, feed=feed, adjustment=adjustment))
    assert isinstance(answer, dict)
    return answer


def _set_timeout(client: Any, timeout_s: float) -> None:  # noqa: ANN401 - either of two clients
    """The client sets no timeout of its own; its session is the only place to set one."""
    from requests.adapters import HTTPAdapter

    class Patient(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passes on what it is given
            return super().send(*args, **{**options, "timeout": timeout_s})

    for scheme in ("http://", "https://"):
        client._session.mount(scheme, Patient())  # noqa: SLF001 - alpaca-py offers no public way


def _to_bars(request: MarketRequest, rows: Sequence[Mapping[str, Any]], where: str) -> Bars:
    if not rows:
        problem = "Alpaca has no bars: it does not know the symbol, or nothing was traded"
        raise MarketDataError(where, problem, "Check the spelling of the symbol and the dates")
    try:
        # Straight from JSON: Alpaca's own models take twenty times as long and refuse bars without n or vw.
        values = np.array([[row[name] for name in _FIELDS] for row in rows], dtype=np.float64)
        index = pd.DatetimeIndex(pd.to_datetime([row["t"] for row in rows], utc=True, format="ISO8601")).as_unit("ns")
    except (KeyError, TypeError, ValueError):
        problem = "a bar lacks one of t, o, h, l, c, v, or holds something else than a number"
        raise MarketDataError(where, problem, "Record it again later") from None
    return Bars(request.instrument, request.timeframe, pd.DataFrame(values, index=index, columns=list(COLUMNS)))
