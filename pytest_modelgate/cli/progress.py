"""What ``modelgate record`` shows while it fetches."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pytest_modelgate.errors import MarketDataError

if TYPE_CHECKING:  # these pull in pandas, which --help must not pay for
    from pytest_modelgate.core.market.quality import Quality
    from pytest_modelgate.core.market.requests import MarketRequest

_DAY = timedelta(days=1)
_BAR = "{percentage:3.0f}% |{bar}| {n:.0f} of {total:.0f} days of market, {elapsed} elapsed, {remaining} left"


class Progress:
    """Progress bar over the days of market data still to come, if standard error is a terminal; lines go above it."""

    def __init__(self) -> None:
        self._bar: Any = None

    @contextmanager
    def over(self, missing: Sequence[MarketRequest]) -> Iterator[None]:
        """Show the bar while a block runs."""
        from tqdm import tqdm

        days = sum((request.last - request.first).total_seconds() for request in missing) / _DAY.total_seconds()
        with tqdm(total=round(days), bar_format=_BAR, disable=None, leave=False, dynamic_ncols=True) as self._bar:
            yield

    def page(self, first_bar: str, last_bar: str) -> None:
        """Move on by the days that a page holds."""
        try:
            span = datetime.fromisoformat(last_bar) - datetime.fromisoformat(first_bar)
        except ValueError:
            return  # whoever reads the bars will say what is wrong with them
        self._bar.update(span / _DAY)

    def print(self, line: str) -> None:
        """Print a line of the result."""
        self._bar.write(line, file=sys.stdout)

    def tell(self, line: str) -> None:
        """Tell of something that happened on the way, on standard error."""
        self._bar.write(f"modelgate: {line}", file=sys.stderr)

    def tell_judgement(self, series: str, judged: Quality | MarketDataError) -> None:
        """Tell what keeps a series from a verdict, or else what a reader should know."""
        if isinstance(judged, MarketDataError):
            remedy = judged.remedy.replace("--gate-", "--")
            self.tell(f"unfit: {series}: {judged.problem}. {remedy}.")
            return
        for finding in judged.warnings:
            self.tell(f"warning: {series}: {finding}")
