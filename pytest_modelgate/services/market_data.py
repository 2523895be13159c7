"""The bars a model is judged on: replayed, cut to their sessions, and held against what a profile demands of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import get_args

import pandas as pd

from pytest_modelgate.adapters.exchange_calendar import regular_sessions
from pytest_modelgate.core.config.profiles import MarketDataLimits
from pytest_modelgate.core.config.settings import OWN_FEED, Sessions, Settings
from pytest_modelgate.core.market.bars import AssetClass, Bars, Instrument, Timeframe
from pytest_modelgate.core.market.corporate_actions import CorporateAction
from pytest_modelgate.core.market.grid import against, off_grid, origin_of
from pytest_modelgate.core.market.quality import Quality, assess
from pytest_modelgate.core.market.requests import NIGHT_FEEDS, MarketRequest
from pytest_modelgate.core.market.session_opens import Opened, open_with_sessions, opens_request
from pytest_modelgate.core.market.sessions import SessionTimes, expected_starts, resample, within_sessions
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.planning.plan import market_request
from pytest_modelgate.errors import MarketDataError, SettingsError
from pytest_modelgate.services.companies import actions_during, against_splits, company_of, cut_to_company
from pytest_modelgate.services.replaying import is_recorded, recordings_of, replay_bars
from pytest_modelgate.text import shown

_LEAST_BARS = 2  # of a window, to have a return


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
    bar_origin: datetime | None = None,
) -> Bars:
    """The bars that the gate would judge a model on, for whoever trains one: a year, or what longer checks need.

    They are not held against a profile's demands on market data.

    Args:
        symbol: as archives spell it, such as ``UNIUSD``.
        timeframe: such as ``1Hour``.
        as_of: aware; the last bar is the last one closed before it.
        cassettes: folder of recorded market data.
        days: calendar days that the longest check looks back.
        sessions: of stocks, ``regular`` or ``extended``.
        feed: of stocks, such as ``sip``; ``own`` for bars of a file of yours.
        adjustment: of stock prices, such as ``all``.
        bar_origin: aware; a moment at which a bar begins, as the archive will declare it, where two or four hours of
            crypto are to begin at other hours than Alpaca's.

    Raises:
        ArchiveError: the symbol is no symbol.
        SettingsError: another of these is unusable.
        MarketDataError: a cassette is missing, altered or unusable.
    """
    for name, value, allowed in (("timeframe", timeframe, [*Timeframe]), ("sessions", sessions, get_args(Sessions))):
        if value not in allowed:
            raise SettingsError(name, f"is {shown(value)}, expected one of {', '.join(allowed)}", "Name one of them")
    for name, moment in (("as_of", as_of), ("bar_origin", bar_origin)):
        if (moment is not None or name == "as_of") and (not isinstance(moment, datetime) or moment.tzinfo is None):
            raise SettingsError(name, f"is {shown(str(moment))}, expected a datetime with a UTC offset", "Pass one")
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
    instrument, told = Instrument.parse(symbol), [] if bar_origin is None else [pd.Timestamp(bar_origin)]
    origin = origin_of([] if feed == OWN_FEED else told, instrument, Timeframe(timeframe))
    request = market_request(instrument, Timeframe(timeframe), settings, pd.Timestamp(as_of).tz_convert("UTC"), origin)
    bars = as_judged(replay_bars(request, settings.cassettes), request, Timeframe(timeframe), sessions)
    if flaw := off_grid(told, bars):
        raise SettingsError("bar_origin", flaw, against(bars))
    return cut_to_company(bars, company_of(request, settings))[0]


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
    halves = replay_halves(request, timeframe, settings)
    return check_series(recorded, request, timeframe, windows, limits=limits, settings=settings, halves=halves)


def as_traded(request: MarketRequest, timeframe: Timeframe, settings: Settings) -> Bars:
    """Recorded bars as a model's orders met them, held against nothing.

    Args:
        request: for prices that are not adjusted.

    Raises:
        MarketDataError: a cassette is missing, altered or unusable.
    """
    recorded = replay_bars(request, settings.cassettes, settings.record_command)
    bars = as_judged(recorded, request, timeframe, settings.sessions)
    if opens_request(request, timeframe, settings.sessions):
        return open_with_sessions(bars, replay_halves(request, timeframe, settings), _regular(request)).bars
    return bars


def needed_recordings(request: MarketRequest, timeframe: Timeframe, settings: Settings) -> tuple[str, ...]:
    """Names of the cassettes that ``load_series`` reads.

    Raises:
        MarketDataError: the manifest is unusable.
    """
    halves = opens_request(request, timeframe, settings.sessions)
    requests = [request, *([halves] if halves else [])]
    return tuple(dict.fromkeys(name for item in requests for name in recordings_of(item, settings.cassettes)))


def replay_halves(request: MarketRequest, timeframe: Timeframe, settings: Settings) -> Bars | None:
    """The half hours that tell at which prices sessions opened; None where nothing asks for them.

    Bars of one's own may be without.

    Raises:
        MarketDataError: their cassette is missing, altered or unusable.
    """
    needed = opens_request(request, timeframe, settings.sessions)
    if needed is None or (needed.own and not is_recorded(needed, settings.cassettes)):
        return None
    try:
        return replay_bars(needed, settings.cassettes, settings.record_command)
    except MarketDataError as error:
        problem = (
            f"{error.problem}; half hours tell at which price a session opened, where orders of a night are filled"
        )
        raise MarketDataError(error.where, problem, error.remedy) from None


def check_series(
    recorded: Bars,
    request: MarketRequest,
    timeframe: Timeframe,
    windows: Sequence[Window],
    *,
    limits: MarketDataLimits,
    settings: Settings,
    history: int = 0,
    halves: Bars | None = None,
) -> MarketSeries:
    """Hold recorded bars against the profile's demands: the one judgement of the gate, and of whoever records for it.

    Args:
        recorded: the bars of the request, all sessions; the others as of ``load_series``.
        history: how many bars are needed before each window, where that is known already.
        halves: as of ``replay_halves``.

    Raises:
        MarketDataError: the bars cannot carry a verdict.
    """
    company = company_of(request, settings)
    bars, cut = cut_to_company(as_judged(recorded, request, timeframe, settings.sessions), company)
    actions = actions_during(bars, company)
    quality = quality_of(bars, request, settings.sessions, windows, limits=limits, actions=actions)
    quality = replace(quality, warnings=(*cut, *quality.warnings))
    if opens_request(request, timeframe, settings.sessions):
        opened = open_with_sessions(bars, halves, _regular(request))
        bars, quality = opened.bars, _with_opens(quality, opened, limits, own=request.own)
    if bars.source:
        own = f"these are not Alpaca's bars, but the user's own from {bars.source}"
        quality = replace(quality, warnings=(own, *quality.warnings))
    short = [f"{sentence}{'; ' if cut else ''}{'; '.join(cut)}" for sentence in _too_short(bars, windows, history)]
    if quality.failures or short:
        where = f"bars of {bars.instrument.symbol} {timeframe}"
        remedy = "Choose another feed, or change the profile's [market_data] if you trust these bars"
        if short and not quality.failures:
            remedy = "Ask for fewer days to judge on (--gate-walk-forward-days), or judge it when it has traded longer"
        if len(quality.splits) > limits.max_splits:
            remedy = against_splits(quality, request.adjustment, settings.record_command)
        raise MarketDataError(where, "; ".join((*quality.failures, *short)), remedy)
    return MarketSeries(bars, quality)


def _with_opens(quality: Quality, opened: Opened, limits: MarketDataLimits, *, own: bool) -> Quality:
    """Add what is not known of the opens of sessions; of one's own bars only the user knows what their hours hold."""
    if not opened.unknown:
        return quality
    missing = f"no half hour tells at which price {opened.unknown} of {opened.sessions} sessions opened"
    if own or opened.unknown <= limits.max_missing * opened.sessions:
        sentence = f"{missing}: orders of these nights are filled at the hour's open, in the pre-market if it holds any"
        return replace(quality, warnings=(*quality.warnings, sentence))
    sentence = f"{missing}, or they are adjusted otherwise: record hours and half hours together (--record-mode all)"
    return replace(quality, failures=(*quality.failures, sentence))


