"""What the policy sees of the market: one function, for training, for the gate and for the trader alike."""

import numpy as np
import pandas as pd

from pytest_modelgate import FeatureSet

COLUMNS = ("momentum_6", "momentum_24", "momentum_72", "volatility")
WARMUP = 168  # bars before the first row that is finite


def features(bars: pd.DataFrame) -> pd.DataFrame:
    """Trend in units of its own noise, and how stormy the week is; row t rests on bars up to t."""
    close = np.log(bars["close"])
    noise = close.diff().rolling(WARMUP).std()
    columns = {f"momentum_{n}": (close.diff(n) / (noise * np.sqrt(n))).clip(-5, 5) for n in (6, 24, 72)}
    return pd.DataFrame({**columns, "volatility": (100 * noise).clip(0, 5)})


MINE = FeatureSet("mine-v1", COLUMNS, WARMUP, features)
