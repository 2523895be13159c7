"""Writing an archive: a training script's models, in a form that the reader accepts."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_modelgate.adapters.archive.limits import DEFAULT_LIMITS
from pytest_modelgate.adapters.archive.names import MODELS_FOLDER, parse_key
from pytest_modelgate.adapters.archive.schema import SCHEMA
from pytest_modelgate.adapters.archive.summary import parse_summary
from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.training.run import ParityProbe
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain


@dataclass(frozen=True)
class ModelArtifact:
    """One trained model.

    Attributes:
        symbol: without a slash, ``UNIUSD``.
        timeframe: ``15Min``, ``1Hour``, ``4Hour`` or ``1Day``.
        checkpoint: the .pt file, or its bytes.
        history: validation history of fitness_score, profit_factor, consistency and max_drawdown, oldest first; the
            latter two as fractions.
        training_window: first and last moment of its training data, where it differs from the run's.
        parity_probe: what the trainer computed for a few observations, so that the gate can prove it computes the same.
    """

    symbol: str
    timeframe: str
    checkpoint: bytes | Path
    history: Mapping[str, Sequence[float]]
    training_window: TrainingWindow | None = None
    parity_probe: ParityProbe | None = None


def write_archive(
    path: Path,
    models: Iterable[ModelArtifact],
    *,
    trained_at: datetime,
    training_window: TrainingWindow | None = None,
    reward_scale: float | None = None,
    validation_interval: int | None = None,
    feature_set: str | None = None,
    account_mode: str | None = None,
    activation: str | None = None,
    trainer_version: str | None = None,
) -> Path:
    """Write an archive, whole or not at all; the same content gives the same bytes.

    Args:
        path: the zip to write, or a folder in which it is named ``Alpaca_trading_trained_YYYYMMDD_HHMMSS.zip``.
        models: at least one.
        trained_at: when training ended; needs a time zone.
        training_window: first and last moment of the training data (UTC); without it no fold counts as out-of-sample.
        reward_scale: what the drawdown limits of a profile are calibrated for.
        validation_interval: training updates between two validations.
        feature_set: name of the market features, for example ``reference-v1``.
        account_mode: ``neutral`` or ``tracked``.
        activation: between the layers, for example ``tanh``.
        trainer_version: for the record.

    Returns:
        The zip's path.

    Raises:
        ArchiveError: the gate would refuse what is to be written; nothing is written then.
    """
    location = f"archive {path}"
    if trained_at.tzinfo is None:
        raise ArchiveError(f"{location}, trained_at", "has no time zone", "Pass a datetime in UTC")
    stamp = trained_at.astimezone(UTC)
    entries, checkpoints = _collect(models, location)
    facts = {
        "trainer_version": trainer_version,
        "reward_scale": reward_scale,
        "validation_interval": validation_interval,
        "feature_set": feature_set,
        "account_mode": account_mode,
        "activation": activation,
        "training_window": _window(training_window),
    }
    said = {name: value for name, value in facts.items() if value is not None}
    text = json.dumps({"schema": SCHEMA, **said, "models": entries}, indent=1) + "\n"
    name = f"training_summary_{stamp:%Y%m%d_%H%M%S}.json"
    for entry in parse_summary(text.encode(), f"{location}, member {name}", DEFAULT_LIMITS).entries:
        if entry.fault:
            raise ArchiveError(entry.fault.where, entry.fault.problem, entry.fault.remedy)
    target = path / f"Alpaca_trading_trained_{stamp:%Y%m%d_%H%M%S}.zip" if path.is_dir() else path
    write_atomically(target, _zip({name: text.encode(), **checkpoints}, stamp))
    return target


def _collect(models: Iterable[ModelArtifact], location: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Summary entries and checkpoint members by name, sorted."""
    entries: dict[str, Any] = {}
    checkpoints: dict[str, bytes] = {}
    for model in sorted(models, key=lambda model: (model.symbol, model.timeframe)):
        key = f"{model.symbol}_{model.timeframe}"
        parse_key(key, location)
        if key in entries:
            raise ArchiveError(f"{location}, {plain(key)}", "is given twice", "Pass each symbol and timeframe once")
        content = model.checkpoint.read_bytes() if isinstance(model.checkpoint, Path) else model.checkpoint
        if len(content) > DEFAULT_LIMITS.model_bytes:
            problem = f"its checkpoint holds {len(content)} bytes, expected at most {DEFAULT_LIMITS.model_bytes}"
            raise ArchiveError(f"{location}, {plain(key)}", problem, "Leave out the optimizer's state")
        entries[key] = {metric: [float(value) for value in values] for metric, values in model.history.items()}
        if model.training_window:
            entries[key]["training_window"] = _window(model.training_window)
        if model.parity_probe:
            entries[key]["parity_probe"] = asdict(model.parity_probe)
        checkpoints[f"{MODELS_FOLDER}/{key}.pt"] = content
    if not entries:
        raise ArchiveError(location, "would hold no model", "Pass at least one ModelArtifact")
    return entries, checkpoints


def _window(window: TrainingWindow | None) -> dict[str, str] | None:
    return {"start": window.start.isoformat(), "end": window.end.isoformat()} if window else None


def _zip(members: Mapping[str, bytes], moment: datetime) -> bytes:
    """A zip whose bytes depend on nothing but its content and that moment."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, moment.timetuple()[:6])
            info.create_system, info.external_attr = 3, 0o644 << 16
            # Floats hardly shrink, and whoever reads would unpack them for longer than it takes to judge the model.
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".pt") else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()
