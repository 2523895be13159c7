"""The gate's errors for what comes of asking Alpaca."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_modelgate.adapters.alpaca.keys import KEY_ID, KEYS_FILE, SECRET_KEY, Credentials
from pytest_modelgate.errors import GateError, MarketDataError, SettingsError

DATA_URL = "APCA_API_DATA_URL"
KEYS = f"Check {KEYS_FILE}, or {KEY_ID} and {SECRET_KEY}"
_SUBSCRIPTION = (
    "does not serve this to your subscription",
    "Ask for --feed iex, or for an --as-of that is at least 15 minutes ago",
)
_DISTRUST = (
    "If a proxy inspects your traffic, name the file with its certificate, and those of the usual authorities, in "
    "REQUESTS_CA_BUNDLE; else check the clock and whoever answers in Alpaca's place"
)
_LATER = "Check the network and record again later; nothing was recorded"


@dataclass(frozen=True)
class Wording:
    """How errors speak of one of Alpaca's services.

    Attributes:
        error: what is raised, but for what is wrong with the settings.
        advice: by status, what the service does and what to do about it.
        asked: what its JSON is of.
        url: the variable that names another host; ``example`` is what it may say.
        quotes: whether the service's own words may be shown; those about an account may name it.
    """

    error: type[GateError]
    advice: Mapping[int, tuple[str, str]]
    asked: str
    url: str
    example: str
    quotes: bool


MARKET_DATA = Wording(
    error=MarketDataError,
    advice={
        400: ("refused the request as malformed", "Check the symbol, the feed and the adjustment"),
        401: ("does not know these keys", f"{KEYS}; crypto needs none"),
        403: ("refuses this to these keys", f"{KEYS}, and what your subscription covers"),
        404: ("does not know this address", f"Check {DATA_URL}, or leave it unset"),
        422: ("refused the request's values", "Check the symbol, the feed and the adjustment"),
        429: ("limits the rate of requests, also after some retries", "Wait a minute and record again"),
    },
    asked="bars",
    url=DATA_URL,
    example="https://data.alpaca.markets",
    quotes=True,
)


def explained(
    error: Exception, where: str, credentials: Credentials | None, timeout_s: float, words: Wording
) -> GateError:
    """The gate's error for one of the client's; raised here, it would show the service's words among the locals."""
    from alpaca.common.exceptions import APIError
    from requests import exceptions as broken

    from pytest_modelgate.adapters.alpaca.transport import UnusableAnswerError, distrusts

    if isinstance(error, APIError):
        return _refused(where, error, credentials, words)
    if isinstance(error, UnusableAnswerError):
        return words.error(where, error.problem, error.remedy)
    if distrusts(error):
        problem = "the connection to Alpaca is not trusted: its certificate could not be verified, or it speaks no TLS"
        return words.error(where, problem, _DISTRUST)
    if isinstance(error, broken.InvalidSchema | broken.InvalidURL | broken.MissingSchema):
        problem = f"is not an address the client can use, expected for example {words.example}"
        return SettingsError(words.url, problem, "Correct it, or leave it unset")
    if isinstance(error, broken.Timeout):
        return words.error(where, f"Alpaca did not answer within {timeout_s:g} s", _LATER)
    if isinstance(error, broken.ConnectionError | broken.ChunkedEncodingError | broken.ContentDecodingError):
        return words.error(where, "the connection to Alpaca could not be made or broke off", _LATER)
    return words.error(where, f"the answer is not Alpaca's JSON of {words.asked}", _LATER)


def _refused(
    where: str,
    error: Any,  # noqa: ANN401 - alpaca's APIError
    credentials: Credentials | None,
    words: Wording,
) -> GateError:
    """Error for a status of the service, with the service's own words where they are words."""
    code = error.status_code
    try:
        said = str(error.message)  # the body may be HTML, or JSON without a message
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        said = ""
    otherwise = ("failed, also after some retries", "Record again later; nothing was recorded")
    doing, remedy = words.advice.get(code, otherwise)
    if code == 403 and words is MARKET_DATA and "subscription" in said:
        doing, remedy = _SUBSCRIPTION
    if code == 401 and credentials is None:
        doing, remedy = "asks for keys", f"Set {KEYS_FILE}, or {KEY_ID} and {SECRET_KEY}"
    secrets = (credentials.key, credentials.secret) if credentials else ()
    readable = said.isascii() and said.isprintable() and not any(secret in said for secret in secrets)
    quoted = f": {said[:120]!r}" if words.quotes and said and readable else ""
    # Keys that are wrong are wrong for every symbol.
    kind = SettingsError if code == 401 else words.error
    return kind(where, f"Alpaca {doing} (status {code or 'unknown'}{quoted})", remedy)
