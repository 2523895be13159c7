"""Bars to market features: what a feature set is. The reference set is in ``reference``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class FeatureSet:
    """A named way from bars to market features.

    Attributes:
        name: what a checkpoint declares; version it, since a change of any formula is another feature set.
        columns: names of the features, in the order the policy was trained on.
        warmup: rows at the start of a series that are not yet defined (or not yet settled).
        compute: bars (UTC index, open/high/low/close/volume) to a frame of ``columns`` with the same index. Must be
            causal: row t may depend on rows up to t only. Rows before ``warmup`` may be NaN, later ones must be finite.
    """

    name: str
    columns: tuple[str, ...]
    warmup: int
    compute: Callable[[pd.DataFrame], pd.DataFrame]
