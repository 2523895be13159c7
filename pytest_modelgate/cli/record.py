"""``modelgate record``: fetch the market data an archive is judged on, and say what it is like."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelgate.errors import GateError

if TYPE_CHECKING:  # these pull in pandas, which --help must not pay for
    from pytest_modelgate.core.config.settings import Settings
    from pytest_modelgate.core.market.bars import Bars, Timeframe
    from pytest_modelgate.core.market.quality import Quality
    from pytest_modelgate.core.market.requests import MarketRequest

_DAY = timedelta(days=1)
_BAR = "{percentage:3.0f}% |{bar}| {n:.0f} of {total:.0f} days of market, {elapsed} elapsed, {remaining} left"


def add_record(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("archive", type=Path, help="zip or folder of a training run")
    parser.add_argument("--cassettes", type=Path, default=Path("cassettes"), help="folder to record into")
    parser.add_argument("--as-of", metavar="DATE", help="UTC (default: the archive's time stamp)")
    parser.add_argument("--backtest-days", type=int, default=30, metavar="N")
    parser.add_argument("--walk-forward-days", type=int, default=180, metavar="N")
    parser.add_argument("--feed", default="sip", help="Alpaca's stock feed")
    parser.add_argument("--adjustment", default="all", choices=("raw", "split", "dividend", "all"))
    modes = "a series without a cassette; whatever is missing (default); everything anew"
    parser.add_argument("--record-mode", default="new_episodes", choices=("once", "new_episodes", "all"), help=modes)
    parser.add_argument("--profile", default="2.4.5", help="whose demands on market data are checked")
    rate = "of all processes that record into the folder (default: 180; Alpaca's free plan allows 200)"
    parser.add_argument("--requests-per-minute", type=_positive, default=180.0, metavar="N", help=rate)
    parser.set_defaults(run=_record)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _record(options: argparse.Namespace) -> int:
    """Record what is missing; 0 when every series is there and fit for a verdict, else 1."""
    from pytest_modelgate.adapters.archive import open_archive
    from pytest_modelgate.core.planning.plan import market_request, when
    from pytest_modelgate.services.recording import Recorder, estimate, record_each

    settings = _settings(options)
    with open_archive(settings.archive) as archive:
        run = archive.run
    as_of = when(run, settings)
    settings = replace(settings, as_of=as_of)
    timeframes: dict[MarketRequest, set[Timeframe]] = {}
    for model in run.models:
        timeframes.setdefault(market_request(model, settings, as_of), set()).add(model.timeframe)
    progress = _Progress()
    rate = options.requests_per_minute
    recorder = Recorder(
        settings.cassettes, mode=options.record_mode, requests_per_minute=rate, tell=progress.tell, page=progress.page
    )
    missing, seconds = estimate(recorder, list(timeframes))
    needed = f", {len(missing)} of them to be fetched in about {timedelta(seconds=round(seconds))}" if missing else ""
    print(f"{len(timeframes)} series as of {as_of:%Y-%m-%d %H:%M} UTC{needed}")
    counts: Counter[str] = Counter()
    with progress.over(missing):
        for number, (request, result) in enumerate(record_each(recorder, list(timeframes)), start=1):
            what = f"[{number}/{len(timeframes)}] {request.instrument.symbol} {request.timeframe}"
            if isinstance(result, GateError):
                counts["failed"] += 1
                progress.tell(f"{what}: {result}")
                continue
            outcome, bars = result
            counts[outcome] += 1
            span = f"{bars.index[0]:%Y-%m-%d %H:%M} to {bars.index[-1]:%Y-%m-%d %H:%M} UTC"
            progress.print(f"{what}: {outcome}, {len(bars)} bars, {span}")
            for timeframe in sorted(timeframes[request]):
                quality = _quality(bars, request, timeframe, settings)
                counts["unfit"] += bool(quality.failures)
                for word, findings in (("unfit", quality.failures), ("warning", quality.warnings)):
                    for finding in findings:
                        progress.tell(f"{word}: {request.instrument.symbol} {timeframe}: {finding}")
    print(f"{settings.cassettes}: {', '.join(f'{count} {what}' for what, count in sorted(counts.items()) if count)}")
    return 1 if counts["failed"] or counts["unfit"] else 0


def _settings(options: argparse.Namespace) -> Settings:
    from pytest_modelgate.core.config.settings import Settings, parse_as_of

    return Settings(
        archive=options.archive,
        output=Path(),
        cassettes=options.cassettes,
        profile=options.profile,
        as_of=parse_as_of(options.as_of) if options.as_of else None,
        backtest_days=options.backtest_days,
        walk_forward_days=options.walk_forward_days,
        feed=options.feed,
        adjustment=options.adjustment,
    )


def _quality(bars: Bars, request: MarketRequest, timeframe: Timeframe, settings: Settings) -> Quality:
    """Hold recorded bars against the profile, as the gate will."""
    from pytest_modelgate.adapters.config_files.profiles import load_profile
    from pytest_modelgate.core.planning.plan import windows_of
    from pytest_modelgate.services.market_data import as_judged, quality_of

    assert settings.as_of is not None
    limits = load_profile(settings.profile).market_data
    windows = windows_of(timeframe, settings, settings.as_of)
    judged = as_judged(bars, request, timeframe, settings.sessions)
    return quality_of(judged, request, settings.sessions, windows, limits)


class _Progress:
    """A bar over the days of market data still to come, where standard error is a terminal; lines go above it."""

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
        """Move on by what a page holds."""
        try:
            span = datetime.fromisoformat(last_bar) - datetime.fromisoformat(first_bar)
        except ValueError:
            return  # whoever reads the bars will say what is wrong with them
        self._bar.update(span / _DAY)

    def print(self, line: str) -> None:
        """A line of the result."""
        self._bar.write(line, file=sys.stdout)

    def tell(self, line: str) -> None:
        """Something that happened on the way."""
        self._bar.write(f"modelgate: {line}", file=sys.stderr)
