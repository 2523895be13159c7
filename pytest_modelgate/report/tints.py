"""Figures on a ground that is the deeper the larger they are: months, costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_modelgate.report.formats import NONE, signed


@dataclass(frozen=True)
class Tinted:
    """A figure and its ground: ``tint`` is a whole percent of the colour that ``sign`` names, good or bad."""

    text: str
    sign: str = ""
    tint: int = 0


def tinted(value: float, most: float) -> Tinted:
    """A return on its ground.

    Args:
        most: the largest of all that stand beside it, whatever its sign.
    """
    if not math.isfinite(value):
        return Tinted(NONE)
    depth = round(8 + 47 * min(1.0, abs(value) / most)) if most > 0.0 and value else 0
    return Tinted(signed(value), "good" if value > 0.0 else "bad", depth)
