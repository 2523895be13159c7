"""Agreement of two records of the same evidence, gained by different runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from pytest_modelgate.core.evidence.records import Evidence

_RELATIVE, _ABSOLUTE = 1e-9, 1e-12  # the last bits of a float may differ between processors, and sums gather them


def agree(one: Evidence, other: Evidence) -> bool:
    """Whether two records say the same: texts and whole numbers exactly, other figures to nine digits."""
    return type(one) is type(other) and _same(asdict(one), asdict(other))


def _same(one: object, other: object) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        both_undefined = math.isnan(one) and math.isnan(other)
        return both_undefined or math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return one == other
