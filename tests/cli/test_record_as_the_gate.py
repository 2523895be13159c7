"""``modelgate record`` holds bars against the windows and sessions on which the gate will judge."""

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from marketsim.server import serve
from support.archives import pack_unopened
from support.market_factory import random_walk, served

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.cli.main import main
from pytest_modelgate.cli.record import add_record
from pytest_modelgate.core.config.options import RECORDING, option_of
from pytest_modelgate.core.market.bars import Bars, Timeframe
from pytest_modelgate.core.planning.plan import make_plan, requests_of, when
from pytest_modelgate.errors import MarketDataError
from pytest_modelgate.plugin.options import read_settings
from pytest_modelgate.services.market_data import load_series

HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
FRAME = random_walk("2024-01-01", 24 * 60)
# No trade outside of the regular session: fit for those who judge on that one alone.
NIGHTLY = FRAME.assign(volume=FRAME["volume"].where(FRAME.index.to_series().dt.hour.between(14, 20), 0.0))
HOLE = FRAME.drop(FRAME.index[(FRAME.index >= "2024-02-16") & (FRAME.index < "2024-02-20")])


class Asked:
    """A configuration of pytest in which some options were given; stands in a folder without an ini file."""

    inipath = None

    def __init__(self, folder: Path, given: Mapping[str, Any]) -> None:
        self.rootpath, self._given = folder, given
        self.invocation_params = SimpleNamespace(dir=folder)

    def getoption(self, key: str) -> Any:
        return self._given.get(key)

    def getini(self, key: str) -> Any:
        return [] if key in {"gate_trainer_package", "gate_evidence"} else None


Record = Callable[[Path, str, pd.DataFrame, dict[str, Any]], list[str]]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Record:
    """Record a symbol from a local server; why its bars are unfit."""
    monkeypatch.delenv("ALPACA_KEYS_FILE", raising=False)
    monkeypatch.setenv("APCA_API_KEY_ID", "PKTESTKEY")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "s3cr3t-s3cr3t")

    def run(archive: Path, symbol: str, frame: pd.DataFrame, options: dict[str, Any]) -> list[str]:
        with serve(served(symbol, frame), crypto_page_size=10_000) as server:
            monkeypatch.setenv("APCA_API_DATA_URL", server.url)
            given = [f"{option_of(setting).short_name}={value}" for setting, value in options.items()]
            main(["record", str(archive), f"--cassettes={archive.parent / 'cassettes'}", *given])
        prefix = f"modelgate: unfit: {symbol} 1Hour: "
        lines = capsys.readouterr().err.splitlines()
        return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]

    return run


def test_what_record_and_gate_share_has_the_same_default() -> None:
    parser = argparse.ArgumentParser()
    add_record(parser)

    options = vars(parser.parse_args(["X.zip"]))

    assert {option.setting: options[option.setting] for option in RECORDING} == {
        option.setting: option.default for option in RECORDING
    }


@pytest.mark.parametrize(
    ("market", "options", "named"),
    [
        (("BTCUSD", HOLE), {"folds": 3, "walk_forward_days": 30, "backtest_days": 5}, "fold2of3"),
        (("BTCUSD", HOLE), {"folds": 1, "walk_forward_days": 15}, "fold1of1"),
        (("AAPL", NIGHTLY), {"sessions": "extended", "walk_forward_days": 30}, "fold5of5"),
    ],
    ids=["folds", "days", "sessions"],
)
def test_bars_are_unfit_for_record_in_the_words_of_the_gate(
    tmp_path: Path, record: Record, market: tuple[str, pd.DataFrame], options: dict[str, Any], named: str
) -> None:
    symbol, frame = market
    model = ModelArtifact(symbol, "1Hour", b"x", HISTORY)
    archive = pack_unopened(tmp_path, [model], trained_at=datetime(2024, 3, 1, tzinfo=UTC))
    unfit = record(archive, symbol, frame, options)

    with pytest.raises(MarketDataError) as refused:
        load(tmp_path, archive, options)

    assert unfit == [f"{refused.value.problem}. {refused.value.remedy}."]
    assert f" of {named} are " in refused.value.problem


def load(folder: Path, path: Path, options: dict[str, Any]) -> dict[Timeframe, Bars]:
    """Load the series of an archive's models as the gate does."""
    config: Any = Asked(folder, {f"gate_{setting}": value for setting, value in options.items()})
    settings = read_settings(config, path)
    with open_archive(path) as archive:
        run = archive.run
    limits, loaded = load_profile(settings.profile).market_data, {}
    for model, plan in zip(run.models, make_plan(run, settings, load_profile(settings.profile)).models, strict=True):
        request = requests_of(model, settings, when(run, settings))[-1]
        loaded[model.timeframe] = load_series(request, model.timeframe, plan.windows, limits, settings).bars
    return loaded


@pytest.mark.parametrize(
    ("option", "value"), [("--folds", "0"), ("--walk-forward-days", "0"), ("--profile", "none"), ("--as-of", "never")]
)
def test_a_refusal_calls_an_option_as_this_command_does(
    tmp_path: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ModelArtifact(symbol="BTCUSD", timeframe="1Hour", checkpoint=b"never read", history=HISTORY)
    archive = pack_unopened(tmp_path, [model], trained_at=datetime(2024, 2, 28, tzinfo=UTC))

    assert main(["record", str(archive), "--cassettes", str(tmp_path), option, value]) == 1

    told = capsys.readouterr().err
    assert option in told
    assert "--gate-" not in told


def test_of_four_hours_on_an_origin_of_their_own_hours_are_recorded(tmp_path: Path, record: Record) -> None:
    origin = datetime(2024, 1, 1, 3, tzinfo=UTC)
    models = [ModelArtifact("BTCUSD", timeframe, b"x", HISTORY) for timeframe in ("1Hour", "4Hour")]
    archive = pack_unopened(tmp_path, models, trained_at=datetime(2024, 3, 1, 3, 30, tzinfo=UTC), bar_origin=origin)

    unfit = record(archive, "BTCUSD", random_walk("2024-01-01", 24 * 60 + 3), {"walk_forward_days": 30})
    judged = load(tmp_path, archive, {"walk_forward_days": 30})[Timeframe.HOUR_4]

    assert unfit == []
    assert f"{judged.index[0]:%d %H:%M} {judged.index[-1]:%d %H:%M}" == "31 23:00 29 23:00"
    assert sorted(path.name for path in (tmp_path / "cassettes" / "crypto" / "BTC-USD").iterdir()) == ["1Hour"]
