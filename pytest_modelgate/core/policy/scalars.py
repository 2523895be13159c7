"""Elementary functions of single numbers, of IEEE operations in a written order: the same bits on every machine.

``math.tanh`` and ``math.log10`` are the machine's library's, and may differ in the last place from one to the next.
"""

from __future__ import annotations

import math
from functools import lru_cache

from pytest_modelgate.core.policy.elementary import EXPM1_TERMS, LN2, LN2_HIGH, LN2_LOW

_LOG10_E = float.fromhex("0x1.bcb7b1526e50ep-2")
_SQRT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")
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
    return _LOG10_E * (power * LN2_HIGH + (power * LN2_LOW + 2.0 * ratio * series))


def _expm1(value: float) -> float:
    """``exp(value) - 1`` for a value of at most 0."""
    value = max(value, -60.0)  # where it is -1 already
    power = round(value / LN2)
    rest = (value - power * LN2_HIGH) - power * LN2_LOW
    series = 1.0
    for term in range(EXPM1_TERMS, 1, -1):
        series = 1.0 + rest * series / term
    scale = math.ldexp(1.0, power)
    return scale * (rest * series) + (scale - 1.0)
