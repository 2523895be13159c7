"""``modelgate watch``: record what an account does with promoted models, and the market data it is judged on."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pytest_modelgate.cli.record import record_series
from pytest_modelgate.cli.wording import add_options
from pytest_modelgate.core.config.options import RECORDING
from pytest_modelgate.core.config.settings import RECORDING_MODE, REQUESTS_PER_MINUTE, Settings, parse_as_of
from pytest_modelgate.core.watching.records import AccountKind
from pytest_modelgate.errors import PromotionError, SettingsError
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # pulls in pandas, which --help must not pay for
    import pandas as pd

    from pytest_modelgate.adapters.promotion import Record
    from pytest_modelgate.services.account_recording import RecordedAccount

_DEFAULT = f"folder of cassettes (default: {Settings.cassettes})"
_PER_MINUTE = 30.0
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
    rate = f"of the account (default: {_PER_MINUTE:g}; Alpaca allows 200, of which the trader needs the rest)"
    parser.add_argument("--requests-per-minute", type=_positive, default=_PER_MINUTE, metavar="N", help=rate)
    parser.set_defaults(run=_watch)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _watch(options: argparse.Namespace) -> int:
    """Record account and market data; 0 when all of it is there and fit for a verdict, else 1."""
    import pandas as pd

    from pytest_modelgate.adapters.promotion import Target
    from pytest_modelgate.services.account_recording import AccountRecorder

    promotion = Target(options.promoted).record()
    if promotion is None or not promotion.models:
        problem = "no model is in force there"
        raise PromotionError(str(options.promoted), problem, "Name the folder given to modelgate promote")
    recorder = AccountRecorder(
        cassettes=Path(options.cassettes),
        kind=options.account,
        map_file=options.map,
        journal_file=options.journal,
        requests_per_minute=options.requests_per_minute,
        tell=_tell,
    )
    _show(recorder.record(promotion, _since(options.since) if options.since else None))
    return _record_market(options, promotion, pd.Timestamp.now("UTC"))


def _since(text: str) -> pd.Timestamp:
    try:
        return parse_as_of(text)
    except SettingsError as error:
        raise SettingsError("--since", error.problem, error.remedy) from None


def _record_market(options: argparse.Namespace, promotion: Record, now: pd.Timestamp) -> int:
    """As ``_watch``, of the market data."""
    import pandas as pd

    options.as_of = options.as_of or f"{now - _FINAL:%Y-%m-%dT%H:%M}"
    since = {model.id: pd.Timestamp(promotion.since_of(model)).tz_convert("UTC") for model in promotion.models}
    options.own, options.models, options.record_mode = None, None, RECORDING_MODE
    options.requests_per_minute = REQUESTS_PER_MINUTE
    counts = record_series(options, since)
    print(f"judge with --gate-as-of {options.as_of} --gate-paper {terminal_safe(str(options.promoted))}")
    return 1 if counts["failed"] or counts["unfit"] else 0


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
