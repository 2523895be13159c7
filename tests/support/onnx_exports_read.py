"""Committed exports, and the observations that their actions are of; torch is not needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EXPORTS = Path(__file__).parents[1] / "adapters" / "formats" / "exports"
BARS, FEATURES, ACTIONS = 6, 4, 3


def observations(count: int) -> NDArray[np.float32]:
    """Flat observations."""
    return 2.0 * np.random.default_rng(5).standard_normal((count, BARS * FEATURES), dtype=np.float32)
