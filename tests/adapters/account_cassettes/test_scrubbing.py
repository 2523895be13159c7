"""What of a trading account is kept: fields and values that are known, and pseudonyms."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.account_server import uuid

from pytest_modelgate import order_id
from pytest_modelgate.adapters.account_cassettes.scrubbing import Pseudonyms, Scrubber, refuse_secrets
from pytest_modelgate.errors import AccountError

NAMES = Pseudonyms(uuid("account"))
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text(), max_size=2))
FIELDS = ("id", "client_order_id", "symbol", "qty", "status", "submitted_at", "legs", "asset_id", "type", "replaces")
ROWS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=12), VALUES, max_size=8)
PLAIN = set(string.ascii_letters + string.digits + "_.-:/+")


@given(st.lists(ROWS, max_size=4))
def test_whatever_comes_only_plain_values_of_known_fields_are_kept(rows: list[dict[str, Any]]) -> None:
    scrubber = Scrubber(NAMES)

    kept = json.loads(json.dumps(scrubber.orders(rows), allow_nan=False))

    for row in kept:
        assert set(row) <= {
            "id",
            "client_order_id",
            "symbol",
            "qty",
            "status",
            "submitted_at",
            "legs",
            "type",
            "replaces",
        }
        assert all(isinstance(value, str) and set(value) <= PLAIN for name, value in row.items() if name != "legs")
    assert all(line.isascii() and line.isprintable() for line in scrubber.seen.lines())


def test_pseudonyms_hang_on_the_account_alone() -> None:
    again, other = Pseudonyms(uuid("account")), Pseudonyms(uuid("another"))

    assert NAMES.of("order") == again.of("order") != other.of("order")
    assert (len(NAMES.account8), len(NAMES.of("order"))) == (8, 16)
    assert NAMES.account8 != other.account8


@pytest.mark.parametrize("spelling", [str.lower, str.upper, lambda text: text.replace("-", "")])
def test_every_spelling_of_a_uuid_is_replaced(spelling: Any) -> None:
    text = f"order {spelling(uuid('order'))}, refused"

    kept = NAMES.without_ids(text)

    assert kept.startswith("order ")
    assert kept.endswith(", refused")
    assert len(kept) == len("order 01234567, refused")


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (order_id("UNIUSD_1Hour", "0123abcd" * 8, 0), "mg1.UNIUSD_1Hour.0123abcd.0.0"),
        ("mine-7", f"map.UNIUSD_1Hour.{NAMES.of('mine-7')[:8]}"),
        ("manual", f"other-{NAMES.of('manual')[:8]}"),
    ],
)
def test_ids_of_orders_say_whose_they_are_and_nothing_else(told: str, kept: str) -> None:
    scrubber = Scrubber(NAMES, lambda text: "UNIUSD_1Hour" if text.startswith("mine") else None)

    (row,) = scrubber.orders([{"id": uuid("order"), "client_order_id": told}])

    assert row["client_order_id"] == kept


def test_transfers_are_left_out() -> None:
    kinds = ("FILL", "CFEE", "FEE", "CSD", "CSW", "JNLC", "TRANS")

    kept = Scrubber(NAMES).activities([{"id": kind, "activity_type": kind, "net_amount": "5"} for kind in kinds])

    assert [row["activity_type"] for row in kept] == ["FILL", "CFEE", "FEE"]


@pytest.mark.parametrize(
    ("secret", "text", "found"),
    [
        ("PA3XYZ", '{"why":"account pa3xyz"}', True),
        ('s3"cret', json.dumps({"why": 's3"cret'}), True),
        ("123456789", '{"account":"123456789"}', True),
        ("123456789", '{"qty":"0.1234567891"}', False),
        ("abc", '{"why":"abc"}', False),  # so short that any text may hold it
    ],
)
def test_what_is_looked_for_before_anything_is_written(secret: str, text: str, found: bool) -> None:
    if found:
        with pytest.raises(AccountError, match="would have held one of your keys"):
            refuse_secrets("account", [text], [secret])
    else:
        refuse_secrets("account", [text], [secret])
