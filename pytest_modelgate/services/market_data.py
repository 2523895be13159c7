"""Bars from cassettes: the one place where client, recorder and calendar meet. ``recording`` is the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from pytest_modelgate.adapters.alpaca import client as alpaca
from pytest_modelgate.adapters.cassettes import files as cassette_files
from pytest_modelgate.adapters.cassettes import vcr as cassettes
from pytest_modelgate.adapters.exchange_calendar import regular_sessions
from pytest_modelgate.core.config.profiles import MarketDataLimits
from pytest_modelgate.core.config.settings import Sessions, Settings
from pytest_modelgate.core.market.bars import AssetClass, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.quality import Quality, assess
from pytest_modelgate.core.market.requests import MarketRequest, Span, cover
from pytest_modelgate.core.market.sessions import SessionTimes, expected_starts, resample, within_sessions
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.planning.plan import market_request
from pytest_modelgate.errors import MarketDataError, SettingsError
from pytest_modelgate.text import shown


@dataclass(frozen=True, eq=False)
class MarketSeries:
    """Bars fit to judge a model on, and the figures that say so."""

    bars: Bars
    quality: Quality


def recorded_bars(
    symbol: str,
    timeframe: str,
    *,
    as_of: datetime,
    cassettes: Path = Settings.cassettes,
    days: int = Settings.walk_forward_days,
    sessions: Sessions = Settings.sessions,
    feed: str = Settings.feed,
    adjustment: str = Settings.adjustment,
) -> Bars:
    """The bars that the gate would judge a model on, for whoever trains one: a year, or what longer checks need.

    They are not held against a profile's demands on market data.

    Args:
        symbol: as archives spell it, such as ``UNIUSD``.
        timeframe: such as ``1Hour``.
        as_of: aware; the last bar is the last one closed before it.
        cassettes: folder of recorded market data.
        days: calendar days that the longest check looks back.
        sessions, feed, adjustment: which bars of stocks.

    Raises:
        ArchiveError: the symbol is no symbol.
        SettingsError: another of these is unusable.
        MarketDataError: a cassette is missing, altered or unusable.
    """
    for name, value, allowed in (("timeframe", timeframe, [*Timeframe]), ("sessions", sessions, get_args(Sessions))):
        if value not in allowed:
            raise SettingsError(name, f"is {shown(value)}, expected one of {', '.join(allowed)}", "Name one of them")
    if not isinstance(as_of, datetime) or as_of.tzinfo is None:
        raise SettingsError("as_of", f"is {shown(str(as_of))}, expected a datetime with a UTC offset", "Pass one")
    if days < 1:
        raise SettingsError("days", f"is {days}, expected at least 1", "Pass the days of the longest check")
    settings = Settings(
        archive=Path(),
        cassettes=Path(cassettes),
        walk_forward_days=days,
        folds=1,
        sessions=sessions,
        feed=feed,
        adjustment=adjustment,
    )
    moment = pd.Timestamp(as_of).tz_convert("UTC")
    request = market_request(Instrument.parse(symbol), Timeframe(timeframe), settings, moment)
    return as_judged(replay_bars(request, settings.cassettes), request, Timeframe(timeframe), sessions)


def load_series(
    request: MarketRequest,
    timeframe: Timeframe,
    windows: Sequence[Window],
    limits: MarketDataLimits,
    settings: Settings,
) -> MarketSeries:
    """The bars a model is judged on, replayed and held against the profile's demands.

    Args:
        request: what they are made of.
        timeframe: the model's.
        windows: what the model will be judged on.
        limits: what the bars must be like.
        settings: where the cassettes are, and which sessions count.

    Raises:
        MarketDataError: a cassette is missing, altered or unusable, or the bars cannot carry a verdict.
    """
    recorded = replay_bars(request, settings.cassettes, settings.record_command)
    return check_series(recorded, request, timeframe, windows, limits=limits, settings=settings)


def check_series(
    recorded: Bars,
    request: MarketRequest,
    timeframe: Timeframe,
    windows: Sequence[Window],
    *,
    limits: MarketDataLimits,
    settings: Settings,
) -> MarketSeries:
    """Hold recorded bars against the profile's demands.

    Args:
        recorded: the bars of the request, all sessions; the others as of ``load_series``.

    Raises:
        MarketDataError: the bars cannot carry a verdict.
    """
    bars = as_judged(recorded, request, timeframe, settings.sessions)
    quality = quality_of(bars, request, settings.sessions, windows, limits)
    if quality.failures:
        where = f"bars of {bars.instrument.symbol} {timeframe}"
        remedy = "Choose another feed, or change the profile's [market_data] if you trust these bars"
        if quality.splits:
            remedy = "Record and judge adjusted prices (--adjustment all, --gate-adjustment all)"
        raise MarketDataError(where, "; ".join(quality.failures), remedy)
    return MarketSeries(bars, quality)


def as_judged(recorded: Bars, request: MarketRequest, timeframe: Timeframe, sessions: Sessions) -> Bars:
    """Recorded bars as a model of some timeframe sees them: crypto as they are, stocks by their sessions.

    Raises:
        MarketDataError: no bar lies in a session.
    """
    if request.instrument.asset_class is AssetClass.CRYPTO:
        return recorded
    grid = _grid(request, sessions)
    bars = recorded if sessions == "extended" else within_sessions(recorded, grid)
    if timeframe is not recorded.timeframe:
        bars = resample(bars, timeframe, grid, _until(request))
    if not len(bars):
        where = f"bars of {bars.instrument.symbol} {timeframe}"
        raise MarketDataError(where, "none lies in a session of the stock market", "Check the symbol and the dates")
    return bars


def quality_of(
    bars: Bars, request: MarketRequest, sessions: Sessions, windows: Sequence[Window], limits: MarketDataLimits
) -> Quality:
    """Measure bars against those a market that trades throughout would have had, from the first one on."""
    first, delta = bars.index[0], bars.timeframe.delta
    if bars.instrument.asset_class is AssetClass.CRYPTO:
        expected = pd.date_range(first, request.last, freq=delta, unit="ns")
    else:
        regular = regular_sessions(request.first, request.last)
        expected = expected_starts(bars.timeframe, regular, _grid(request, sessions), first, _until(request))
    return assess(bars, expected, windows, limits)


def _grid(request: MarketRequest, sessions: Sessions) -> SessionTimes:
    regular = regular_sessions(request.first, request.last)
    return regular.extended if sessions == "extended" else regular


def _until(request: MarketRequest) -> pd.Timestamp:
    """When the last bar asked for has closed."""
    return request.last + request.timeframe.delta


def replay_bars(request: MarketRequest, folder: Path, record_command: str = cassette_files.RECORD) -> Bars:
    """The recorded bars of a request, all sessions, without keys and without network.

    They may lie in several cassettes that overlap; where they do, they must agree.

    Raises:
        MarketDataError: a cassette is missing, altered or unusable, or two contradict each other.
    """
    entries = cassette_files.entries_of(folder, request)
    by_span = {entry.span: entry for entry in entries}
    spans = cover(request, by_span)
    if spans is None:
        where = f"market data of {request}"
        path = folder / cassette_files.path_of(request)
        held = f", only {len(entries)} of other windows" if entries else ""
        problem = f"not recorded, there is no cassette {path}{held}"
        raise MarketDataError(where, problem, f"Record it, then commit cassettes and manifest: {record_command}")
    parts = []
    for span in spans:
        name = by_span[span].name
        text = cassette_files.read_cassette(folder, name, record_command)
        parts.append(replay_text(request.over(span), text, f"cassette {folder / name}", record_command))
    return _joined(request, spans, parts)


def replay_text(request: MarketRequest, text: str, where: str, record_command: str = cassette_files.RECORD) -> Bars:
    """The bars of one recording, which must answer exactly this request.

    Raises:
        MarketDataError: the recording is damaged, or another request was recorded.
    """
    remedy = f"Restore it from version control, or record it again: {record_command}"
    with cassettes.play(text, where, remedy) as player:
        return alpaca.fetch_bars(request, credentials=None, reply=player.answer)


def _joined(request: MarketRequest, spans: Sequence[Span], parts: Sequence[Bars]) -> Bars:
    frame = parts[0].frame
    for span, part in zip(spans[1:], parts[1:], strict=True):
        if (moment := first_difference(frame, part.frame, span.first)) is not None:
            where = f"market data of {request}"
            problem = f"two cassettes disagree about the bar of {moment:%Y-%m-%d %H:%M} UTC: its past was revised"
            raise MarketDataError(where, problem, "Record it anew: modelgate record ARCHIVE --record-mode all")
        frame = pd.concat([frame[frame.index < span.first], part.frame])
    return Bars(request.instrument, request.timeframe, frame[request.first : request.last])


def first_difference(earlier: pd.DataFrame, later: pd.DataFrame, since: pd.Timestamp) -> pd.Timestamp | None:
    """Start of the first bar that two recordings of a series do not agree about; None where they agree.

    Args:
        earlier, later: bars, the later ones asked for from ``since`` on.
    """
    old, new = earlier[earlier.index >= since], later[later.index <= earlier.index[-1]]
    both = old.index.union(new.index)
    same = (old.reindex(both) == new.reindex(both)).all(axis=1).to_numpy()  # a bar that one lacks equals nothing
    return None if same.all() else pd.Timestamp(both[int(np.argmin(same))])
