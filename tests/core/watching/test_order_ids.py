"""Ids of orders: one spelling for one meaning, and nothing else is taken for one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate import OrderId, order_id, parse_order_id

SHA256 = "0123abcd" * 8
MODELS = st.from_regex(r"[A-Z0-9.]{1,12}_[0-9A-Za-z]{1,6}", fullmatch=True)


@given(MODELS, st.from_regex(r"[0-9a-f]{64}", fullmatch=True), st.integers(0, 60_000_000), st.integers(0, 999))
def test_an_id_says_what_it_was_made_of(model: str, sha256: str, minutes: int, n: int) -> None:
    text = order_id(model, sha256, minutes * 60, n)

    assert len(text) <= 48
    assert parse_order_id(text) == OrderId(model, sha256[:8], minutes * 60, n)


def test_the_documented_spelling() -> None:
    bar = datetime(2024, 1, 9, 14, tzinfo=UTC)

    assert order_id("UNIUSD_1Hour", SHA256, bar) == "mg1.UNIUSD_1Hour.0123abcd.gwzzc.0"


@given(st.text(max_size=60))
def test_whatever_is_read_is_the_only_spelling_of_it(text: str) -> None:
    for spelling in (text, f"mg1.{text}", f"mg1.A_1Min.0123abcd.{text}"):
        parsed = parse_order_id(spelling)
        assert parsed is None or order_id(parsed.model, parsed.sha8, parsed.bar, parsed.n) == spelling


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mg1.UNIUSD_1Hour.0123abcd.h31j4",
        "mg2.UNIUSD_1Hour.0123abcd.h31j4.0",
        "mg1.uniusd_1Hour.0123abcd.h31j4.0",
        "mg1.UNIUSD_1Hour.0123ABCD.h31j4.0",
        "mg1.UNIUSD_1Hour.0123abcd.0h31j4.0",
        "mg1.UNIUSD_1Hour.0123abcd.h31j4.00",
        "mg1.UNIUSD_1Hour.0123abcd.h31j4.0\n",
        f"mg1.{'A' * 20}_{'1' * 10}.0123abcd.h31j4.1000",
    ],
)
def test_another_scheme_is_none_of_ours(text: str) -> None:
    assert parse_order_id(text) is None


@pytest.mark.parametrize(
    ("model", "sha256", "bar", "n"),
    [
        ("UNI USD", SHA256, 0, 0),
        ("UNIUSD_1Hour", "sha256", 0, 0),
        ("UNIUSD_1Hour", SHA256, 30, 0),
        ("UNIUSD_1Hour", SHA256, -60, 0),
        ("UNIUSD_1Hour", SHA256, datetime(2024, 1, 9, 14), 0),  # noqa: DTZ001 - that is the mistake
        ("UNIUSD_1Hour", SHA256, 0, -1),
        ("A" * 20 + "_" + "1" * 10, SHA256, 60 * 36**5, 1000),
    ],
)
def test_what_could_not_be_read_back_is_not_written(model: str, sha256: str, bar: datetime | int, n: int) -> None:
    with pytest.raises(ValueError, match=r"bar|characters|names no model"):
        order_id(model, sha256, bar, n)
