"""Arrays that functions take and return."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Actions = NDArray[np.int64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Weights = NDArray[np.float64] | NDArray[np.float32]
