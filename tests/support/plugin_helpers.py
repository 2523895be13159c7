"""What the plugin's tests share: models, archives and the result of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import model_factory
from support.archives import pack_unopened

from pytest_modelgate import ModelArtifact
from pytest_modelgate.core.market.windows import TrainingWindow

AS_OF = datetime(2024, 12, 27, 21, 18, 19, tzinfo=UTC)
ARCHIVE = "Alpaca_trading_trained_20241227_211819.zip"


def model(
    symbol: str,
    history: Mapping[str, Sequence[float]],
    policy: Mapping[str, Any],
    **changes: Any,
) -> ModelArtifact:
    return ModelArtifact(
        symbol=symbol, timeframe="1Hour", checkpoint=model_factory.checkpoint(policy, **changes), history=history
    )


HELD_OUT = TrainingWindow(pd.Timestamp("2023-11-01T00:00Z"), pd.Timestamp("2024-06-24T00:00Z"))  # 186 days are left
IN_SAMPLE = TrainingWindow(HELD_OUT.start, pd.Timestamp("2024-12-27T20:00Z"))

GOOD = replace(
    model("WAVUSD", model_factory.APPROVED, model_factory.follow("momentum_24")),
    parity_probe=model_factory.probe(model_factory.follow("momentum_24")),
)
IDLE = model("RNDUSD", model_factory.REVIEW, model_factory.constant_policy("HOLD"))
DROPPED = model("RNDUSD", model_factory.DROP, model_factory.follow("momentum_24"))


def pack(folder: Path, *models: ModelArtifact, **facts: Any) -> Path:
    declared = {"reward_scale": 0.001, "feature_set": "reference-v1", "activation": "tanh"}
    return pack_unopened(folder / ARCHIVE, models, trained_at=AS_OF, **{**declared, **facts})


@dataclass(frozen=True)
class GateResult:
    """What a run of the gate left."""

    run: pytest.RunResult
    output: Path

    @property
    def verdict(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.output / "verdict.json").read_text())
        return document

    def of(self, model: str) -> dict[str, Any]:
        """What the verdict says of a model."""
        (found,) = (item for item in self.verdict["models"] if item["id"] == model)
        return dict(found)

    def decision(self, model: str) -> str:
        return str(self.of(model)["decision"])

    @property
    def text(self) -> str:
        return self.run.stdout.str() + self.run.stderr.str()


RunGate = Callable[..., GateResult]
