"""Writing an archive: a training script's models, in a form that the reader accepts.

Checkpoints are packed as they are; ``services.packing`` opens them first.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_modelgate.adapters.archive.limits import DEFAULT_LIMITS
from pytest_modelgate.adapters.archive.names import MODELS_FOLDER, parse_key
from pytest_modelgate.adapters.archive.schema import SCHEMA
from pytest_modelgate.adapters.archive.summary import parse_summary
from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.meanings import plain_fact
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.training.run import Declared, ParityProbe
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain


@dataclass(frozen=True)
class ModelArtifact:
    """One trained model.

    Attributes:
        symbol: without a slash, ``UNIUSD``.
        timeframe: ``1Min``, ``5Min``, ``15Min``, ``30Min``, ``1Hour``, ``2Hour``, ``4Hour`` or ``1Day``.
        checkpoint: the .pt file, or its bytes. What ``pack_checkpoint`` declared in a .json file of the same name
            beside it is taken along.
        history: validation history of fitness_score, profit_factor, consistency and max_drawdown, oldest first; the
            latter two as fractions.
        training_window: first and last moment of its training data, where it differs from the run's.
        parity_probe: what the trainer computed for a few observations, so that the gate can prove it computes the same.
        policy: makes that probe, or gives a probe without observations what it lacks: a ``torch.nn.Module``, or a
            function of a float32 array of observations (n, obs_dim), that gives their logits (n, n_actions) as an array
            or a tensor.
        declared: what differs from the run's, or what its checkpoint does not say, by the names of a summary's fields:
            ``activation``, ``feature_set``, ``model_version``, ``lookback``, ``actions``, ``account`` and others, see
            docs/checkpoints.md. Actions may be ``Order`` and ``Target``, windows ``TrainingWindow``.
    """

    symbol: str
    timeframe: str
    checkpoint: bytes | Path
    history: Mapping[str, Sequence[float]]
    training_window: TrainingWindow | None = None
    parity_probe: ParityProbe | None = None
    policy: Callable[..., Any] | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Assembled:
    """An archive's members, before anything is written.

    Attributes:
        checkpoints: bytes by member.
        declared: what the reader will find declared of a model, by its checkpoint's member.
    """

    stamp: datetime
    summary: bytes
    checkpoints: Mapping[str, bytes]
    declared: Mapping[str, Declared]

    @staticmethod
    def member(model: ModelArtifact) -> str:
        """Name of a model's checkpoint in the archive."""
        return _member(f"{model.symbol}_{model.timeframe}")

    def write(self, path: Path) -> Path:
        """Write the zip, whole or not at all; in a folder it is named by its stamp."""
        target = path / f"Alpaca_trading_trained_{self.stamp:%Y%m%d_%H%M%S}.zip" if path.is_dir() else path
        write_atomically(target, _zip({_summary_name(self.stamp): self.summary, **self.checkpoints}, self.stamp))
        return target


def assemble(
    models: Iterable[ModelArtifact], location: str, trained_at: datetime, facts: Mapping[str, Any]
) -> Assembled:
    """Put an archive together; the same content gives the same bytes.

    Args:
        location: the archive, for messages.
        facts: what is declared for the whole run, as the summary's schema has it; None declares nothing.

    Raises:
        ArchiveError: the reader would refuse it.
    """
    if trained_at.tzinfo is None:
        raise ArchiveError(f"{location}, trained_at", "has no time zone", "Pass a datetime in UTC")
    stamp = trained_at.astimezone(UTC)
    entries, checkpoints = _collect(models, location)
    said = {name: plain_fact(value) for name, value in facts.items() if value is not None}
    probed = any("parity_probe" in entry for entry in entries.values())  # whose numbers nobody wants a line each for
    text = json.dumps({"schema": SCHEMA, **said, "models": entries}, indent=None if probed else 1) + "\n"
    declared = {}
    for entry in parse_summary(text.encode(), f"{location}, member {_summary_name(stamp)}", DEFAULT_LIMITS).entries:
        if entry.fault:
            raise ArchiveError(entry.fault.where, entry.fault.problem, entry.fault.remedy)
        declared[_member(entry.key)] = entry.declared
    return Assembled(stamp, text.encode(), checkpoints, declared)


def _summary_name(stamp: datetime) -> str:
    return f"training_summary_{stamp:%Y%m%d_%H%M%S}.json"


def _member(key: str) -> str:
    return f"{MODELS_FOLDER}/{key}.pt"


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
        entries[key] |= {name: plain_fact(value) for name, value in model.declared.items()}
        if model.training_window:
            entries[key]["training_window"] = plain_fact(model.training_window)
        if model.parity_probe:
            entries[key]["parity_probe"] = asdict(model.parity_probe)
        checkpoints[_member(key)] = content
    if not entries:
        raise ArchiveError(location, "would hold no model", "Pass at least one ModelArtifact")
    return entries, checkpoints


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
