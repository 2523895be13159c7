"""What a trading account did, from its cassettes: without keys and without network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pytest_modelgate.adapters.promotion import Record
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.training.run import TrainedModel
from pytest_modelgate.core.watching.records import AccountRecord, TraderMap

WATCH_COMMAND = "modelgate watch DIR --archive ARCHIVE"


@dataclass(frozen=True)
class Watched:
    """An account: what it did, and what the user says of its trader."""

    record: AccountRecord
    told: TraderMap


def replay_account(cassettes: Path, promotion: Record) -> Watched:
    """The one account whose recordings saw a promotion in force.

    Args:
        cassettes: the folder that market data is recorded into, too; accounts lie beneath ``paper`` and ``live``.
        promotion: what is in force.

    Raises:
        AccountError: no account's recordings saw it, or two accounts' did; a recording is missing, altered or
            unusable, or two of them contradict each other.
    """
    raise NotImplementedError


def raw_requests(
    model: TrainedModel, settings: Settings, as_of: pd.Timestamp, since: pd.Timestamp
) -> tuple[MarketRequest, ...]:
    """The market data of a model's period as it was traded; none where bars are not adjusted.

    Args:
        since: when the model was put in force, UTC.
    """
    raise NotImplementedError
