"""Comparison of one model's part of an account with what its judged bytes would have done, bar by bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.config.settings import AccountMode
from pytest_modelgate.core.market.bars import Bars, Instrument
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.core.watching.records import AccountRecord, TraderMap


@dataclass(frozen=True)
class InForce:
    """A model that a trader runs: id, sha256 of its bytes, what it trades, since when, and what promoted it."""

    id: str
    sha256: str
    instrument: Instrument
    since: pd.Timestamp
    decision: str


@dataclass(frozen=True, eq=False)
class WatchSubject:
    """One model in front of the market of its period.

    Attributes:
        candidate: its policy before the bars it is judged on, which reach back before ``since``.
        raw: the same bars as they were traded, unadjusted; None where the bars are not adjusted.
        account: how account features are fed to it.
        capital: USD that the simulated track starts with.
        as_of: the period ends before it.
    """

    model: InForce
    candidate: Candidate
    raw: Bars | None
    account: AccountMode
    capital: float
    as_of: pd.Timestamp


def measure_watch(
    subject: WatchSubject, others: Sequence[InForce], record: AccountRecord, told: TraderMap
) -> WatchEvidence:
    """Measure one model's record.

    Args:
        others: all further models that are in force on the same account.
        told: what the user says of the trader.
    """
    raise NotImplementedError
