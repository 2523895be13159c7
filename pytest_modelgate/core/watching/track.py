"""The judged bytes over a period by simulation alone, day by day: what skill is measured on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pytest_modelgate.core.backtest.evaluation import attribute_window, evaluate
from pytest_modelgate.core.backtest.simulation import Trajectory
from pytest_modelgate.core.market.bars import AssetClass, Timeframe
from pytest_modelgate.core.market.sessions import day_places, exchange_time
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.typing import Floats, Integers
from pytest_modelgate.core.watching.evidence import DayFigures
from pytest_modelgate.core.watching.period import Period
from pytest_modelgate.core.watching.skill import timing_gains

if TYPE_CHECKING:
    from pytest_modelgate.core.watching.measuring import WatchSubject

_DAY_S = 86_400
_CLOSES = 16 * 3600  # seconds of a New York day after which its session is over
_NANOSECOND = pd.Timedelta(1, "ns")


@dataclass(frozen=True)
class Track:
    """Days of a period, and the simulated equity at its closes, the first 1."""

    days: tuple[DayFigures, ...]
    curve: tuple[float, ...]


def simulated_track(subject: WatchSubject, period: Period, curve: Floats) -> Track:
    """Simulate a period of at least one bar after the first, from flat.

    The last day counts once it is over: what is known of a day must not change by looking again.

    Args:
        curve: of the account at the same closes; empty where nothing tells.
    """
    index = subject.candidate.series.bars.index
    window = Window("paper", index[period.first], index[period.last] + _NANOSECOND)
    trajectory, _ = evaluate(subject.candidate, window, subject.account, subject.capital)
    going = _still_open(trajectory, subject.candidate.series.bars.quotes[1][period.last])
    attribution = attribute_window(subject.candidate, window, going)
    equity = going.equity[1:] / going.equity[0]
    own = np.diff(curve) / curve[:-1] if len(curve) else np.full(len(equity) - 1, np.nan)
    days = _days(subject, period)
    gains, returns, held = timing_gains(attribution), attribution.returns, attribution.intraday_weight
    figures = []
    for day in np.unique(days[1:]).tolist():
        rows = np.flatnonzero(days == day)
        rows = rows[rows > 0]  # the first bar ends when the period begins
        if rows[-1] == len(days) - 1 and not _over(subject, index[period.last]):
            continue
        account = float(np.prod(1.0 + own[rows - 1]) - 1.0)
        figures.append(
            DayFigures(
                day=_start_of(subject, day),
                simulated=float(np.prod(np.maximum(0.0, 1.0 + returns[rows])) - 1.0),
                account=account if np.isfinite(account) else None,
                timing=float(np.sum(gains[rows])),
                exposure=float(np.mean(held[rows])),
            )
        )
    return Track(tuple(figures), tuple(equity.tolist()))


def _still_open(trajectory: Trajectory, close: float) -> Trajectory:
    """The same without the liquidation at the last close: nobody liquidates because somebody looks."""
    if trajectory.quantity[-1] == 0.0 or trajectory.fills[-1].cause != "order":
        return trajectory
    sold = trajectory.fills[-1]
    equity = trajectory.equity.copy()
    equity[-1] += sold.quantity * abs(sold.price - close) + sold.fee
    return replace(trajectory, fills=trajectory.fills[:-1], equity=equity)


def _days(subject: WatchSubject, period: Period) -> Integers:
    """(n,) number of the day of each bar."""
    bars = subject.candidate.series.bars
    seconds = bars.index[period.first : period.last + 1].as_unit("s").asi8
    return day_places(seconds, bars.instrument.asset_class).days


def _over(subject: WatchSubject, start: pd.Timestamp) -> bool:
    """Whether the day of a bar ends with it."""
    bars = subject.candidate.series.bars
    end = pd.DatetimeIndex([start + bars.timeframe.delta])
    if bars.timeframe is Timeframe.DAY_1:
        return True
    if bars.instrument.asset_class is AssetClass.CRYPTO:
        return bool(end.as_unit("s").asi8[0] % _DAY_S == 0)
    return bool(exchange_time(end).as_unit("s").asi8[0] % _DAY_S >= _CLOSES)


def _start_of(subject: WatchSubject, day: int) -> int:
    """Start of a day, seconds since 1970 UTC."""
    if subject.model.instrument.asset_class is AssetClass.CRYPTO:
        return day * _DAY_S
    return int(pd.Timestamp(day * _DAY_S, unit="s").tz_localize("America/New_York").timestamp())
