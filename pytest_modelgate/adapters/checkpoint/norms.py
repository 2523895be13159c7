"""Normalisations between a policy's layers: where they apply, as far as the numbers in their names tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_REMEDY = (
    "Number layers, normalisations and activations in one Sequential with the last layer in it, as in Linear 0, "
    "LayerNorm 1, Tanh 2, Linear 3"
)
_WITHOUT = "Train without it, or leave the statistics of observations to the feature set"


class Place(NamedTuple):
    """Where a normalisation applies.

    Attributes:
        layer: place of the linear layer before it, in the order in which these apply.
        first: it comes before the activation.
    """

    layer: int
    first: bool


def place_norms(
    order: Sequence[str], norms: Mapping[str, int], widths: Mapping[str, int], location: str
) -> dict[str, Place]:
    """Where each normalisation applies.

    A state dict names layers but no activations, so a normalisation right behind a layer (1 after 0) comes before the
    activation. Two behind it, with the next layer three behind it, it comes after: something without parameters stands
    between. Any other numbers leave it open.

    Args:
        order: names of the linear layers, as they apply.
        norms: lengths of the normalisations, by name.
        widths: outputs of each linear layer.

    Raises:
        CheckpointError: numbers do not settle it, or it applies to observations or logits.
    """
    places: dict[str, Place] = {}
    for name, length in norms.items():
        prefix, number = _numbered(name)
        stack = {_numbered(layer)[1]: layer for layer in order if _numbered(layer)[0] == prefix}
        before = [other for other in stack if other is not None and number is not None and other < number]
        if number is None or not stack or None in stack:
            _refuse(name, "nothing in its name tells whether it comes before the activation or after it", location)
        if not before:
            problem = "normalises observations, before the first layer"
            raise CheckpointError(f"{location}, {plain(name, 80)}", problem, _WITHOUT)
        layer = stack[max(before)]
        if layer == order[-1]:
            raise CheckpointError(f"{location}, {plain(name, 80)}", "normalises what the last layer gives", _WITHOUT)
        if widths[layer] != length:
            problem = f"has length {length}, layer {plain(layer, 80)} before it {widths[layer]} outputs"
            raise CheckpointError(f"{location}, {plain(name, 80)}", problem, _REMEDY)
        place = Place(order.index(layer), _is_first(name, number - max(before), _gap(stack, max(before)), location))
        if place.layer in {other.layer for other in places.values()}:
            _refuse(name, f"layer {plain(layer, 80)} has two", location)
        places[name] = place
    return places


def _is_first(name: str, behind: int, gap: int | None, location: str) -> bool:
    """Whether a norm precedes the activation: so many places behind its layer, of which the next is a gap away."""
    if behind == 1 and (gap is None or gap >= 3):
        return True
    if not (behind == 2 and gap == 3):
        _refuse(name, "its number does not tell whether it comes before the activation or after it", location)
    return False


def _gap(stack: Mapping[int | None, str], number: int) -> int | None:
    return min((other - number for other in stack if other is not None and other > number), default=None)


def _numbered(name: str) -> tuple[str, int | None]:
    """A name without the number at its end, and that number."""
    prefix, _, last = name.rpartition(".")
    return prefix, int(last) if last.isdigit() and last.isascii() and len(last) < 6 else None


def _refuse(name: str, problem: str, location: str) -> NoReturn:
    raise CheckpointError(f"{location}, {plain(name, 80)}", f"is a normalisation, and {problem}", _REMEDY)
