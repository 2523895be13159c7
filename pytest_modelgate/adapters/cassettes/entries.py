"""What the manifest says of one cassette."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from pytest_modelgate.core.market.corporate_actions import ActionsRequest
from pytest_modelgate.core.market.requests import MarketRequest, Span


@dataclass(frozen=True)
class Entry:
    """One cassette as the manifest describes it.

    Attributes:
        name: relative to the folder, with forward slashes.
        span: the window that was asked for.
        last_bar: start of the last bar that was served, UTC.
        sha256: digest of the file.
        recorded_at: moment at which Alpaca was asked, UTC; None where the manifest does not say.
        source: as of ``Bars``.
    """

    name: str
    span: Span
    last_bar: pd.Timestamp
    sha256: str
    recorded_at: pd.Timestamp | None = None
    source: str = ""

    def final(self, request: MarketRequest) -> bool:
        """Whether the last bar was final when it was recorded, as far as the manifest says when that was.

        Args:
            request: for the series of this recording.
        """
        return self.recorded_at is None or request.over(self.span).final_at <= self.recorded_at


@dataclass(frozen=True)
class ActionsEntry:
    """One recording of corporate actions as the manifest describes it; ``name`` and ``sha256`` as of ``Entry``."""

    name: str
    request: ActionsRequest
    sha256: str


def read_actions_entry(name: str, symbol: str, facts: Mapping[str, Any]) -> ActionsEntry:
    """One entry of the manifest about corporate actions.

    Raises:
        KeyError, TypeError, ValueError: it does not say what was recorded.
    """
    first, last, until = (date.fromisoformat(facts[key]) for key in ("asked_first", "asked_last", "asof"))
    return ActionsEntry(name, ActionsRequest(symbol, first, last, until), str(facts["sha256"]))


def read_entry(name: str, facts: Mapping[str, Any]) -> Entry:
    """One entry of the manifest, from the facts that ``recording`` wrote about a cassette.

    Raises:
        KeyError, TypeError, ValueError: it does not say what was recorded.
    """
    first, last, last_bar = (_utc(facts[key]) for key in ("asked_first", "asked_last", "last"))
    continues, recorded_at = (_utc(facts[key]) if key in facts else None for key in ("continues", "recorded_at"))
    if first > last:
        raise ValueError(name)
    span = Span(last, first, str(facts.get("asof", "")), continues)
    return Entry(name, span, last_bar, str(facts.get("sha256")), recorded_at, str(facts.get("source", "")))


def _utc(text: object) -> pd.Timestamp:
    moment = pd.Timestamp(text) if isinstance(text, str) else None
    if moment is None or str(moment.tz) != "UTC":
        raise ValueError(text)
    return moment
