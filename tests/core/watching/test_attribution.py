"""Whose order is it: ids before the map, the map before the symbol; legs and replacements follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pytest_modelgate.core.watching.attribution import Owned, chains_of, own_orders
from pytest_modelgate.core.watching.order_ids import order_id
from pytest_modelgate.core.watching.records import MappedModel, Order

ONE, TWO, ELSE = "BTCUSD_1Hour", "BTCUSD_4Hour", "ETHUSD_1Hour"
ALONE = {ONE: "BTCUSD", ELSE: "ETHUSD"}
BOTH = {ONE: "BTCUSD", TWO: "BTCUSD"}
OURS = order_id(ONE, "5e" * 32, 0)
THEIRS = order_id(TWO, "77" * 32, 0)
GONE = order_id("BTCUSD_1Day", "77" * 32, 0)


def order(key: str, client: str, symbol: str = "BTCUSD", *, parent: str | None = None, replaces: str | None = None,
          submitted: int = 1) -> Order:  # fmt: skip
    return Order(
        key, client, symbol, "buy", 1.0, None, submitted, 2, "filled", 1.0, 100.0, parent=parent, replaces=replaces
    )


def told_apart(orders: Sequence[Order], in_force: Mapping[str, str] = BOTH, *mapped: MappedModel) -> Owned:
    return own_orders(ONE, "BTCUSD", in_force, orders, mapped)


def keys(owned: Owned) -> tuple[list[str], list[str], list[str]]:
    own, others, foreign = (
        [one.key for chain in chains for one in chain.orders] for chains in (owned.own, owned.others, owned.foreign)
    )
    return own, others, foreign


def test_an_id_says_whose_order_it_is_whatever_else_trades_the_symbol() -> None:
    orders = [order("a", OURS), order("b", THEIRS), order("c", GONE), order("d", OURS, "ETHUSD")]
    assert keys(told_apart(orders)) == (["a"], ["b"], ["c"])


def test_a_symbol_says_it_where_one_model_alone_trades_it() -> None:
    orders = [order("a", "other-1"), order("b", "other-2", "ETHUSD")]
    assert keys(told_apart(orders, ALONE)) == (["a"], [], [])


def test_whose_orders_have_ids_sends_none_without() -> None:
    assert keys(told_apart([order("a", OURS), order("b", "other-1")], ALONE)) == (["a"], [], ["b"])
    both = [order("a", OURS), order("b", THEIRS), order("c", "other-1")]
    assert keys(told_apart(both)) == (["a"], ["b"], ["c"])


def test_an_order_that_may_be_of_two_models_is_nobodys() -> None:
    owned = told_apart([order("a", OURS), order("b", "other-1")])
    assert owned.problem
    assert ONE in owned.problem
    assert TWO in owned.problem
    assert keys(owned) == ([], [], [])


@pytest.mark.parametrize(
    "mapped", [MappedModel(ONE, ("BTCUSD",)), MappedModel(ONE, (), "bot-.*"), MappedModel(ONE, ("BTCUSD",), "bot-.*")]
)
def test_a_map_says_it_by_symbol_or_by_id_or_by_both(mapped: MappedModel) -> None:
    assert keys(told_apart([order("a", "bot-7"), order("b", THEIRS)], BOTH, mapped)) == (["a"], ["b"], [])


def test_a_map_is_told_by_the_recording_too_and_never_overrules_an_id() -> None:
    assert keys(told_apart([order("a", f"map.{ONE}.1f"), order("b", THEIRS)])) == (["a"], ["b"], [])
    assert keys(told_apart([order("b", THEIRS)], BOTH, MappedModel(ONE, ("BTCUSD",)))) == ([], ["b"], [])


def test_two_entries_of_a_map_that_fit_one_order_contradict_each_other() -> None:
    owned = told_apart([order("a", "bot-7")], BOTH, MappedModel(ONE, (), "bot-.*"), MappedModel(TWO, (), ".*7"))
    assert "map" in owned.problem


def test_legs_and_replacements_follow_what_they_belong_to() -> None:
    orders = [
        order("a", OURS),
        order("b", "other-1", replaces="a", submitted=2),
        order("c", "other-2", replaces="b", submitted=3),
        order("stop", "", parent="a"),
        order("moved", "", replaces="stop", submitted=4),
    ]
    owned = told_apart([*orders, order("x", THEIRS)])
    assert [[one.key for one in chain.orders] for chain in owned.own] == [["a", "b", "c"], ["stop", "moved"]]
    assert [chain.leg for chain in owned.own] == [False, True]


def test_a_circle_of_replacements_ends() -> None:
    circle = [order("a", OURS, replaces="b"), order("b", OURS, replaces="a"), order("c", OURS, parent="c")]
    assert {one.key for chain in chains_of(circle) for one in chain.orders} == {"a", "b", "c"}
