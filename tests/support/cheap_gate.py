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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.market_factory import halves_of, random_walk
from support.policies import mlp

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.core.config.profiles import MarketDataLimits, Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.records import Evidence, IntegrityEvidence
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.integrity.check import CHECKS, Check
from pytest_modelgate.core.market.bars import Bars, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.session_opens import opens_request
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.planning.plan import ModelPlan, Work, WorkKind
from pytest_modelgate.plugin.session import start
from pytest_modelgate.services.evaluator import Evaluator, ModelEvaluator
from pytest_modelgate.services.market_data import MarketSeries, check_series
from pytest_modelgate.services.model_loader import ModelLoader

INSTRUCTIONS = "CHEAP_GATE"
UNDRAWN: Any = SimpleNamespace(pieces=lambda *_: ())  # of a report that nobody looks at, pictures take half of a run
_FEATURES = len(REFERENCE.columns)


def artifact(symbol: str, history: Any, feature: str = "momentum_24", timeframe: str = "1Hour") -> ModelArtifact:
    """A model that follows one feature."""
    return ModelArtifact(symbol=symbol, timeframe=timeframe, checkpoint=feature.encode(), history=history)


def _instructions() -> dict[str, Any]:
    text = os.environ.get(INSTRUCTIONS)
    found: dict[str, Any] = json.loads(Path(text).read_text()) if text else {}
    return found


@dataclass(frozen=True)
class CheapFormat:
    """Reads the name of the feature that a model follows."""

    ask: Callable[[PolicyFile], LoadedPolicy]
    name: str = "trainer"
    version: str = "cheap"
    suffixes: tuple[str, ...] = (".pt",)

    def read(self, file: PolicyFile) -> LoadedPolicy:
        return self.ask(file)


def load(file: PolicyFile) -> LoadedPolicy:
    first = np.zeros((1, _FEATURES))
    first[0, REFERENCE.columns.index(file.path.read_text())] = 50.0
    weights = (first, np.array([[0.0], [1.0], [-1.0]]))
    biases = (np.zeros(1), np.array([0.5, 0.0, 0.0]))
    policy = mlp(weights, biases, "tanh", _FEATURES, 0, 1)
    return LoadedPolicy(policy, REFERENCE.name, "tanh", "2.3.0", layers=("trunk", "head"), hidden=(1,))


@lru_cache(maxsize=64)  # as many as the real loader keeps, so that memory is as in a real run
def _replay(request: MarketRequest) -> Bars:
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


def read_market(
    request: MarketRequest,
    timeframe: Timeframe,
    windows: Sequence[Window],
    limits: MarketDataLimits,
    settings: Settings,
) -> MarketSeries:
    bars = _replay(request)
    opens = opens_request(request, timeframe, settings.sessions)
    halves = Bars(opens.instrument, opens.timeframe, halves_of(bars.frame)) if opens else None
    return check_series(bars, request, timeframe, windows, limits=limits, settings=settings, halves=halves)


@dataclass(frozen=True)
class CheapEvaluator:
    """Evaluates cheap models, noting every piece of work, and strikes where it is told to.

    Attributes:
        run: stands in the log for the run.
    """

    real: Evaluator
    run: str

    def evaluate(self, plan: ModelPlan, work: Work) -> Evidence:
        instructions, name = _instructions(), f"{plan.model.id}.{work.name}"
        if "log" in instructions:
            with Path(instructions["log"]).open("a") as log:
                log.write(f"{self.run} {os.getpid()} {name}\n")
        if "clock" in instructions:
            with Path(instructions["clock"]).open("a") as clock:
                clock.write(f"{time.time()}\n")
        time.sleep(instructions.get("sleep", {}).get(name, 0.0))
        mishap = instructions.get("mishap", {}).get(name)
        if mishap == "kill once" and Path(instructions["log"]).read_text().count(f" {name}\n") == 1:
            mishap = "kill"
        _strike(mishap)
        if work.kind is WorkKind.INTEGRITY:  # what the checks find is not the point of these runs
            checks = tuple(Check(check, "pass", "Fine.") for check in CHECKS)
            return IntegrityEvidence(plan.model.id, work.name, checks, ())
        return self.real.evaluate(plan, work)


def _build_evaluator(
    settings: Settings,
    archive: Archive,
    profile: Profile,
    feature_sets: Callable[[], Mapping[str, FeatureSet]],
    scratch: Path,
    **_: object,
) -> tuple[ModelLoader, Evaluator]:
    readers: Any = {"formats": (CheapFormat(load),), "read_market": read_market}
    loader = ModelLoader(settings, archive, profile, feature_sets, scratch, **readers)
    return loader, CheapEvaluator(ModelEvaluator(loader, settings, profile, {}), scratch.name)


def pytest_addoption() -> None:
    """Take over as soon as this is loaded as a plugin; the process is given to it for good."""
    if vars(start)["build_evaluator"] is _build_evaluator:
        return  # an earlier run in this process did
    patch = pytest.MonkeyPatch()
    if not _instructions().get("drawn"):
        patch.setitem(sys.modules, "pytest_modelgate.plugin.report.page", UNDRAWN)
    patch.setattr(start, "build_evaluator", _build_evaluator)


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
