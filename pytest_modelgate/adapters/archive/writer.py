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

NORMALISER = ".vecnormalize.pkl"


@dataclass(frozen=True)
class ModelArtifact:
    """One trained model.

    Attributes:
        symbol: without a slash, ``UNIUSD``.
        timeframe: ``1Min``, ``5Min``, ``15Min``, ``30Min``, ``1Hour``, ``2Hour``, ``4Hour`` or ``1Day``.
        checkpoint: the model's file, or its bytes. What a .json file of the same name beside it declares, as
            ``pack_checkpoint`` does, is taken along, and the normaliser that it names.
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
        normaliser: a file with statistics of observations that belongs to the model, such as the pickle that
            ``VecNormalize.save`` writes, or its bytes.
        suffix: ending of the model's file in the archive; by default that of ``checkpoint``, of bytes that of the
            format.
    """

    symbol: str
    timeframe: str
    checkpoint: bytes | Path
    history: Mapping[str, Sequence[float]]
    training_window: TrainingWindow | None = None
    parity_probe: ParityProbe | None = None
    policy: Callable[..., Any] | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    normaliser: bytes | Path | None = None
    suffix: str | None = None

    @property
    def member(self) -> str:
        """Name of its file in the archive."""
        suffix = self.checkpoint.suffix if self.suffix is None and isinstance(self.checkpoint, Path) else self.suffix
        return f"{MODELS_FOLDER}/{self.symbol}_{self.timeframe}{suffix or '.pt'}"

    @property
    def normaliser_member(self) -> str:
        """Name of its normaliser in the archive, if it has one."""
        return f"{MODELS_FOLDER}/{self.symbol}_{self.timeframe}{NORMALISER}"


@dataclass(frozen=True)
class Assembled:
    """An archive's members, before anything is written.

    Attributes:
        checkpoints: bytes by member, normalisers included.
        declared: what the reader will find declared of a model, by ``SYMBOL_TIMEFRAME``.
    """

    stamp: datetime
    summary: bytes
    checkpoints: Mapping[str, bytes]
    declared: Mapping[str, Declared]

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
        declared[entry.key] = entry.declared
    return Assembled(stamp, text.encode(), checkpoints, declared)


def _summary_name(stamp: datetime) -> str:
    return f"training_summary_{stamp:%Y%m%d_%H%M%S}.json"


def _collect(models: Iterable[ModelArtifact], location: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Summary entries and checkpoint members by name, sorted."""
    entries: dict[str, Any] = {}
    checkpoints: dict[str, bytes] = {}
    for model in sorted(models, key=lambda model: (model.symbol, model.timeframe)):
        key = f"{model.symbol}_{model.timeframe}"
        parse_key(key, location)
        if key in entries:
            raise ArchiveError(f"{location}, {plain(key)}", "is given twice", "Pass each symbol and timeframe once")
        contents = {model.member: _content(model.checkpoint)}
        if model.normaliser is not None:
            contents[model.normaliser_member] = _content(model.normaliser)
        for content in contents.values():
            if len(content) > DEFAULT_LIMITS.model_bytes:
                problem = f"its checkpoint holds {len(content)} bytes, expected at most {DEFAULT_LIMITS.model_bytes}"
                raise ArchiveError(f"{location}, {plain(key)}", problem, "Leave out the optimizer's state")
        entries[key] = {metric: [float(value) for value in values] for metric, values in model.history.items()}
        entries[key] |= {name: plain_fact(value) for name, value in model.declared.items()}
        if model.training_window:
            entries[key]["training_window"] = plain_fact(model.training_window)
        if model.parity_probe:
            entries[key]["parity_probe"] = asdict(model.parity_probe)
        if model.normaliser is not None:
            entries[key]["normaliser"] = model.normaliser_member.rpartition("/")[2]
        checkpoints |= contents
    if not entries:
        raise ArchiveError(location, "would hold no model", "Pass at least one ModelArtifact")
    return entries, checkpoints


def _content(given: bytes | Path) -> bytes:
    return given.read_bytes() if isinstance(given, Path) else given


def _zip(members: Mapping[str, bytes], moment: datetime) -> bytes:
    """A zip whose bytes depend on nothing but its content and that moment."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, moment.timetuple()[:6])
            info.create_system, info.external_attr = 3, 0o644 << 16
            # Floats hardly shrink, and whoever reads would unpack them for longer than it takes to judge the model.
            info.compress_type = zipfile.ZIP_STORED if name.startswith(MODELS_FOLDER) else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()
