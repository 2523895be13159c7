"""An archive with one checkpoint of every generation, made by torch as the trainer's notes describe them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from support.model_factory import APPROVED

STAMP = "20241227_211819"
WINDOW = 100
LABELS = ["HOLD", "BUY_25%", "BUY_50%", "BUY_75%", "SELL_25%", "SELL_50%", "SELL_75%", "CLOSE"]
FEATURE_SETS = {  # of a width that a generation's market features have
    51: "reference-51",
    53: "reference-v1",
    58: "reference-58",
    59: "reference-59",
}
CONFTEST = """
import pandas as pd
from pytest_modelgate import REFERENCE, FeatureSet

def wide(count):
    def compute(bars):
        frame = REFERENCE.compute(bars)
        more = {f"again_{n}": frame[REFERENCE.columns[n]] for n in range(max(0, count - frame.shape[1]))}
        return pd.concat([frame, pd.DataFrame(more, index=frame.index)], axis=1).iloc[:, :count]
    columns = (*REFERENCE.columns, *(f"again_{n}" for n in range(10)))[:count]
    return FeatureSet(f"reference-{count}", columns, REFERENCE.warmup, compute)

def pytest_modelgate_feature_sets():
    return {f"reference-{count}": wide(count) for count in (51, 58, 59)}
"""
ACCOUNT = [
    {"name": "pnl", "place": 0},
    {"name": "win_rate", "place": 3},
    {"name": "drawdown", "place": 6},
    {"name": "position", "place": 9},
    {"name": "available_capital", "place": 12, "neutral": 0.7},
    {"name": "account_change", "place": 15},
]


@dataclass(frozen=True)
class Written:
    """One checkpoint.

    Attributes:
        features: columns of a row.
        market: how many of them are market features.
        version: None leaves out all keys that arrived with 2.7.
        beside: what SYMBOL_TIMEFRAME.json declares.
    """

    symbol: str
    version: str | None
    features: int
    market: int
    actions: int
    beside: Mapping[str, Any] = field(default_factory=dict)


EVERY = (
    Written("BTCUSD", "2.3.0", 53, 53, 3),
    Written("ETHUSD", None, 56, 53, 3),  # 2.4 to 2.6, before checkpoints had keys
    Written("UNIUSD", "2.7.0", 59, 53, 7),
    Written(
        "LTCUSD",
        "4.2.0",
        65,
        59,
        8,
        {"account": ACCOUNT},
    ),
    Written("GOOGL", "5.5.1", 51, 51, 8),
    Written("LINKUSD", "5.6.0", 58, 58, 8),
    Written("AAPL", "6.0.0", 53, 53, 3, {"actions": ["HOLD", {"target": 0.2}, {"target": 0}], "account": []}),
)


def write(folder: Path) -> Path:
    """Write the archive."""
    path = folder / f"Alpaca_trading_trained_{STAMP}.zip"
    models = {
        f"{item.symbol}_1Hour": {**APPROVED, "feature_set": FEATURE_SETS[item.market], "activation": "tanh"}
        for item in EVERY
    }
    summary = {"schema": "modelgate.training_summary/1", "reward_scale": 0.001, "models": models}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"training_summary_{STAMP}.json", json.dumps(summary))
        for number, item in enumerate(EVERY):
            member = f"models/rl_symbols/{item.symbol}_1Hour"
            archive.writestr(f"{member}.pt", _checkpoint(item, number))
            if item.beside:
                archive.writestr(f"{member}.json", json.dumps({"schema": "modelgate.policy/1", **item.beside}))
    return path


def _checkpoint(item: Written, seed: int) -> bytes:
    torch.manual_seed(seed)
    layers = [torch.nn.Linear(item.features * WINDOW, 12), torch.nn.Tanh(), torch.nn.Linear(12, item.actions)]
    state = torch.nn.Sequential(*layers).state_dict()
    contents: dict[str, Any] = {"policy_state_dict": state, "global_step": 1, "config": {"lr": 3e-4}}
    if item.version is not None:
        labels = ["HOLD", "BUY", "SELL"] if item.actions == 3 else LABELS[: item.actions]
        sizes = {"n_features": item.features, "n_actions": item.actions, "obs_dim": item.features * WINDOW}
        contents |= {"model_version": item.version, "action_meanings": labels, **sizes}
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    return buffer.getvalue()
