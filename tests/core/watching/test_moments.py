"""Moments of RFC 3339, to the nanosecond."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.core.watching.moments import parse_moment, write_moment

LAST = 4_000_000_000 * 10**9


@given(st.integers(0, LAST))
def test_what_is_written_is_read_back(moment: int) -> None:
    assert parse_moment(write_moment(moment)) == moment


@given(st.integers(0, LAST), st.integers(0, LAST))
def test_text_of_one_precision_sorts_as_moments_do(one: int, other: int) -> None:
    texts = [write_moment(moment - moment % 10**9) for moment in (one, other)]

    assert (texts[0] < texts[1]) == (one // 10**9 < other // 10**9)


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("2024-01-09T14:30:00Z", 0),
        ("2024-01-09T14:30:00.5Z", 500_000_000),
        ("2024-01-09T14:30:00.123456789Z", 123_456_789),
        ("2024-01-09T09:30:00.000001-05:00", 1_000),
    ],
)
def test_alpacas_spellings(text: str, fraction: int) -> None:
    whole = int(datetime(2024, 1, 9, 14, 30, tzinfo=UTC).timestamp())

    assert parse_moment(text) == whole * 10**9 + fraction


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-09",
        "2024-01-09T14:30:00",
        "2024-13-09T14:30:00Z",
        "2024-01-09T14:30:00.1234567890Z",
        "1960-01-01T00:00:00Z",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_moment(text)
