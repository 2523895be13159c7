"""Recording and replaying through the whole chain."""

from pathlib import Path

import pytest
from market_factory import random_walk, request_for, series_key
from marketsim.server import serve

from pytest_modelgate.errors import SettingsError
from pytest_modelgate.market_data import record_bars, replay_bars

FRAME = random_walk("2024-07-01", 24 * 7)


def test_a_stock_is_recorded_whole_and_replayed_by_session(tmp_path: Path) -> None:
    request = request_for("AAPL", FRAME)
    with serve({series_key("AAPL"): FRAME}) as server:
        environ = {"APCA_API_DATA_URL": server.url, "APCA_API_KEY_ID": "PK1", "APCA_API_SECRET_KEY": "abcdef"}
        recorded = record_bars(request, tmp_path, environ)

    assert recorded.frame.equals(FRAME)
    assert replay_bars(request, tmp_path, "extended").sha256 == recorded.sha256
    assert len(replay_bars(request, tmp_path, "regular")) == 3 * 7 + 4  # a week with an early close and a holiday


def test_crypto_is_recorded_without_keys(tmp_path: Path) -> None:
    request = request_for("BTCUSD", FRAME)
    with serve({series_key("BTCUSD"): FRAME}, keys=("PK1", "abcdef")) as server:
        recorded = record_bars(request, tmp_path, {"APCA_API_DATA_URL": server.url})

    assert replay_bars(request, tmp_path).sha256 == recorded.sha256


def test_a_stock_without_keys_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with serve({series_key("AAPL"): FRAME}) as server, pytest.raises(SettingsError, match="no keys are set"):
        record_bars(request_for("AAPL", FRAME), tmp_path, {"APCA_API_DATA_URL": server.url})

    assert server.requests == []
