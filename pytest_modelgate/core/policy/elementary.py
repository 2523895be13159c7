"""Exponential and error functions of IEEE 754's basic operations alone, in an order that is written down.

Every machine computes the same bits; what a mathematical library's versions return differs from one to another.
"""

from __future__ import annotations

import numpy as np

from pytest_modelgate.core.typing import Floats

EXPM1_TERMS = 14  # of the series of expm1 within half a binary order of magnitude: what is left out is below 2**-58
LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 33 bits, so that its multiples by up to 20 bits are exact
LN2 = float.fromhex("0x1.62e42fefa39efp-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")  # the rest, to 53 bits of its own
_STEP, _NODES = 0.5, 13  # of erfc's sum: what it leaves out is below 2**-56
_ROOT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")  # sqrt(1 / 2)
_PI = float.fromhex("0x1.921fb54442d18p+1")


def expm1(values: Floats) -> Floats:
    """``exp(values) - 1`` for values of at most 0, good to a few units in the last place."""
    product, scale = _series(np.maximum(values, -60.0))  # where it is -1 already
    return product + (scale - 1.0)


def exp(values: Floats) -> Floats:
    """``exp(values)`` for values of at most 0, good to a few units in the last place; 0 below -700."""
    product, scale = _series(np.maximum(values, -700.0))
    return np.where(values < -700.0, 0.0, product + scale)


def normal_share(values: Floats) -> Floats:
    """Share of a normal distribution below each value, ``erfc(-values / sqrt(2)) / 2``, off by less than 2**-50.

    The midpoint rule on an integral that is erfc, whose error falls as exp(-(pi / step)**2), with its pole put back
    (Hunter & Regan 1972, "A note on the evaluation of the complementary error function").
    """
    distance = np.minimum(np.abs(values), 1e100) * _ROOT_HALF
    squared = distance * distance
    total = np.zeros_like(distance)
    for node in range(_NODES - 1, -1, -1):
        at = (node + 0.5) * _STEP
        total += _WEIGHTS[node] / (squared + at * at)
    pole = exp(distance * (-2.0 * _PI / _STEP))
    tail = exp(-squared) * (distance * total) * (_STEP / _PI) + pole / (1.0 + pole)
    return np.where(values > 0.0, 1.0 - tail, tail)


def _series(values: Floats) -> tuple[Floats, Floats]:
    """Two parts whose sum is ``exp(values)``; the second is a power of two."""
    powers = np.rint(values / LN2)
    rest = (values - powers * LN2_HIGH) - powers * LN2_LOW
    series = np.ones_like(rest)
    for term in range(EXPM1_TERMS, 1, -1):
        series = 1.0 + rest * series / term
    scale = np.ldexp(1.0, powers.astype(np.int64))
    return scale * (rest * series), scale


_WEIGHTS = exp(-np.square((np.arange(_NODES) + 0.5) * _STEP)).tolist()
