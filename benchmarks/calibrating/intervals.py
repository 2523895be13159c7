"""How sure a frequency is."""

from __future__ import annotations

import math


def wilson(successes: int, paths: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927)."""
    z, rate = 1.959963984540054, successes / paths
    middle = rate + z * z / (2 * paths)
    half = z * math.sqrt(rate * (1 - rate) / paths + z * z / (4 * paths * paths))
    scale = 1 + z * z / paths
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
