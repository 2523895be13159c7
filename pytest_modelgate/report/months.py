"""Monthly returns as a heatmap."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_modelgate.report.measured import Measured
from pytest_modelgate.report.tints import Tinted, tinted

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Months:
    """A table: names of its columns, and rows of tinted figures.

    Attributes:
        note: which months are not whole.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Tinted, ...]], ...]
    note: str


def months_of(measured: Measured) -> Months:
    """Of up to a year one column a month, with what the market gave; of more one row a year."""
    model = measured.monthly(measured.attribution.returns)
    months = sorted(model)
    note = "The first and the last month are those parts that the folds cover."
    if len(months) <= len(_NAMES):
        equal, market = measured.monthly(measured.held.returns), measured.monthly(measured.attribution.market)
        lines = (("model", model), ("equal exposure", equal), ("buy and hold", market))
        columns = tuple(f"{_NAMES[month % 12]} {1970 + month // 12}" for month in months)
        rows = tuple((name, _tinted([line[month] for month in months])) for name, line in lines)
        return Months(columns, rows, note)
    most = max(map(abs, model.values()))
    years = sorted({month // 12 for month in months})
    by_year = tuple(
        (
            str(1970 + year),
            (
                *(tinted(model.get(12 * year + place, math.nan), most) for place in range(12)),
                tinted(math.prod(1.0 + model[month] for month in months if month // 12 == year) - 1.0, 4 * most),
            ),
        )
        for year in years
    )
    return Months((*_NAMES, "year"), by_year, note)


def _tinted(values: list[float]) -> tuple[Tinted, ...]:
    most = max(map(abs, values))
    return tuple(tinted(value, most) for value in values)
