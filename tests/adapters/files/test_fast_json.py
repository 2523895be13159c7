"""The faster parser of recordings and the usual one make the same of every text."""

import json
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.adapters.files.fast_json import parse_json

_DIGITS = st.text("0123456789", min_size=1, max_size=25)
_NUMBERS = st.builds("{}{}.{}e{}".format, st.sampled_from(["", "-"]), st.integers(0), _DIGITS, st.integers(-340, 320))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def exactly(value: object) -> object:
    """What tells apart what compares equal: 1 and 1.0, 0.0 and -0.0."""
    match value:
        case float():
            return struct.pack("d", value)
        case list():
            return [exactly(item) for item in value]
        case dict():
            return [(name, exactly(item)) for name, item in value.items()]
    return type(value), value


def outcome(parse: Callable[[str], object], text: str) -> object:
    try:
        return exactly(parse(text))
    except (ValueError, RecursionError) as error:
        return type(error)


@given(value=_VALUES, ascii_only=st.booleans())
def test_whatever_is_json_is_the_same(value: object, *, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)

    assert exactly(parse_json(text)) == exactly(json.loads(text))


@given(_NUMBERS)
def test_numbers_are_rounded_alike(number: str) -> None:
    assert exactly(parse_json(number)) == exactly(json.loads(number))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{]", "[1,]", "[01]", "[1.]", "[Inf]", "[NaN, Infinity, -Infinity]", "[1e999, -0, -0.0]"),
        *('{"a": 1, "a": 2}', '"\\ud800"', '"\ud800"', '"\t"', "\ufeff[1]", "[1] 2", "[1]\xa0"),
        *("[" * 300 + "]" * 300, "[" * 9999, "9" * 4301),
    ],
)
def test_what_is_odd_is_judged_as_ever(text: str) -> None:
    assert outcome(parse_json, text) == outcome(json.loads, text)
