"""Whose order is it: by its id, by what the user says, or by its symbol where one model alone trades that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_modelgate.core.watching.order_ids import OrderId, parse_order_id
from pytest_modelgate.core.watching.records import MappedModel, Order

_UNKNOWN = ""  # of nobody in force
_MAPPED = "map."  # begins ids that a map told the model of when they were recorded


@dataclass(frozen=True)
class Chain:
    """One order with those that took its place, oldest first.

    Attributes:
        told: what its id says of the decision; None where it says nothing.
        leg: it is a leg of another, such as a bracket's stop.
    """

    orders: tuple[Order, ...]
    told: OrderId | None
    leg: bool

    @property
    def first(self) -> Order:
        """The one that was decided."""
        return self.orders[0]

    @property
    def last(self) -> Order:
        """The one in force in the end."""
        return self.orders[-1]

    @property
    def sign(self) -> float:
        """1 for what buys, -1 for what sells."""
        return 1.0 if self.last.side == "buy" else -1.0

    @property
    def filled(self) -> float:
        """Units, signed, gross of fees in kind."""
        return self.sign * sum(order.filled_quantity for order in self.orders)


@dataclass(frozen=True)
class Owned:
    """The orders in a model's symbol.

    Attributes:
        own: the model's, whatever bytes of it decided them; by submission.
        others: of further models in force that trade it.
        foreign: nobody's of these: who trades another symbol owns nothing here.
        problem: why they cannot be told apart, one sentence; empty where they can.
    """

    own: tuple[Chain, ...]
    others: tuple[Chain, ...]
    foreign: tuple[Chain, ...]
    problem: str = ""


def own_orders(
    model: str, symbol: str, in_force: Mapping[str, str], orders: Sequence[Order], mapped: Sequence[MappedModel]
) -> Owned:
    """Tell the orders in a model's symbol apart.

    Args:
        symbol: of the model.
        in_force: symbols of all models in force on the account by their id, the model among them.
        orders: of the account, in any order.
    """
    chains = [chain for chain in chains_of(orders) if chain.first.symbol == symbol]
    named = {chain.first.key: _named(chain, in_force, mapped) for chain in chains}
    if doubtful := next((chain for chain in chains if len(named[chain.first.key]) > 1), None):
        both = " and ".join(sorted(named[doubtful.first.key]))
        return Owned((), (), (), f"the map gives an order in {symbol} to {both}")
    identified = {owner for owners in named.values() for owner in owners}
    traders = sorted(name for name, traded in in_force.items() if traded == symbol)
    by_owner: dict[str, list[Chain]] = {}
    for chain in chains:
        owner = next(iter(named[chain.first.key]), None)
        if owner is None and len(traders) > 1 and not identified.issuperset(traders):
            problem = f"an order in {symbol} says nothing of its model, and {' and '.join(traders)} trade it"
            return Owned((), (), (), problem)
        if owner is None:  # whose orders have ids sends none without
            owner = traders[0] if len(traders) == 1 and traders[0] not in identified else _UNKNOWN
        by_owner.setdefault(owner if owner in traders else _UNKNOWN, []).append(chain)
    own, foreign = by_owner.pop(model, []), by_owner.pop(_UNKNOWN, [])
    others = [chain for kept in by_owner.values() for chain in kept]
    own, others, foreign = (sorted(kept, key=_submitted) for kept in (own, others, foreign))
    return Owned(tuple(own), tuple(others), tuple(foreign))


def chains_of(orders: Iterable[Order]) -> list[Chain]:
    """Orders with what replaced them; legs are chains of their own, which know their parent's id."""
    by_key = {order.key: order for order in orders}
    kept: dict[str, list[Order]] = {}
    for order in sorted(by_key.values(), key=lambda order: (order.submitted, order.key)):
        kept.setdefault(_original(order, by_key).key, []).append(order)
    chains = []
    for key, replaced in kept.items():
        parent = _parent(by_key[key], by_key)
        leg = any(order.parent is not None for order in replaced)
        chains.append(Chain(tuple(replaced), parse_order_id(parent.client_order_id), leg))
    return chains


def _original(order: Order, by_key: Mapping[str, Order]) -> Order:
    """The first of those that an order took the place of, as far as they are on record."""
    seen = {order.key}
    while order.replaces is not None and order.replaces in by_key and order.replaces not in seen:
        order = by_key[order.replaces]
        seen.add(order.key)
    return order


def _parent(order: Order, by_key: Mapping[str, Order]) -> Order:
    """The order whose leg it is, or the order itself."""
    seen = {order.key}
    while order.parent is not None and order.parent in by_key and order.parent not in seen:
        order = _original(by_key[order.parent], by_key)
        seen.add(order.key)
    return order


def _named(chain: Chain, in_force: Mapping[str, str], mapped: Sequence[MappedModel]) -> set[str]:
    """Models that an order's id, or else the map, names."""
    if chain.told is not None:
        return {chain.told.model}
    order = chain.first
    if order.client_order_id.startswith(_MAPPED):
        return {order.client_order_id.removeprefix(_MAPPED).rpartition(".")[0]}
    return {one.id for one in mapped if one.id in in_force and _fits(order, one)}


def _fits(order: Order, mapped: MappedModel) -> bool:
    if mapped.client_order_id is None:
        return order.symbol in mapped.symbols
    fits = re.fullmatch(mapped.client_order_id, order.client_order_id) is not None
    return fits and (not mapped.symbols or order.symbol in mapped.symbols)


def _submitted(chain: Chain) -> tuple[int, str]:
    return chain.first.submitted, chain.first.key
