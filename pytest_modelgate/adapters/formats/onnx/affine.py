"""Arithmetic by constants in an ONNX graph: what follows a layer, and what is done to an observation first."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.adapters.formats.onnx.flows import OBSERVATION, RESHAPE, Constant, Flow, row_of
from pytest_modelgate.adapters.formats.onnx.tensor import ModelError
from pytest_modelgate.core.typing import Floats

_MOST_STEPS = 256


class Statistics(NamedTuple):
    """What is done to the numbers of an observation first: less a mean, by a deviation, clipped; (inputs,) or fewer."""

    mean: Floats
    deviation: Floats
    limit: float


class Step(NamedTuple):
    """One operation by numbers: on what, which, by what, and whether these come first, as in ``1 - x``."""

    flow: Flow
    op: str
    numbers: NDArray[Any]
    turned: bool


def last_step(flow: Flow) -> Step | None:
    """The last operation by numbers; None where there is none."""
    if flow.op == "Neg" and isinstance(flow.args[0], Flow):
        return Step(flow.args[0], "Mul", np.array(-1.0), turned=False)
    if flow.op not in ("Add", "Sub", "Mul", "Div"):
        return None
    first, second = flow.args
    if isinstance(first, Flow) and isinstance(second, Constant):
        return Step(first, flow.op, row_of(second.numbers), turned=False)
    if isinstance(first, Constant) and isinstance(second, Flow) and flow.op != "Div":
        return Step(second, flow.op, row_of(first.numbers), turned=flow.op == "Sub")
    return None


LEFT_ALONE = Statistics(np.zeros(()), np.ones(()), math.inf)


def observed(flow: Flow) -> Statistics | None:
    """What is done to the observation that a flow is; None where it is something else."""
    limit = math.inf
    steps: list[Step] = []
    while flow.op != OBSERVATION:
        if flow.op == RESHAPE:
            inner = flow.args[0]
        elif flow.op == "Clip":
            low, high = flow.facts["low"], flow.facts["high"]
            inner = flow.args[0]
            both = isinstance(inner, Flow) and inner.op == "Clip" and math.isinf(limit)
            if both and isinstance(inner, Flow):  # a Max and a Min, one behind the other
                low, high = max(low, inner.facts["low"]), min(high, inner.facts["high"])
                inner = inner.args[0]
            if steps or not math.isinf(limit) or low != -high or not high > 0.0:
                return None
            limit = high
        else:
            step = last_step(flow)
            if step is None or step.turned:
                return None
            inner = step.flow
            steps.append(step)
        if not isinstance(inner, Flow) or len(steps) > _MOST_STEPS:
            return None
        flow = inner
    if not steps and math.isinf(limit):
        return LEFT_ALONE
    return _composed(steps, limit)


def _composed(steps: list[Step], limit: float) -> Statistics | None:
    """Steps, the last first, as one difference and one quotient."""
    mean, deviation = np.zeros(1), np.ones(1)
    with np.errstate(all="ignore"):
        for step in reversed(steps):
            row = step.numbers.reshape(-1).astype(np.float64)
            if len({mean.size, deviation.size, row.size} - {1}) > 1:
                return None
            if step.op in ("Sub", "Add"):
                mean = mean + (row if step.op == "Sub" else -row) * deviation
            else:
                deviation = deviation * (row if step.op == "Div" else 1.0 / row)
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all() and deviation.all()):
        raise ModelError("normalises observations by numbers that are not finite, or 0", "Train the model again")
    return Statistics(mean, deviation, limit)
