"""Moments: as Alpaca writes them, RFC 3339 with up to nine decimals, and as nanoseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pytest_modelgate.core.watching.records import NANOSECONDS

_MOMENT = re.compile(
    r"(?P<whole>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(\.(?P<fraction>\d{1,9}))?(?P<zone>[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def parse_moment(text: str) -> int:
    """Nanoseconds since 1970 UTC.

    Raises:
        ValueError: it is no moment of RFC 3339, or lies before 1970.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("not a moment")
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"]
    seconds = int(datetime.fromisoformat(match["whole"].upper() + zone).timestamp())
    if seconds < 0:
        raise ValueError("before 1970")
    return seconds * NANOSECONDS + int((match["fraction"] or "0").ljust(9, "0"))


def write_moment(moment: int) -> str:
    """RFC 3339 in UTC, with nine decimals where the seconds are not whole."""
    seconds, fraction = divmod(moment, NANOSECONDS)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{fraction:09d}Z" if fraction else f"{whole}Z"
