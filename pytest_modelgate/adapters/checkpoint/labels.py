"""Labels of actions in a checkpoint, held against what its outputs are known to mean."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_modelgate.adapters.checkpoint.pickled import described
from pytest_modelgate.core.policy.actions import CLOSE, HOLD, Action, Order, action_name, direction, parse_action
from pytest_modelgate.errors import CheckpointError

_DIRECTIONS = {"BUY": 1, "LONG": 1, "SELL": -1, "SHORT": -1}
_IDLE = {"HOLD": HOLD, "NOTHING": HOLD, "CLOSE": CLOSE, "FLAT": CLOSE, "EXIT": CLOSE}


def check_labels(meanings: object, actions: Sequence[Action], location: str) -> None:
    """Refuse labels that name other actions, or the same in another order.

    Args:
        meanings: a list, or a dict by number; anything else names none.

    Raises:
        CheckpointError: one of them is no label of its action.
    """
    if isinstance(meanings, dict):
        listed = [meanings.get(number, meanings.get(str(number))) for number in range(len(actions))]
        listed = listed if len(meanings) == len(actions) else list(meanings.values())
    else:
        listed = list(meanings) if isinstance(meanings, list | tuple) else []
    if len(listed) != len(actions) or not all(
        _means(label, action, actions) for label, action in zip(listed, actions, strict=True)
    ):
        names = ", ".join(map(shown, listed[:10])) or "empty"
        problem = f"is {names}, expected {named(actions)}"
        remedy = (
            "Another order would buy for sell. Find out which labels are right; where actions are known none are needed"
        )
        raise CheckpointError(f"{location}, action_meanings", problem, remedy)


def _means(meaning: object, action: Action, actions: Sequence[Action]) -> bool:
    """Whether a label such as ``BUY 25%``, ``Buy_25``, ``TARGET_100`` or ``sell`` names an action, one of some."""
    if isinstance(meaning, str) and action in (parse_action(meaning), parse_action(meaning.upper())):
        return True
    words = re.findall(r"[A-Z]+|\d+", meaning.upper()) if isinstance(meaning, str) else []
    words = [word for word in words if word not in ("PCT", "PERCENT")]
    if not words or len(words) > 2:
        return False
    verb, percent = words[0], words[1:]
    if verb in _IDLE:
        return action == _IDLE[verb] and not percent
    if percent:
        size = action.size if isinstance(action, Order) else action.exposure
        return percent[0] == f"{abs(size) * 100:g}" and _DIRECTIONS.get(verb) == direction(action)
    if verb == "SELL" and action == CLOSE:
        return True
    alone = [direction(other) for other in actions].count(direction(action)) == 1
    return alone and _DIRECTIONS.get(verb) == direction(action) != 0


def named(actions: Sequence[Action]) -> str:
    """Names of actions, for messages."""
    return ", ".join(map(action_name, actions))


def shown(value: object) -> str:
    """A value of a checkpoint as a message shows it."""
    return ascii(value)[:60] if isinstance(value, str | int | float) else described(value)
