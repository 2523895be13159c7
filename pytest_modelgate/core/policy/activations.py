"""Activations between layers: their names, their values, and how far they carry a difference."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from pytest_modelgate.core.policy.elementary import exp, expm1, normal_share
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

ACTIVATIONS = ("tanh", "relu", "elu", "silu", "gelu", "gelu_tanh", "leaky_relu")
_SLOPE = re.compile(r"leaky_relu\(([0-9.e-]{1,24})\)")
_USUAL_SLOPE = 0.01
_CUBIC, _ROOT = 0.044715, float.fromhex("0x1.9884533d43651p+0")  # 2 * sqrt(2 / pi)
# At least the largest slope: of silu 1.09984, of both gelu 1.12900.
_STEEPEST = {"silu": 1.0999, "gelu": 1.1291, "gelu_tanh": 1.1291}


def is_known(name: str) -> bool:
    """Whether the gate can compute it: one of ACTIVATIONS, or ``leaky_relu(SLOPE)`` with a slope from 0 to 1."""
    return name in ACTIVATIONS or _slope(name) is not None


def check_activation(name: str) -> None:
    """Refuse an activation that is unknown.

    Raises:
        CheckpointError: see ``is_known``.
    """
    if not is_known(name):
        problem = f"{name!r} is unknown, expected one of {', '.join(ACTIVATIONS)}"
        raise CheckpointError("activation", problem, "Name it with --gate-activation")


def activate(name: str, values: Floats) -> Floats:
    """Apply an activation as fast as numpy does it.

    Raises:
        CheckpointError: it is unknown.
    """
    check_activation(name)
    if name == "tanh":
        return np.tanh(values)
    if name == "relu":
        return np.maximum(values, 0.0)
    if name == "elu":
        return np.where(values > 0.0, values, np.expm1(np.minimum(values, 0.0)))
    return _smooth(name, values, np.exp)


def activate_by_definition(name: str, values: Floats) -> Floats:
    """Apply an activation by the basic operations of IEEE 754 alone, see ``definition``.

    Raises:
        CheckpointError: it is unknown.
    """
    check_activation(name)
    if name == "tanh":
        decay = expm1(-2.0 * np.abs(values))
        return np.copysign(decay / (decay + 2.0), values)
    if name == "relu":
        return np.maximum(values, 0.0)
    if name == "elu":
        return np.where(values > 0.0, values, expm1(np.minimum(values, 0.0)))
    return _smooth(name, values, exp)


def steepest(name: str) -> float:
    """At least the Lipschitz constant of an activation."""
    return _STEEPEST.get(name, 1.0)


def errs_with_argument(name: str) -> bool:
    """Whether what an activation rounds is bounded by its argument rather than by its value.

    The three of slopes above 1 have a zero-like tail on the left, where their relative error has no bound.
    """
    return name in _STEEPEST


def _slope(name: str) -> float | None:
    """Slope of a leaky relu left of 0; None where there is none, or it lies outside of 0 to 1."""
    if name == "leaky_relu":
        return _USUAL_SLOPE
    match = _SLOPE.fullmatch(name)
    try:
        slope = float(match[1]) if match else -1.0
    except ValueError:
        return None
    return slope if 0.0 <= slope <= 1.0 else None


def _smooth(name: str, values: Floats, exponential: Callable[[Floats], Floats]) -> Floats:
    """Activations that differ by the exponential alone; ``gelu`` by nothing."""
    slope = _slope(name)
    if slope is not None:
        return np.where(values > 0.0, values, values * slope)
    if name == "gelu":
        return values * normal_share(values)
    inner = values
    if name == "gelu_tanh":
        bounded = np.clip(values, -1e50, 1e50)
        inner = _ROOT * (bounded + _CUBIC * (bounded * bounded * bounded))
    decay = exponential(-np.abs(inner))  # the logistic function is 1 / (1 + decay) where the argument is above 0
    return values * np.where(inner > 0.0, 1.0, decay) / (1.0 + decay)
