"""Bars from cassettes, and cassettes from Alpaca: the one place where client, recorder and calendar meet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_modelgate.adapters import alpaca, cassettes
from pytest_modelgate.adapters.sessions import regular_hours
from pytest_modelgate.core.bars import Bars
from pytest_modelgate.core.market import MarketRequest
from pytest_modelgate.core.settings import Sessions


def replay_bars(request: MarketRequest, folder: Path, sessions: Sessions = "regular") -> Bars:
    """The recorded bars of a request, without keys and without network.

    Args:
        folder: the cassettes.
        sessions: ``regular`` leaves out a stock's pre-market and after-hours bars.

    Raises:
        MarketDataError: the cassette is missing, altered or unusable.
    """
    with cassettes.replay(cassettes.path_of(folder, request)):
        bars = alpaca.fetch_bars(request, credentials=None)
    return regular_hours(bars) if sessions == "regular" else bars


def record_bars(request: MarketRequest, folder: Path, environ: Mapping[str, str]) -> Bars:
    """Fetch a request from Alpaca and record it; the cassette is put in place whole or not at all.

    Args:
        folder: the cassettes.
        environ: where keys and APCA_API_DATA_URL are looked up.

    Raises:
        MarketDataError: Alpaca did not answer with bars; nothing is recorded then.
    """
    credentials = alpaca.read_credentials(environ)
    with cassettes.record(cassettes.path_of(folder, request), request, credentials) as recording:
        bars = alpaca.fetch_bars(request, credentials=credentials, data_url=environ.get("APCA_API_DATA_URL"))
        recording.describe(bars)
    return bars
