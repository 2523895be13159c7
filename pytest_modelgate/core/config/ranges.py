"""Ranges that the numbers of a profile lie in, as annotations of its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Within:
    """Both ends inclusive. NaN lies in no range."""

    low: float
    high: float


Number = Annotated[float, Within(-1e9, 1e9)]
NonNegative = Annotated[float, Within(0.0, 1e9)]
Positive = Annotated[float, Within(1e-9, 1e9)]
Share = Annotated[float, Within(0.0, 1.0)]
Cost = Annotated[float, Within(0.0, 0.1)]  # narrow: 0.25 meant as a percentage is refused
Percent = Annotated[int, Within(1, 100)]
Level = Annotated[float, Within(1e-9, 1.0)]
Chance = Annotated[float, Within(1e-9, 0.5)]
Multiple = Annotated[float, Within(1.0, 100.0)]
Switch = Annotated[int, Within(0, 1)]
Count = Annotated[int, Within(1, 1_000_000)]
