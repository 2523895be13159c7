"""Values of an ONNX graph, as expressions over one observation: who reads what, without names and batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

UNKNOWN, OBSERVATION, RESHAPE = "unknown", "observation", "reshape"


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers that do not depend on the observation."""

    name: str
    numbers: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Flow:
    """What depends on the observation.

    Attributes:
        op: of ONNX, ``OBSERVATION``, ``RESHAPE``, or ``UNKNOWN``.
        tail: sizes behind the batch; None of a size that is open, or where no more is known.
        facts: attributes with their defaults; of ``UNKNOWN`` the sentence's end that says ``why``.
    """

    op: str
    args: tuple[Value, ...] = ()
    tail: tuple[int | None, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


Value = Constant | Flow


def row_of(numbers: NDArray[Any]) -> NDArray[Any]:
    """Numbers without the sizes of 1 in front, which a batch takes the place of."""
    shape = numbers.shape
    while shape and shape[0] == 1:
        shape = shape[1:]
    return numbers.reshape(shape)
