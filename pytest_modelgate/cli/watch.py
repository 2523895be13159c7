"""``modelgate watch``: record what an account does with promoted models, and the market data it is judged on."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pytest_modelgate.cli.record import NeededSeries, needed_series, record_series
from pytest_modelgate.cli.wording import add_options, positive
from pytest_modelgate.core.config.options import RECORDING
from pytest_modelgate.core.config.settings import (
    RECORDING_MODE,
    REQUESTS_PER_MINUTE,
    TRADING_REQUESTS_PER_MINUTE,
    Settings,
    parse_as_of,
)
from pytest_modelgate.core.watching.records import AccountKind
from pytest_modelgate.errors import PromotionError, SettingsError
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pandas, which --help must not pay for
    import pandas as pd

    from pytest_modelgate.adapters.promotion import Record
    from pytest_modelgate.services.account_recording import RecordedAccount

_DEFAULT = f"folder of cassettes (default: {Settings.cassettes})"
_FINAL = timedelta(minutes=16)  # after which every bar that has closed is final, stocks' too


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments; those that the gate has too mean the same."""
    parser.add_argument("promoted", type=Path, metavar="DIR", help="the folder that was promoted to")
    parser.add_argument(
        "--archive", type=Path, required=True, metavar="X.zip", help="the archive its models are from (required)"
    )
    parser.add_argument("--to", dest="cassettes", default=str(Settings.cassettes), metavar="DIR", help=_DEFAULT)
    kinds = "whose host is asked, with the account's own keys (default: paper)"
    parser.add_argument("--account", choices=get_args(AccountKind), default="paper", help=kinds)
    own = "whose orders are whose, where their ids do not say, and what explains a difference (default: none)"
    parser.add_argument("--map", type=Path, metavar="FILE.toml", help=own)
    journal = "what the trader says it decided, a JSON object a line (default: none)"
    parser.add_argument("--journal", type=Path, metavar="FILE.jsonl", help=journal)
    since = "UTC; where the recording begins (default: with the models, later where the last one ended)"
    parser.add_argument("--since", metavar="DATE", help=since)
    as_of = "UTC; record bars closed before it (default: 16 minutes ago, when every one of them is final)"
    parser.add_argument("--as-of", metavar="DATE", help=as_of)
    add_options(parser, [option for option in RECORDING if option.setting not in {"cassettes", "as_of"}])
    per_minute = TRADING_REQUESTS_PER_MINUTE
    rate = f"of the account (default: {per_minute:g}; Alpaca allows 200, of which the trader needs the rest)"
    parser.add_argument("--requests-per-minute", type=positive, default=per_minute, metavar="N", help=rate)
    parser.set_defaults(run=_watch)


def _watch(options: argparse.Namespace) -> int:
    """Record account and market data; 0 when all of it is there and fit for a verdict, else 1."""
    import pandas as pd

    from pytest_modelgate.adapters.promotion import Target
    from pytest_modelgate.services.account_recording import AccountRecorder

    promotion = Target(options.promoted).record()
    if promotion is None or not promotion.models:
        problem = "no model is in force there"
        raise PromotionError(str(options.promoted), problem, "Name the folder given to modelgate promote")
    now = pd.Timestamp.now("UTC")
    since = _since(options.since, now) if options.since else None
    recorder = AccountRecorder(
        cassettes=Path(options.cassettes),
        kind=options.account,
        map_file=options.map,
        journal_file=options.journal,
        requests_per_minute=options.requests_per_minute,
        tell=_tell,
    )
    series = _series(options, promotion, now)  # what is wrong is told before anything is asked
    _show(recorder.record(promotion, since))
    counts = record_series(options, series)
    print(f"judge with --gate-as-of {options.as_of} --gate-paper {terminal_safe(str(options.promoted))}")
    return 1 if counts["failed"] or counts["unfit"] else 0


def _since(text: str, now: pd.Timestamp) -> pd.Timestamp:
    try:
        since = parse_as_of(text)
    except SettingsError as error:
        raise SettingsError("--since", error.problem, error.remedy) from None
    if since >= now:
        problem = f"{text!r} is still to come, now is {now:%Y-%m-%dT%H:%M} UTC"
        raise SettingsError("--since", problem, "Name an earlier moment, or leave it out")
    return since


def _series(options: argparse.Namespace, promotion: Record, now: pd.Timestamp) -> NeededSeries:
    """The market data that what the account did is held against."""
    import pandas as pd

    options.as_of = options.as_of or f"{now - _FINAL:%Y-%m-%dT%H:%M}"
    since = {model.id: pd.Timestamp(promotion.since_of(model)).tz_convert("UTC") for model in promotion.models}
    options.own, options.models, options.record_mode = None, None, RECORDING_MODE
    options.requests_per_minute = REQUESTS_PER_MINUTE
    return needed_series(options, since)


def _show(recorded: RecordedAccount) -> None:
    record = recorded.record
    span = " to ".join(_minute(moment) for moment in recorded.span)
    print(f"{record.kind} account {record.account}: recorded {span} UTC")
    print(f"on record: {len(record.orders)} orders, {len(record.fills)} fills, {len(record.fees)} fees")
    if len(record.spans) > 1:
        print(f"with {len(record.spans) - 1} gaps, the last before {_minute(record.spans[-1][0])} UTC")
    if recorded.is_first:
        print("what Alpaca sent of it, without any value:")
        for line in recorded.conformance:
            print(f"  {terminal_safe(line)}")


def _minute(moment: int) -> str:
    from pytest_modelgate.core.watching.moments import write_moment

    return write_moment(moment)[:16].replace("T", " ")


def _tell(line: str) -> None:
    print(f"modelgate: {line}", file=sys.stderr)
