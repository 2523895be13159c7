"""A plugin for runs of the gate with cheap folds: no torch and no cassettes, and misfortunes on demand.

Everything else is the real gate. Checkpoints are a few bytes that name a policy, bars are made up. What is to happen
to which fold stands in a JSON file that the environment variable names:

    {"log": FILE, "sleep": {"WAVUSD_1Hour.fold1of5": 0.2}, "mishap": {"WAVUSD_1Hour.fold2of5": "kill"}}

The log gets one line per evaluation, ``clock`` the time when each begins. Mishaps strike while a fold is evaluated:
``kill``, ``exit``, ``raise``, ``interrupt``, ``kill once``, ``memory``, ``gpu``; or in its test: ``setup`` and
``setup once`` raise before it, ``body`` ends the process after it got its evidence. ``shuffle`` is the seed of a random
order of all tests.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.market_factory import random_walk

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.checkpoint import CheckpointFacts, LoadedCheckpoint
from pytest_modelgate.core.evidence.records import Evidence, IntegrityEvidence
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.integrity.check import CHECKS, Check
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.planning.plan import INTEGRITY, ModelPlan
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.services import gate, market_data

INSTRUCTIONS = "CHEAP_GATE"
UNDRAWN: Any = SimpleNamespace(render=lambda *_: "")  # of a report that nobody looks at, pictures take half of a run
_FEATURES = len(REFERENCE.columns)


def artifact(symbol: str, history: Any, feature: str = "momentum_24", timeframe: str = "1Hour") -> ModelArtifact:
    """A model that follows one feature."""
    return ModelArtifact(symbol=symbol, timeframe=timeframe, checkpoint=feature.encode(), history=history)


def _instructions() -> dict[str, Any]:
    text = os.environ.get(INSTRUCTIONS)
    found: dict[str, Any] = json.loads(Path(text).read_text()) if text else {}
    return found


def _load(path: Path, **_: object) -> LoadedCheckpoint:
    first = np.zeros((1, _FEATURES))
    first[0, REFERENCE.columns.index(path.read_text())] = 50.0
    weights = (first, np.array([[0.0], [1.0], [-1.0]]))
    biases = (np.zeros(1), np.array([0.5, 0.0, 0.0]))
    policy = MlpPolicy(weights, biases, "tanh", _FEATURES, 0, 1)
    facts = CheckpointFacts("2.3.0", None, _FEATURES, 1, 3, (1,), "tanh", REFERENCE.name, 0)
    return LoadedCheckpoint(policy, facts)


@cache
def _replay(request: MarketRequest, *_: object) -> Bars:
    bars = int((request.last - request.first) / request.timeframe.delta) + 1
    symbol = request.instrument.symbol
    frame = random_walk(str(request.first), bars, seed=sum(symbol.encode()))
    frame.index = pd.date_range(request.first, periods=bars, freq=request.timeframe.delta, unit="ns")
    if symbol.startswith("WAV"):
        trend = np.where(np.arange(bars) // 60 % 2 == 0, 0.003, -0.003)
        close = np.round(100.0 * np.exp(np.cumsum(trend)), 4)
        opened = np.concatenate([[100.0], close[:-1]])
        frame = frame.assign(open=opened, high=np.maximum(opened, close), low=np.minimum(opened, close), close=close)
    return Bars(request.instrument, request.timeframe, frame)


class AcceleratorError(RuntimeError):
    """What torch raises when a GPU is lost."""


def _strike(mishap: str | None) -> None:
    if mishap == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mishap == "exit":
        os._exit(3)
    if mishap == "raise":
        raise RuntimeError("a mishap")
    if mishap == "interrupt":
        pytest.fail("out of time")  # what pytest-timeout does
    if mishap == "memory":
        raise MemoryError
    if mishap == "gpu":
        raise AcceleratorError("CUDA error: unspecified launch failure\nCompile with `TORCH_USE_CUDA_DSA`")


def pytest_addoption() -> None:
    """Take over as soon as this is loaded as a plugin; the process is given to it for good."""
    if vars(gate)["load_checkpoint"] is _load:
        return  # an earlier run in this process did
    patch = pytest.MonkeyPatch()
    find_out = gate.Gate._find_out

    def slow(self: gate.Gate, plan: ModelPlan, window: Window) -> Evidence:
        told, name = _instructions(), f"{plan.model.id}.{window.name}"
        if "log" in told:
            with Path(told["log"]).open("a") as log:
                log.write(f"{self.store.run_id} {os.getpid()} {name}\n")
        if "clock" in told:
            with Path(told["clock"]).open("a") as clock:
                clock.write(f"{time.time()}\n")
        time.sleep(told.get("sleep", {}).get(name, 0.0))
        mishap = told.get("mishap", {}).get(name)
        if mishap == "kill once" and Path(told["log"]).read_text().count(f" {name}\n") == 1:
            mishap = "kill"
        _strike(mishap)
        if window.name == INTEGRITY:  # what the checks find is not the point of these runs
            checks = tuple(Check(name, "pass", "Fine.") for name in CHECKS)
            return IntegrityEvidence(plan.model.id, window.name, checks, ())
        return find_out(self, plan, window)

    if not _instructions().get("drawn"):
        patch.setitem(sys.modules, "pytest_modelgate.plugin.report.page", UNDRAWN)
    patch.setattr(gate, "load_checkpoint", _load)
    patch.setattr(market_data, "replay_bars", _replay)
    patch.setattr(gate.Gate, "_find_out", slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seed = _instructions().get("shuffle")
    if seed is not None:
        random.Random(seed).shuffle(items)


def _mishap_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("gate_case") if callspec else None
    found: str | None = _instructions().get("mishap", {}).get(f"{case.model}.{case.window}") if case else None
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    mishap = _mishap_of(item)
    if mishap == "setup once" and getattr(item, "execution_count", 1) > 1:
        return
    if mishap in ("setup", "setup once"):
        raise RuntimeError("a mishap before the test")


def pytest_runtest_call(item: pytest.Item) -> None:
    if _mishap_of(item) == "body":
        os._exit(3)
