"""Bars to market features: what a feature set is. The reference set is in ``reference``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class CodeSource:
    """Code of a project that took part in a verdict.

    Attributes:
        file: where it stands, relative to the project's root folder.
        sha256: digest of that file and of all files of the project that it imports.
        modules: names of those.
    """

    file: str
    sha256: str
    modules: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line."""
        imported = f" with {', '.join(self.modules)}" if self.modules else ""
        return f"{self.file}{imported}, sha256 {self.sha256}"


@dataclass(frozen=True)
class FeatureSet:
    """A named way from bars to market features.

    Attributes:
        name: what a checkpoint declares; version it, since a change of any formula is another feature set.
        columns: names of the features, in the order the policy was trained on.
        warmup: rows at the start of a series that are not yet defined (or not yet settled).
        compute: bars (UTC index, open/high/low/close/volume) to a frame of ``columns`` with the same index. Must be
            causal: row t may depend on rows up to t only. Rows before ``warmup`` may be NaN, later ones must be finite.
        source: where its code was found; filled in when it is registered.
    """

    name: str
    columns: tuple[str, ...]
    warmup: int
    compute: Callable[[pd.DataFrame], pd.DataFrame]
    source: CodeSource | None = field(default=None, compare=False)
