"""Elementary functions of single numbers, of IEEE operations in a written order: the same bits on every machine.

``math.tanh`` and ``math.log10`` are the machine's library's, and may differ in the last place from one to the next.
"""

from __future__ import annotations

import math
from functools import lru_cache

_LN2 = float.fromhex("0x1.62e42fefa39efp-1")
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 33 bits, so that its multiples by up to 20 bits are exact
_LN2_LOW = _LN2 - _LN2_HIGH
_LOG10_E = float.fromhex("0x1.bcb7b1526e50ep-2")
_SQRT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")
_EXPM1_TERMS = 14  # within half a binary order of magnitude what is left out is below 2**-58
_CACHED = 4096  # an account is looked at several times a bar
_LOG_TERMS = 11  # of the series of the inverse hyperbolic tangent, up to 0.172


@lru_cache(_CACHED)
def tanh(value: float) -> float:
    """Hyperbolic tangent, good to a few units in the last place."""
    decay = _expm1(-2.0 * abs(value))
    return math.copysign(decay / (decay + 2.0), value)


@lru_cache(_CACHED)
def log10(value: float) -> float:
    """Decimal logarithm of a positive number, good to a few units in the last place, around 1, too."""
    fraction, power = math.frexp(value)
    if fraction < _SQRT_HALF:
        fraction, power = 2.0 * fraction, power - 1
    ratio = (fraction - 1.0) / (fraction + 1.0)
    square, series = ratio * ratio, 0.0
    for term in range(_LOG_TERMS, -1, -1):
        series = series * square + 1.0 / (2 * term + 1)
    return _LOG10_E * (power * _LN2_HIGH + (power * _LN2_LOW + 2.0 * ratio * series))


def exp(value: float) -> float:
    """Exponential of a number of at most 0, good to a few units in the last place, to 3e-14 at -700; 0 below."""
    if value < -700.0:
        return 0.0
    less_one, scale = _reduced(value)
    return scale * less_one + scale


def _expm1(value: float) -> float:
    """``exp(value) - 1`` for a value of at most 0."""
    less_one, scale = _reduced(max(value, -60.0))  # where it is -1 already
    return scale * less_one + (scale - 1.0)


def _reduced(value: float) -> tuple[float, float]:
    """``exp(value) / scale - 1`` for the power of two nearest to ``exp(value)``, and that power, the scale."""
    power = round(value / _LN2)
    rest = (value - power * _LN2_HIGH) - power * _LN2_LOW
    series = 1.0
    for term in range(_EXPM1_TERMS, 1, -1):
        series = 1.0 + rest * series / term
    return rest * series, math.ldexp(1.0, power)
