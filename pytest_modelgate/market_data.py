"""Bars from cassettes, and cassettes from Alpaca: the one place where client, recorder and calendar meet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_modelgate.adapters import alpaca, cassettes
from pytest_modelgate.adapters.sessions import regular_hours
from pytest_modelgate.core.bars import AssetClass, Bars
from pytest_modelgate.core.market import MarketRequest
from pytest_modelgate.core.settings import Sessions
from pytest_modelgate.errors import MarketDataError, SettingsError


def replay_bars(request: MarketRequest, folder: Path, sessions: Sessions = "regular") -> Bars:
    """The recorded bars of a request, without keys and without network.

    Args:
        folder: the cassettes.
        sessions: ``regular`` leaves out a stock's pre-market and after-hours bars.

    Raises:
        MarketDataError: the cassette is missing, altered or unusable.
    """
    with cassettes.replay(folder, request):
        bars = alpaca.fetch_bars(request, credentials=None)
    return regular_hours(bars) if sessions == "regular" else bars


def record_bars(request: MarketRequest, folder: Path, environ: Mapping[str, str]) -> Bars:
    """Fetch a request from Alpaca, record it and replay it once; the cassette is put in place whole or not at all.

    Args:
        folder: the cassettes.
        environ: where keys and APCA_API_DATA_URL are looked up.

    Raises:
        SettingsError: stocks are asked for without keys, or the keys' file is unusable.
        MarketDataError: Alpaca did not answer with bars; nothing is recorded then.
    """
    credentials = alpaca.read_credentials(environ)
    if credentials is None and request.instrument.asset_class is AssetClass.EQUITY:
        problem = f"no keys are set, and Alpaca serves {request.instrument.symbol} to known keys only"
        raise SettingsError(alpaca.KEYS_FILE, problem, "Name a file with your keys; crypto needs none")
    secrets = (credentials.key, credentials.secret) if credentials else ()
    with cassettes.record(folder, request, secrets) as recording:
        bars = alpaca.fetch_bars(
            request, credentials=credentials, data_url=environ.get("APCA_API_DATA_URL"), timeout_s=30.0
        )
        recording.describe(bars)
    if replay_bars(request, folder, "extended").sha256 != bars.sha256:
        where = f"cassette {folder / cassettes.path_of(request)}"
        raise MarketDataError(where, "does not replay what was recorded", "Report this, with the versions of vcrpy")
    return bars
