"""Archives in the layouts that trainers write, as small as can be."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.core.training.run import TrainingRun

METRICS: dict[str, list[float]] = {
    "fitness_score": [0.5, 0.8],
    "profit_factor": [1.5, 2.5],
    "consistency": [0.8, 0.9],
    "max_drawdown": [0.2, 0.08],
}
NAME = "Alpaca_trading_trained_20241227_211819.zip"
SUMMARY = "training_summary_20241227_211819.json"
FOLDER = "models/rl_symbols/"
UNI, BTC = f"{FOLDER}UNIUSD_1Hour.pt", f"{FOLDER}BTCUSD_4Hour.pt"
Members = Mapping[str, Any]


def as_bytes(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    return content.encode() if isinstance(content, str) else json.dumps(content).encode()


def zipped(folder: Path, members: Members, name: str = NAME) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), as_bytes(content))
    return path


def tarred(folder: Path, members: Members, name: str = NAME.replace(".zip", ".tar.gz"), **options: Any) -> Path:
    path = folder / name
    with tarfile.open(path, "w" if name.endswith(".tar") else "w:gz", **options) as archive:
        for member, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(member)
            raw = b"" if isinstance(content, tarfile.TarInfo) else as_bytes(content)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return path


def run_of(path: Path) -> TrainingRun:
    with open_archive(path) as archive:
        return archive.run


def states(run: TrainingRun) -> dict[str, str]:
    """Models by id: their checkpoint's member, or why there is no judging them."""
    return {
        model.id: str(model.fault) if model.fault else model.checkpoint.member if model.checkpoint else "no checkpoint"
        for model in run.models
    }
