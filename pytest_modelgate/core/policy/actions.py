"""What a policy's actions mean: orders of some size, and targets of some exposure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

NO_ACTION = -1  # index of nothing decided: a ruined account, or bars beyond what a policy was asked about
_MOST = 10.0  # times a full order, or times equity
_PERCENT = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_ORDER_WORDS = {"BUY": 1.0, "SELL": -1.0}


@dataclass(frozen=True)
class Order:
    """Buys or sells.

    Attributes:
        size: signed fraction of a full order, whose size the trading rules say; 0 holds.
    """

    size: float


@dataclass(frozen=True)
class Target:
    """Trades towards a position.

    Attributes:
        exposure: signed position value as a fraction of equity; 0 closes the position.
    """

    exposure: float


Action = Order | Target
HOLD = Order(0.0)
CLOSE = Target(0.0)
HALF_ORDERS: tuple[Action, ...] = (HOLD, Order(0.5), Order(-0.5))
QUARTER_ORDERS: tuple[Action, ...] = (HOLD, *map(Order, (0.25, 0.5, 0.75, -0.25, -0.5, -0.75)))
QUARTER_ORDERS_AND_CLOSE: tuple[Action, ...] = (*QUARTER_ORDERS, CLOSE)


def action_name(action: Action) -> str:
    """Name of an action: ``HOLD``, ``BUY_25``, ``SELL_50``, ``CLOSE``, ``TARGET_100``."""
    if isinstance(action, Target):
        return f"TARGET_{_percent(action.exposure)}" if action.exposure else "CLOSE"
    if not action.size:
        return "HOLD"
    return f"{'BUY' if action.size > 0.0 else 'SELL'}_{_percent(abs(action.size))}"


def _percent(share: float) -> str:
    """Percent that ``_named`` reads as this very number."""
    return f"{Decimal(repr(share)).scaleb(2).normalize():f}"


def parse_action(declared: object) -> Action | None:
    """The action that is declared: by a name of ``action_name``, as ``{"order": 0.5}`` or as ``{"target": 1.0}``.

    Returns:
        None for anything else; for BUY and SELL without a size, too, which some mean as an order and some as all in.
    """
    if isinstance(declared, Order | Target):
        return declared
    if isinstance(declared, Mapping):
        kind, value = next(iter(declared.items()), ("", None))
        if len(declared) != 1 or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not abs(value) <= _MOST:
            return None
        return Order(float(value)) if kind == "order" else Target(float(value)) if kind == "target" else None
    return _named(declared) if isinstance(declared, str) else None


def _named(text: str) -> Action | None:
    verb, _, percent = text.strip().upper().replace("%", "").replace(" ", "_").partition("_")
    if not percent:
        return HOLD if verb == "HOLD" else CLOSE if verb == "CLOSE" else None
    if not _PERCENT.fullmatch(percent):
        return None
    share = float(Decimal(f"{percent}e-2"))
    if not abs(share) <= _MOST:
        return None
    if verb == "TARGET":
        return Target(share)
    return Order(_ORDER_WORDS[verb] * share) if verb in _ORDER_WORDS and share > 0.0 else None


def direction(action: Action) -> int:
    """1 for what buys, -1 for what sells, 0 for what holds or closes."""
    size = action.exposure if isinstance(action, Target) else action.size
    return (size > 0.0) - (size < 0.0)


def strongest(actions: Sequence[Action], sign: int) -> int | None:
    """Index of the largest action in one direction, the first of several; None where there is none."""
    sizes = [sign * (action.exposure if isinstance(action, Target) else action.size) for action in actions]
    largest = max(sizes)
    return sizes.index(largest) if largest > 0.0 else None