def _too_short(bars: Bars, windows: Sequence[Window], history: int) -> list[str]:
    """What keeps a window from being traded at all, as of a company that was listed within it: a sentence, or none."""
    flaws = []
    for window in windows:
        rows = bars.positions(window.start, window.end)
        if rows.stop - rows.start < _LEAST_BARS:
            flaws.append(f"{window.name} holds {rows.stop - rows.start} bars, expected at least {_LEAST_BARS}")
        elif rows.start < history:
            flaws.append(f"{window.name} has {rows.start} bars before it, its models need {history}")
    if not flaws:
        return []
    others = f", and {len(flaws) - 1} more windows are too short" if len(flaws) > 1 else ""
    return [f"{flaws[0]}{others}; the first bar there is starts at {bars.index[0]:%Y-%m-%d %H:%M} UTC"]


def as_judged(recorded: Bars, request: MarketRequest, timeframe: Timeframe, sessions: Sessions) -> Bars:
    """Recorded bars as a model of some timeframe sees them: stocks by their sessions, crypto around the clock.

    What is put together ends with the request: on which origin it lies is told by that.

    Raises:
        MarketDataError: no bar lies in a session.
    """
    bars, crypto = recorded, request.instrument.asset_class is AssetClass.CRYPTO
    if crypto:
        grid = SessionTimes.around_the_clock(request.first, request.closes_at, timeframe)
    else:
        grid = _grid(request, sessions)
        everything = sessions == "extended" and request.feed not in NIGHT_FEEDS
        bars = recorded if everything else within_sessions(recorded, grid)
    if timeframe is not recorded.timeframe:
        bars = resample(bars, timeframe, grid, request.closes_at)
    if not len(bars):
        where = f"bars of {bars.instrument.symbol} {timeframe}"
        lies = "none lies in a whole bar" if crypto else "none lies in a session of the stock market"
        raise MarketDataError(where, lies, "Check the symbol and the dates")
    return bars


def quality_of(
    bars: Bars,
    request: MarketRequest,
    sessions: Sessions,
    windows: Sequence[Window],
    *,
    limits: MarketDataLimits,
    actions: Sequence[CorporateAction] | None,
) -> Quality:
    """Measure bars against those a market that trades throughout would have had, from the first one on.

    Args:
        actions: of the company; None where nobody recorded them.
    """
    first, delta = bars.index[0], bars.timeframe.delta
    if bars.instrument.asset_class is AssetClass.CRYPTO:
        expected = pd.date_range(first, request.last, freq=delta, unit="ns")
    else:
        expected = expected_starts(
            bars.timeframe, _regular(request), _grid(request, sessions), first, request.closes_at
        )
    return assess(bars, expected, windows, limits, actions=actions, adjustment=request.adjustment)


def _grid(request: MarketRequest, sessions: Sessions) -> SessionTimes:
    regular = _regular(request)
    return regular.extended if sessions == "extended" and request.feed not in NIGHT_FEEDS else regular


def _regular(request: MarketRequest) -> SessionTimes:
    """The sessions in which a feed is expected to trade."""
    regular = regular_sessions(request.first, request.last)
    return regular.nights if request.feed in NIGHT_FEEDS else regular
