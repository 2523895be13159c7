"""Order in which a policy's layers apply: told by their shapes, and where these leave it open, by names and file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import NoReturn

from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_MOST_LAYERS, _MOST_STEPS = 256, 10_000  # of the search; where each layer fits in one place it takes one step a layer
_SHARED = frozenset({"trunk", "backbone", "shared", "torso", "body", "base", "encoder", "extractor", "features"})
_HEADS = frozenset({"policy", "actor", "pi", "action", "head", "out", "output", "logits"})
_REMEDY = (
    "Number the layers in the order in which they apply, such as net.0 and net.2, and save the state_dict() of the "
    "module as it is, which lists them in that order"
)
_Shape = tuple[int, int]  # outputs, inputs


def order_layers(shapes: Mapping[str, _Shape], inputs: int, outputs: int, location: str) -> list[str] | None:
    """Names of layers in the order in which they apply; None where no order leads from input to output.

    ``load_state_dict`` goes by names, so the order of a file proves nothing by itself. An order that is the only one to
    fit the shapes is certain. Layers that could change places must stand in the file in the order of their names, and
    the names must have one: numbers, or a shared trunk before a head. Anything else would be a guess.

    Args:
        shapes: outputs and inputs of every layer, in the file's order.

    Raises:
        CheckpointError: several orders fit, and names and file do not settle on one of them.
    """
    alike: dict[_Shape, list[str]] = {}
    for name, shape in shapes.items():
        alike.setdefault(shape, []).append(name)
    orders = list(_chains(alike, inputs, outputs, location))
    if not orders:
        return None
    for names in alike.values():
        for pair in pairwise(names):
            _check_pair(*pair, location)
    places = [{name: place for place, name in enumerate(order)} for order in orders]
    pairs = combinations(shapes, 2)
    movable = [(one, two) for one, two in pairs if len({place[one] < place[two] for place in places}) > 1]
    for pair in movable:
        _check_pair(*pair, location)
    fitting = zip(orders, places, strict=True)
    agreed = (order for order, place in fitting if all(place[one] < place[two] for one, two in movable))
    order = next(agreed, None)
    if order is None:
        _refuse(movable[0], "several orders fit their shapes, and none of these is the file's", location)
    return order


def _chains(alike: Mapping[_Shape, list[str]], inputs: int, outputs: int, location: str) -> Iterator[list[str]]:
    """Every order that leads from input to output; layers of one shape stay in the file's order."""
    count, steps = sum(map(len, alike.values())), 0
    pending: list[tuple[_Shape, ...]] = [()]
    while pending:
        steps += 1
        if steps > _MOST_STEPS or count > _MOST_LAYERS:
            problem = f"holds {count} layers that fit together in too many ways to tell which is meant"
            raise CheckpointError(f"{location}, policy_state_dict", problem, _REMEDY)
        chain = pending.pop()
        width = chain[-1][0] if chain else inputs
        if len(chain) < count:
            used = Counter(chain)
            pending += [(*chain, shape) for shape in alike if shape[1] == width and used[shape] < len(alike[shape])]
        elif width == outputs:
            left = {shape: iter(names) for shape, names in alike.items()}
            yield [next(left[shape]) for shape in chain]


def _check_pair(earlier: str, later: str, location: str) -> None:
    """Refuse two layers that could change places, unless their names come in the file's order, too."""
    in_order = _precedes(earlier, later)
    if in_order is None:
        _refuse((earlier, later), "nothing in their names tells which of them applies first", location)
    if not in_order:
        _refuse((earlier, later), "their names come in the other order", location)


def _precedes(name: str, other: str) -> bool | None:
    """Whether a layer's name puts it before another's; None where the names do not tell, as the alphabet does not."""
    words, others = (set(re.findall("[a-z]+", text.lower())) for text in (name, other))
    stages = [_stage(words - others), _stage(others - words)]
    if None not in stages and stages[0] != stages[1]:
        return stages[0] == "shared"
    parts = zip(*(re.findall("[0-9]+|[^0-9]+", text) for text in (name, other)), strict=False)
    first, second = next((pair for pair in parts if pair[0] != pair[1]), ("", ""))
    if not (first.isdigit() and second.isdigit() and first.isascii() and second.isascii()):
        return None
    numbers = [(len(digits), digits) for digits in (first.lstrip("0"), second.lstrip("0"))]
    return None if numbers[0] == numbers[1] else numbers[0] < numbers[1]


def _stage(words: set[str]) -> str | None:
    return "head" if words & _HEADS else "shared" if words & _SHARED else None


def _refuse(pair: tuple[str, str], problem: str, location: str) -> NoReturn:
    first, second = (plain(name, 80) for name in pair)
    sentence = f"lists {first} before {second}, which fit in each other's place, and {problem}"
    raise CheckpointError(f"{location}, policy_state_dict", sentence, _REMEDY)
