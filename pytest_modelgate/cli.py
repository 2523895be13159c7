"""The command line: record market data for an archive, and show the built-in profiles."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_modelgate.errors import GateError, SettingsError

_NEEDS_ATTENTION = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``modelgate``; the exit status is 0 when all went well, 1 when something needs attention, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="modelgate", description="Companion of pytest --model-archive")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_record(commands.add_parser("record", help="record the market data an archive is judged on"))
    profiles = commands.add_parser("profiles", help="show the built-in threshold profiles")
    profiles.set_defaults(run=_profiles)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except GateError as error:
        print(f"modelgate: {error}", file=sys.stderr)
        return _NEEDS_ATTENTION
    return status


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", type=Path, help="zip or folder of a training run")
    parser.add_argument("--cassettes", type=Path, default=Path("cassettes"), help="folder to record into")
    parser.add_argument("--as-of", metavar="DATE", help="UTC (default: the archive's time stamp)")
    parser.add_argument("--backtest-days", type=int, default=30, metavar="N")
    parser.add_argument("--walk-forward-days", type=int, default=180, metavar="N")
    parser.add_argument("--feed", default="sip", help="Alpaca's stock feed")
    parser.add_argument("--adjustment", default="all", choices=("raw", "split", "dividend", "all"))
    parser.set_defaults(run=_record)


def _record(options: argparse.Namespace) -> int:
    from pytest_modelgate.adapters.archive import open_archive
    from pytest_modelgate.core.plan import market_requests, when
    from pytest_modelgate.core.settings import Settings, parse_as_of
    from pytest_modelgate.market_data import record_bars

    settings = Settings(
        archive=options.archive,
        output=Path(),
        cassettes=options.cassettes,
        as_of=parse_as_of(options.as_of) if options.as_of else None,
        backtest_days=options.backtest_days,
        walk_forward_days=options.walk_forward_days,
        feed=options.feed,
        adjustment=options.adjustment,
    )
    with open_archive(settings.archive) as archive:
        requests = market_requests(archive.run, settings, when(archive.run, settings))
    failed = 0
    for number, request in enumerate(requests, start=1):
        what = f"[{number}/{len(requests)}] {request.instrument.symbol} {request.timeframe}"
        try:
            bars = record_bars(request, settings.cassettes, os.environ)
        except SettingsError:
            raise  # wrong keys are wrong for every symbol
        except GateError as error:
            failed += 1
            print(f"{what}: {error}", file=sys.stderr)
        else:
            print(f"{what}: {len(bars)} bars, {bars.index[0]} to {bars.index[-1]}")
    return _NEEDS_ATTENTION if failed else 0


def _profiles(_: argparse.Namespace) -> int:
    from pytest_modelgate.adapters.profile_files import builtin_profiles, load_profile

    row = "{:<14} {:>12} {:<9} {:>9} {:>14} {:>12} {:>13}"
    print(row.format("profile", "reward scale", "class", "fitness", "profit factor", "consistency", "max drawdown"))
    for name in builtin_profiles():
        profile = load_profile(name)
        for band, limits in (("APPROVED", profile.approved), ("REVIEW", profile.review)):
            figures = (limits.fitness_score, limits.profit_factor, limits.consistency, limits.max_drawdown)
            bounds = [f"{sign} {figure:g}" for sign, figure in zip((">=", ">=", ">=", "<="), figures, strict=True)]
            print(row.format(name, f"{profile.reward_scale:g}", band, *bounds))
    return 0
