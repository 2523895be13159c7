"""``modelgate record``: fetch the market data an archive is judged on, and say what it is like."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from pytest_modelgate.cli.progress import Progress
from pytest_modelgate.cli.wording import add_options, called_as_here, positive
from pytest_modelgate.core.config.options import RECORDING
from pytest_modelgate.core.config.settings import (
    OWN_FEED,
    RECORDING_MODE,
    REQUESTS_PER_MINUTE,
    RecordingMode,
    Settings,
    parse_as_of,
)
from pytest_modelgate.errors import GateError, MarketDataError, SettingsError

if TYPE_CHECKING:  # these pull in pandas, which --help must not pay for
    import pandas as pd

    from pytest_modelgate.adapters.own_bars import OwnBars
    from pytest_modelgate.core.config.profiles import MarketDataLimits, Profile
    from pytest_modelgate.core.market.bars import Bars, Timeframe
    from pytest_modelgate.core.market.quality import Quality
    from pytest_modelgate.core.market.requests import MarketRequest

_HALF = "30Min"


def add_record(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments; those that the gate has too mean the same, and have its defaults."""
    parser.add_argument("archive", type=Path, help="zip or folder of a training run")
    add_options(parser, RECORDING)
    modes = "a series without a cassette; whatever is missing (default); everything anew"
    choices = get_args(RecordingMode)
    parser.add_argument("--record-mode", default=RECORDING_MODE, choices=choices, help=modes)
    per_minute = REQUESTS_PER_MINUTE
    rate = f"of all processes that record into the folder (default: {per_minute:g}; Alpaca's free plan allows 200)"
    own = "bars of your own, from a .csv or .parquet file; judge on them with --gate-feed own (default: Alpaca's)"
    parser.add_argument("--from", dest="own", type=Path, metavar="FILE", help=own)
    model = "only what this model is judged on, such as UNIUSD_1Hour (repeatable; default: what all of them are)"
    parser.add_argument("--model", dest="models", action="append", metavar="ID", help=model)
    parser.add_argument("--requests-per-minute", type=positive, default=per_minute, metavar="N", help=rate)
    parser.set_defaults(run=_record)


@dataclass(frozen=True, kw_only=True)
class NeededSeries:
    """What an archive is judged on, before anything is fetched.

    Attributes:
        settings: of the gate run, with the moment it is judged as of.
        profile: limits that recorded bars are held against.
        needed: each series to record; of each, by the timeframes made of it, how many bars its models need before a
            window.
        own: the user's own bars; None for Alpaca's.
    """

    settings: Settings
    profile: Profile
    needed: dict[MarketRequest, dict[Timeframe, int]]
    own: OwnBars | None


def _record(options: argparse.Namespace) -> int:
    """Record what is missing; 0 when every series is there and fit for a verdict, else 1."""
    counts = record_series(options)
    return 1 if counts["failed"] or counts["unfit"] else 0


def needed_series(
    options: argparse.Namespace, watched: Mapping[str, pd.Timestamp] = MappingProxyType({})
) -> NeededSeries:
    """Which series an archive is judged on; nothing is asked of anybody, nothing written.

    Args:
        watched: models that an account trades, by id, since when: what it did is compared on market data from then on.

    Raises:
        GateError: an option, the archive, the profile or a file of own bars is unusable.
    """
    from pytest_modelgate.adapters.config_files.profiles import load_profile

    with called_as_here():
        settings = _settings(options)
        profile = load_profile(settings.profile)
        settings, needed = _needed(settings, profile, options.models, watched)
        return NeededSeries(settings=settings, profile=profile, needed=needed, own=_own(options, needed))


def record_series(options: argparse.Namespace, series: NeededSeries | None = None) -> Counter[str]:
    """Record what is missing, and say what became of each series.

    Args:
        series: those that these options ask for, where somebody knows already.

    Returns:
        How many series were recorded, extended and kept, and how many failed or are unfit for a verdict.

    Raises:
        GateError: what is wrong for one series is wrong for all, such as the keys.
    """
    from pytest_modelgate.services.recording import Recorder, estimate, record_each

    asked = series or needed_series(options)
    settings, profile, needed = asked.settings, asked.profile, asked.needed
    requests, counts, progress = list(needed), Counter[str](), Progress()
    halves: dict[MarketRequest, Bars] = {}
    failed: list[str] = []
    recorder = Recorder(
        settings.cassettes,
        mode=options.record_mode,
        requests_per_minute=options.requests_per_minute,
        tell=progress.tell,
        page=progress.page,
        own=asked.own,
    )
    missing, seconds = estimate(recorder, requests)
    fetching = f", {len(missing)} of them to be fetched in about {timedelta(seconds=round(seconds))}" if missing else ""
    print(f"{len(requests)} series as of {settings.as_of:%Y-%m-%d %H:%M} UTC{fetching}")
    with progress.over(missing):
        for number, (request, result) in enumerate(record_each(recorder, requests), start=1):
            name = f"{request.instrument.symbol} {request.timeframe}"
            what = f"[{number}/{len(requests)}] {name}"
            if isinstance(result, GateError):
                failed.append(f"{name}: {result}")
                progress.print(f"{what}: failed")
                continue
            outcome, bars = result
            counts[outcome] += 1
            span = f"{bars.index[0]:%Y-%m-%d %H:%M} to {bars.index[-1]:%Y-%m-%d %H:%M} UTC"
            progress.print(f"{what}: {outcome}, {len(bars)} bars, {span}")
            if request.timeframe.value == _HALF:
                halves[request] = bars
            for timeframe, history in sorted(needed[request].items()):
                limits = profile.market_data
                judged = _judged(
                    bars, request, timeframe, settings=settings, limits=limits, history=history, halves=halves
                )
                counts["unfit"] += isinstance(judged, GateError)
                progress.tell_judgement(f"{request.instrument.symbol} {timeframe}", judged)
    for line in failed:
        print(f"modelgate: failed: {line}", file=sys.stderr)
    counts["failed"] = len(failed)
    print(f"{settings.cassettes}: {', '.join(f'{count} {what}' for what, count in sorted(counts.items()) if count)}")
    return counts


