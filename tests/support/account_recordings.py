"""Recordings of the account that ``account_server`` shows, for a promotion of one model or more."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
from support.account_server import START, Account

from pytest_modelgate.adapters.promotion import Promoted, Record, Source
from pytest_modelgate.services.account_recording import AccountRecorder

SHA256 = "0123abcd" * 8


def promotion_of(*models: str, at: str = "2026-01-05T00:00:00+00:00", sha256: str = SHA256) -> Record:
    """What is in force since then; ``UNIUSD_1Hour`` unless told otherwise."""
    digest = "a" * 64
    source = Source(
        archive="run.zip",
        archive_sha256=digest,
        member="model.pt",
        verdict=digest,
        written=at,
        as_of=at,
        profile="2.4.5",
        version="1",
    )
    promoted = tuple(
        Promoted(
            id=model,
            file=f"sets/1/{model}.pt",
            sha256=sha256,
            decision="PAPER",
            feature_set=None,
            activation=None,
            source=source,
            at=at,
            by="test",
            since=at,
        )
        for model in models or ("UNIUSD_1Hour",)
    )
    return Record(set="1", previous=None, rolled_back=None, at=at, by="test", models=promoted).sealed()


def recorder_of(account: Account, cassettes: Path, **facts: Any) -> AccountRecorder:
    """A recorder whose clock is the account's, and which waits for nothing."""
    told: dict[str, Any] = {"environ": account.environ(), "requests_per_minute": 1e9, **facts}
    return AccountRecorder(cassettes=cassettes, now=lambda: START + pd.Timedelta(hours=account.now), **told)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file beneath a folder, but for locks and turns."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".recording" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def texts_of(folder: Path) -> str:
    """What all files of a folder say, packed or not, their names too."""
    contents = files_of(folder)
    texts = [gzip.decompress(raw) if name.endswith(".gz") else raw for name, raw in contents.items()]
    return "\n".join([*contents, *(text.decode() for text in texts)])
