"""Order ids that say which bytes decided an order, and at which bar: the scheme that needs no map."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

LONGEST = 48  # characters that Alpaca has always taken for a client_order_id
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MINUTE_S = 60
_MODEL = r"[A-Z0-9.]{1,20}_[0-9A-Za-z]{1,10}"
_SCHEME = re.compile(
    rf"mg1\.(?P<model>{_MODEL})\.(?P<sha8>[0-9a-f]{{8}})\.(?P<minutes>0|[1-9a-z][0-9a-z]{{0,6}})\.(?P<n>0|[1-9][0-9]{{0,5}})"
)


@dataclass(frozen=True)
class OrderId:
    """What an id of the scheme says.

    Attributes:
        model: ``SYMBOL_TIMEFRAME``.
        sha8: the first eight digits of the sha256 of the bytes that decided.
        bar: start of the bar at whose close it was decided, seconds since 1970 UTC.
        n: number of the order among those of one bar, from 0.
    """

    model: str
    sha8: str
    bar: int
    n: int


def order_id(model: str, sha256: str, bar: datetime | int, n: int = 0) -> str:
    """The ``client_order_id`` of an order, by which the gate knows whose it is.

    ``mg1.<MODEL>.<sha8>.<minutes>.<n>``: minutes since 1970 UTC, to base 36, of the start of the bar at whose close the
    order was decided.

    Args:
        model: ``SYMBOL_TIMEFRAME``, as in ``promotion.json``.
        sha256: of the bytes that decided, as there.
        bar: start of that bar, with a time zone, or in seconds since 1970 UTC; a whole minute.
        n: number of the order among those of one bar, from 0: no id may be used twice.

    Raises:
        ValueError: one of them is nothing of the kind, or the id would be longer than 48 characters.
    """
    if isinstance(bar, datetime):
        if bar.tzinfo is None:
            raise ValueError(f"bar {bar} has no time zone")
        seconds = bar.timestamp()
    else:
        seconds = float(bar)
    if seconds % _MINUTE_S or seconds < 0:
        raise ValueError(f"bar {bar} does not start with a minute since 1970")
    text = f"mg1.{model}.{sha256[:8]}.{_base36(int(seconds) // _MINUTE_S)}.{n}"
    if len(text) > LONGEST:
        raise ValueError(f"{text} has {len(text)} characters, expected at most {LONGEST}")
    if parse_order_id(text) is None:
        raise ValueError(f"{text} names no model, no sha256 or no number of an order")
    return text


def parse_order_id(text: str) -> OrderId | None:
    """What an id says; None for one of another scheme."""
    match = _SCHEME.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        return None
    return OrderId(match["model"], match["sha8"], int(match["minutes"], 36) * _MINUTE_S, int(match["n"]))


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