def _settings(options: argparse.Namespace) -> Settings:
    """Settings of the gate run that these options describe: what it would judge is what is recorded."""
    asked = {option.setting: getattr(options, option.setting) for option in RECORDING}
    if options.own:
        if asked["feed"] not in (Settings.feed, OWN_FEED):
            problem = f"is {asked['feed']!r}, and the bars are to come from a file"
            raise SettingsError("--feed", problem, "Leave out --feed, or --from")
        asked["feed"] = OWN_FEED
    parsed = {
        "cassettes": Path(options.cassettes),
        "as_of": parse_as_of(options.as_of) if options.as_of else None,
    }
    return Settings(archive=options.archive, **{**asked, **parsed})


def _needed(
    settings: Settings, profile: Profile, models: Sequence[str] | None, watched: Mapping[str, pd.Timestamp]
) -> tuple[Settings, dict[MarketRequest, dict[Timeframe, int]]]:
    """The settings with the moment they are judged as of, and each series to record.

    Of a series, by the timeframes made of it: how many bars its models need before a window.

    Args:
        models: ids of those that count; None for all.
        watched: as of ``needed_series``.

    Raises:
        SettingsError: one of them, or every one that is watched, is not in the archive.
    """
    from pytest_modelgate.adapters.archive import open_archive
    from pytest_modelgate.core.planning.plan import reaching_back, requests_of, when
    from pytest_modelgate.services.account_replaying import raw_requests
    from pytest_modelgate.services.checking import history_needed

    needed: dict[MarketRequest, dict[Timeframe, int]] = {}
    with open_archive(settings.archive) as archive:
        run = archive.run
        as_of, history = when(run, settings), history_needed(archive, settings, profile)
    if unknown := sorted({*(models or ())} - {model.id for model in run.models}):
        problem = f"{unknown[0]!r} is not in {run.name}"
        raise SettingsError("--model", problem, "Name one as modelgate check lists them")
    if watched and not watched.keys() & {model.id for model in run.models}:
        problem = f"{run.name} holds none of the models in force: {', '.join(sorted(watched))}"
        raise SettingsError("--archive", problem, "Name the one they were promoted from, as promotion.json does")
    for model in run.models:
        if model.name or (models and model.id not in models):  # the first tells no timeframe, and is judged on nothing
            continue
        since = watched.get(model.id)
        asked = settings if since is None else reaching_back(settings, as_of, since)
        *opens, request = requests_of(model, asked, as_of)
        for halves in opens:
            needed.setdefault(halves, {})
        timeframes = needed.setdefault(request, {})
        timeframes[model.timeframe] = max(timeframes.get(model.timeframe, 0), history.get(model.id, 0))
        for traded in raw_requests(model, settings, as_of, since) if since is not None else ():
            needed.setdefault(traded, {})
    return replace(settings, as_of=as_of), needed


def _own(options: argparse.Namespace, needed: dict[MarketRequest, dict[Timeframe, int]]) -> OwnBars | None:
    """The user's own bars; what no timeframe is judged on need not be among them."""
    if options.own is None:
        return None
    from pytest_modelgate.adapters.own_bars import read_own_bars

    own = read_own_bars(options.own, {(request.instrument, request.timeframe) for request in needed})
    for request in [request for request, timeframes in needed.items() if not timeframes]:
        if not own.holds(request.instrument, request.timeframe):
            del needed[request]
    return own


def _judged(
    bars: Bars,
    request: MarketRequest,
    timeframe: Timeframe,
    *,
    settings: Settings,
    limits: MarketDataLimits,
    history: int,
    halves: dict[MarketRequest, Bars],
) -> Quality | MarketDataError:
    """Hold recorded bars against the profile's limits, as the gate will."""
    from pytest_modelgate.core.market.grid import origin_within
    from pytest_modelgate.core.market.session_opens import opens_request
    from pytest_modelgate.core.planning.plan import windows_of
    from pytest_modelgate.services.market_data import check_series

    assert settings.as_of is not None
    windows = windows_of(timeframe, settings, settings.as_of, origin_within(request, timeframe))
    opens = opens_request(request, timeframe, settings.sessions)
    try:
        return check_series(
            bars,
            request,
            timeframe,
            windows,
            limits=limits,
            settings=settings,
            history=history,
            halves=halves.get(opens) if opens else None,
        ).quality
    except MarketDataError as error:
        return error
