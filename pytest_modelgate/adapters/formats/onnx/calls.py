"""A node of a graph with its arguments, for whoever reads one kind of operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.formats.onnx.flows import Flow, Value


class Unread(Exception):  # noqa: N818 - ends the translation of one node
    """A node is none of those that are read; its text says why."""


@dataclass(frozen=True)
class Call:
    """A node with its arguments, None for one that is left out."""

    op: str
    args: tuple[Value | None, ...]
    attributes: Mapping[str, Any]
    opset: int
    batch: int | None

    def arg(self, number: int) -> Value | None:
        """An argument, None where it is left out."""
        return self.args[number] if number < len(self.args) else None

    @property
    def flow(self) -> Flow:
        """Its first argument, which has to depend on the observation."""
        first = self.arg(0)
        if not isinstance(first, Flow):
            raise Unread(f"{self.op} of a constant")
        return first

    def numbers(self, number: int, attribute: str = "") -> NDArray[Any] | None:
        """Numbers of a constant argument, or of the attribute that it once was; None where it is left out."""
        value = self.arg(number)
        if isinstance(value, Flow):
            raise Unread(f"{self.op} by what depends on the observation")
        if value is not None:
            return value.numbers
        if attribute not in self.attributes:
            return None
        said = self.attributes[attribute]
        if not isinstance(said, int | float | np.ndarray):  # one without a value is no missing one: it stands for 0
            raise Unread(f"{self.op} with an odd {attribute}")
        return np.atleast_1d(np.asarray(said))

    def said(self, name: str, default: float) -> float:
        """A number that an attribute says."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise Unread(f"{self.op} with an odd {name}")
        return value
