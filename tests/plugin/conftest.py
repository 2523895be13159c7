"""A small market on cassettes, and runs of the gate on it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from marketsim.server import serve
from support import cheap_gate, cheap_runs
from support.cheap_runs import CheapRun
from support.market_factory import random_walk, recorder, series_key, waves
from support.plugin_helpers import AS_OF, GOOD, IDLE, GateResult, RunGate, pack

from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import market_window


@pytest.fixture(scope="session")
def market_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cassettes of WAVUSD, which has a pattern, and RNDUSD, which has none."""
    folder = tmp_path_factory.mktemp("market") / "cassettes"
    series = {"WAVUSD": waves(), "RNDUSD": random_walk("2023-11-01", 24 * 430, seed=3)}
    with serve({series_key(symbol): frame for symbol, frame in series.items()}) as server:
        for symbol in series:
            instrument = Instrument.parse(symbol)
            first, last = market_window(pd.Timestamp(AS_OF), Timeframe.HOUR_1, instrument.asset_class, 180)
            request = MarketRequest(instrument, Timeframe.HOUR_1, first, last, "sip", "all")
            recorder(folder, server).record(request)
    return folder


@pytest.fixture
def run_gate(pytester: pytest.Pytester, market_folder: Path) -> RunGate:
    """Run pytest on an archive, in an empty folder; ``drawn`` for those who look at the report's cards and pictures."""

    def run(archive: Path, *options: str, subprocess: bool = False, drawn: bool = False) -> GateResult:
        arguments = [f"--model-archive={archive}", f"--gate-cassettes={market_folder}", *options]
        runner = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        with pytest.MonkeyPatch.context() as patch:
            if not drawn:
                patch.setitem(sys.modules, "pytest_modelgate.plugin.report.page", cheap_gate.UNDRAWN)
            result = runner(*arguments)
        return GateResult(result, pytester.path / "gate-report")

    return run


@pytest.fixture
def good_archive(tmp_path: Path) -> Path:
    """One model that earns, one that never trades."""
    return pack(tmp_path, GOOD, IDLE)


@pytest.fixture(scope="session")
def cheap_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models: one that earns, one that does not, one that gating drops."""
    return cheap_runs.cheap_archive(tmp_path_factory.mktemp("cheap"))


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, cheap_archive: Path) -> CheapRun:
    """A run in a single process, in the usual order."""
    return cheap_runs.run(tmp_path_factory.mktemp("reference"), cheap_archive, "-n0")


@pytest.fixture
def cheap(tmp_path: Path, cheap_archive: Path) -> Callable[..., CheapRun]:
    """Run the gate with folds that cost next to nothing."""

    def run(*options: str, archive: Path = cheap_archive, **details: Any) -> CheapRun:
        return cheap_runs.run(tmp_path, archive, *options, **details)

    return run
