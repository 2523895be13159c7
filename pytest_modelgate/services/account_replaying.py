"""What a trading account did, from its cassettes: without keys and without network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from pytest_modelgate.adapters.account_cassettes.files import AccountFolder, Manifest, account_folders
from pytest_modelgate.adapters.account_cassettes.joining import join, read_told
from pytest_modelgate.adapters.account_cassettes.told import read_trader_told
from pytest_modelgate.adapters.promotion import Record
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.planning.plan import requests_of
from pytest_modelgate.core.training.run import TrainedModel
from pytest_modelgate.core.watching.records import AccountRecord, TraderMap
from pytest_modelgate.errors import AccountError

_WATCH = "modelgate watch DIR --archive X.zip"
_DAY = pd.Timedelta(days=1)


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
    known = {folder: folder.manifest() for folder in account_folders(cassettes)}
    saw = saw_promotion(known, promotion.digest)
    where = f"accounts in {cassettes}"
    if not saw:
        problem = "none is recorded" if not known else "none was recorded since this promotion is in force"
        raise AccountError(where, problem, f"Record the one that trades it: {_WATCH}")
    if len(saw) > 1:
        folders = ", ".join(f"{folder.kind}/{folder.account}" for folder in saw)
        problem = f"{len(saw)} were recorded with this promotion in force ({folders}), expected one"
        raise AccountError(where, problem, "Promote into a folder for each account, and remove the one that is no more")
    (folder,) = saw
    record = join(folder, read_told(folder, known[folder]))
    return Watched(record, read_trader_told(folder, known[folder]))


def saw_promotion(known: Mapping[AccountFolder, Manifest], digest: str) -> list[AccountFolder]:
    """Accounts of whose recordings one saw a promotion in force."""
    return [folder for folder, manifest in known.items() if digest in {r.promotion.digest for r in manifest.recordings}]


def raw_requests(
    model: TrainedModel, settings: Settings, as_of: pd.Timestamp, since: pd.Timestamp
) -> tuple[MarketRequest, ...]:
    """The market data of a model's period as it was traded; none where bars are not adjusted.

    Args:
        since: when the model was put in force, UTC.
    """
    first = since.floor("D") - _DAY
    return tuple(
        replace(request, adjustment="raw", first=min(max(request.first, first), request.last))
        for request in requests_of(model, settings, as_of)
        if not request.grows_only and not request.own
    )
