"""Archives and the verdicts about them, for promotions: the gate's own format, decisions made up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from support.archives import pack_unopened

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.verdict.schema import CheckpointPart, ModelPart, Verdict
from pytest_modelgate.adapters.verdict.writer import digest, seal, write_verdict
from pytest_modelgate.core.features.reference import REFERENCE

TRAINED = datetime(2026, 3, 1, tzinfo=UTC)
WRITTEN = datetime(2026, 3, 2, 12, tzinfo=UTC)
HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
WORTHY = ("PAPER", "LIVE")


def archive_of(folder: Path, models: Mapping[str, bytes], **facts: Any) -> Path:
    """An archive of checkpoints by SYMBOL; their bytes need be no checkpoint's. ``facts`` as of ``ModelArtifact``."""
    artifacts = [ModelArtifact(symbol, "1Hour", content, HISTORY, **facts) for symbol, content in models.items()]
    return pack_unopened(folder, artifacts, trained_at=TRAINED)


def verdict_of(archive: Path, decisions: Mapping[str, str], path: Path, **changes: Any) -> Path:
    """A complete verdict about an archive, decisions by SYMBOL; ``changes`` replace parts before it is sealed."""
    with open_archive(archive) as opened:
        digests = {model.instrument.symbol: _checkpoint(opened, model) for model in opened.run.models}
        archive_sha256 = opened.sha256()
    profile = load_profile("2.4.5")
    models = [_model(symbol, decision, digests[symbol]) for symbol, decision in sorted(decisions.items())]
    body = {
        "schema": "modelgate.verdict/1",
        "archive": {"name": archive.name, "sha256": archive_sha256, "timestamp": TRAINED.isoformat()},
        "settings": {
            "version": version("pytest-modelgate"),
            "as_of": TRAINED.isoformat(),
            "require": "PAPER",
            "decision": "proven",
        },
        "profile": {"name": profile.name, "sha256": profile.sha256},
        "trials": 1,
        "waivers": [],
        "market_data": [],
        "models": models,
        "complete": True,
        "promotable": [model["id"] for model in models if model["decision"] in WORTHY],
    }
    return write(path, {**body, **changes})


def released(archive: Path, symbols: Iterable[str], path: Path, at: datetime) -> Path:
    """A verdict that releases models of ``model_factory`` for PAPER, judged and written at a moment."""
    body = json.loads(verdict_of(archive, dict.fromkeys(symbols, "PAPER"), path).read_text())
    for model in body["models"]:
        model["checkpoint"] |= {"feature_set": REFERENCE.name, "activation": "tanh"}
        model["account_mode"] = "neutral"
    body["settings"]["as_of"] = body["run"]["written"] = at.isoformat()
    return write(path, body)


def write(path: Path, body: Mapping[str, Any]) -> Path:
    """Seal a verdict and write it, as the gate does."""
    run = {"written": WRITTEN.isoformat(), **body.get("run", {})}
    verdict = Verdict.model_validate({**body, "digest": "0" * 64, "run": run})
    verdict = verdict.model_copy(update={"digest": digest(verdict.model_dump(mode="json"))})
    run.pop("seal", None)
    sealed = verdict.model_copy(update={"run": run})
    write_verdict(path, sealed.model_copy(update={"run": run | {"seal": seal(sealed.model_dump(mode="json"))}}))
    return path


def shown(folder: Path) -> dict[str, str]:
    """What a trader finds in a folder: digest of each checkpoint, by name."""
    found = (path for path in folder.glob("*.pt") if path.is_file())
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in found}


def digests_of(models: Mapping[str, bytes]) -> dict[str, str]:
    """What ``shown`` gives when these are in force."""
    return {f"{symbol}_1Hour.pt": sha256(content).hexdigest() for symbol, content in models.items()}


def _checkpoint(archive: Any, model: Any) -> dict[str, Any]:
    content = b"".join(archive._source.chunks(model.checkpoint.member))
    known = {"member": model.checkpoint.member, "sha256": sha256(content).hexdigest()}
    if model.checkpoint.normaliser:
        normaliser = b"".join(archive._source.chunks(model.checkpoint.normaliser))
        known |= {
            "normaliser": model.checkpoint.normaliser,
            "normaliser_sha256": sha256(normaliser).hexdigest(),
            "format": "sb3",
        }
    return known


def _model(symbol: str, decision: str, checkpoint: Mapping[str, str]) -> dict[str, Any]:
    lists = ("folds", "reasons", "warnings", "proofs", "integrity", "limits")
    facts: dict[str, Any] = {name: [] if name in lists else None for name in ModelPart.model_fields}
    identity = {"id": f"{symbol}_1Hour", "symbol": symbol, "timeframe": "1Hour", "decision": decision}
    return facts | identity | {"checkpoint": dict.fromkeys(CheckpointPart.model_fields) | dict(checkpoint)}
