"""Archives and checkpoints written by a training script: each opened as the gate will, before anything is in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_modelgate.adapters.archive import (
    ModelArtifact,
    assemble,
    beside,
    declared_together,
    written_declaration,
)
from pytest_modelgate.adapters.checkpoint_writer import save_checkpoint
from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.formats.trainer import TrainerFormat
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile, PolicyFormat, read_policy, suffixes_of
from pytest_modelgate.core.backtest.candidate import check_width
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.integrity.parity import check_parity
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.policy.observations import trained_shape
from pytest_modelgate.core.training.run import ParityProbe
from pytest_modelgate.services.probes import make_probe
from pytest_modelgate.text import plain

TRAINER_PACKAGES = ("alpaca_trading",)


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
    selection_window: TrainingWindow | None = None,
    bar_origin: datetime | None = None,
    trainer_packages: Sequence[str] = TRAINER_PACKAGES,
    format: str | None = None,  # noqa: A002 - as SYMBOL_TIMEFRAME.json calls it
    formats: Sequence[PolicyFormat] = (),
) -> Path:
    """Write an archive, whole or not at all; the same content gives the same bytes.

    Every checkpoint is opened as the gate will open it. Where ``ModelArtifact.policy`` is given, it makes the parity
    probe, of which bars and features may be given beside it. A probe, made or given, is held against what the gate
    computes.

    Args:
        path: the zip to write, or a folder in which it is named ``Alpaca_trading_trained_YYYYMMDD_HHMMSS.zip``.
        models: at least one.
        trained_at: when training ended; needs a time zone.
        training_window: first and last moment of the training data (UTC); without it no fold counts as out-of-sample.
        reward_scale: what the drawdown limits of a profile are calibrated for.
        validation_interval: training updates between two validations.
        feature_set: name of the market features, for example ``reference-v1``. Features recorded in a probe are
            compared where it is one of the gate's own.
        account_mode: ``neutral`` or ``tracked``.
        activation: between the layers, for example ``tanh``.
        trainer_version: for the record.
        selection_window: first and last moment of the data by which checkpoints were chosen (UTC), as validations are.
        bar_origin: a moment at which a bar began (with a zone), where bars were put together from shorter ones.
        trainer_packages: whose config classes a checkpoint may name, as ``--gate-trainer-package`` will tell the gate.
        format: of the models' files, for example ``sb3``; by default each file's ending tells it.
        formats: further ones that the project registers with the hook ``pytest_modelgate_policies``.

    Returns:
        The zip's path.

    Raises:
        ArchiveError: the gate would refuse what is to be written; nothing is written then.
        CheckpointError: it would refuse a model's checkpoint, or computes something else than the model's probe or
            policy; nothing is written then.
    """
    facts = {
        "trainer_version": trainer_version,
        "reward_scale": reward_scale,
        "validation_interval": validation_interval,
        "feature_set": feature_set,
        "account_mode": account_mode,
        "activation": activation,
        "training_window": training_window,
        "selection_window": selection_window,
        "bar_origin": bar_origin,
        "format": format,
    }
    location, known = f"archive {path}", (*builtin_formats(), *formats)
    read = [_read(model, location, format, known) for model in models]
    unprobed = [model if model.policy is None else replace(model, parity_probe=None) for model in read]
    assembled = assemble(unprobed, location, trained_at, facts)
    probed = []
    with TemporaryDirectory(prefix="modelgate-") as scratch:
        for model in read:
            member, name = model.member, model.member.rpartition("/")[2]
            copy = Path(scratch) / "model"  # one after the other: they are large
            copy.write_bytes(assembled.checkpoints[member])
            siblings = {}
            if model.normaliser is not None:
                siblings[model.normaliser_member.rpartition("/")[2]] = beside_it = Path(scratch) / "normaliser"
                beside_it.write_bytes(assembled.checkpoints[model.normaliser_member])
            said, where = assembled.declared[f"{model.symbol}_{model.timeframe}"], f"checkpoint {member}"
            file = PolicyFile(copy, name, where, said, siblings, trainer_packages=tuple(trainer_packages))
            loaded = read_policy(known, file)
            probed.append(replace(model, parity_probe=_probe(model, loaded, where)))
            del loaded  # which is mapped from the copy
            copy.unlink()
    return assemble(probed, location, trained_at, facts).write(path)


def pack_checkpoint(
    policy: object,
    path: Path,
    *,
    n_features: int,
    window: int,
    activation: str,
    feature_set: str,
    model_version: str | None = None,
    action_meanings: Sequence[str] | None = None,
    obs_rms: Mapping[str, Any] | None = None,
    min_trader_version: str | None = None,
    config: Mapping[str, Any] | None = None,
    declared: Mapping[str, Any] | None = None,
) -> Path:
    """Write a checkpoint that the gate reads, whole or not at all; the same policy gives the same function.

    Args:
        policy: a ``torch.nn.Module``, or its state dict of tensors or numpy arrays, with layers that lead from the
            observation to one logit per action. Parameters of a critic may be among them.
        path: the .pt file to write; its folder is made as needed.
        n_features: per bar, account features included.
        window: bars per observation.
        activation: between the layers, for example ``tanh``.
        feature_set: name of the market features, for example ``reference-v1``.
        model_version: the generation, such as ``2.7.0``, which says what account features and actions there are;
            without one ``declared`` says it.
        action_meanings: names of the actions in the order of the logits, held against the generation's, or what is
            declared.
        obs_rms: statistics by which observations were normalised: ``mean``, ``var``, ``epsilon`` and ``clip_obs``, see
            docs/checkpoints.md.
        min_trader_version: for the record.
        config: further plain values that the trainer wants to keep.
        declared: what the generation does not tell, such as ``actions`` and ``account``, see docs/checkpoints.md; it is
            written into a file of the same name that ends in ``.json``, which ``write_archive`` takes along.

    Returns:
        ``path``.

    Raises:
        CheckpointError: ``policy`` is something else, ``config`` holds what is no plain value, or the gate would refuse
            the file; nothing is written then.
    """
    location = f"checkpoint {plain(path.name)}"
    text, said = written_declaration(declared or {}, location)
    meanings = action_meanings if action_meanings is not None else said.actions
    facts = {
        "model_version": model_version,
        "n_actions": None if meanings is None else len(meanings),
        "action_meanings": None if action_meanings is None else dict(enumerate(action_meanings)),
        "obs_rms": None if obs_rms is None else _plain_statistics(obs_rms),
        "min_trader_version": min_trader_version,
    }
    contents = {
        "config": {**(config or {}), "activation": activation, "feature_set": feature_set},
        "n_features": n_features,
        "obs_dim": n_features * window,
        **{name: value for name, value in facts.items() if value is not None},
    }

    def check(written: Path) -> None:
        """Read what was written as the gate will."""
        _known(TrainerFormat().read(PolicyFile(written, path.name, location, said)))

    save_checkpoint(policy, contents, path, location, check)
    if declared:
        write_atomically(path.with_suffix(".json"), text)
    return path


def _read(model: ModelArtifact, location: str, usual: str | None, formats: Sequence[PolicyFormat]) -> ModelArtifact:
    """The model with its files' bytes, read once, with what is declared beside it, and the ending of its format.

    Args:
        usual: format of models that declare none.
    """
    said, path = None, model.checkpoint if isinstance(model.checkpoint, Path) else None
    if path is not None:
        said, location = beside(path), f"{location}, {plain(path.stem)}.json"
    declared = declared_together(model.declared, said, location)
    normaliser = model.normaliser
    if path is not None and normaliser is None and "normaliser" in declared:
        normaliser = path.parent / Path(str(declared["normaliser"])).name
    name = declared.get("format", usual)
    suffixes = next((item.suffixes for item in formats if item.name == name), suffixes_of(formats))
    own = path.suffix if path is not None and path.suffix in suffixes else suffixes[0]
    return replace(
        model,
        checkpoint=_bytes(model.checkpoint),
        normaliser=None if normaliser is None else _bytes(normaliser),
        declared={key: value for key, value in declared.items() if key != "normaliser"},
        suffix=model.suffix or own,
    )


def _bytes(given: bytes | Path) -> bytes:
    return given.read_bytes() if isinstance(given, Path) else given


def _plain_statistics(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors, arrays and numpy's numbers as lists and numbers of Python, which every trader's torch can load."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in statistics.items()}


def _probe(model: ModelArtifact, loaded: LoadedPolicy, location: str) -> ParityProbe | None:
    """The model's probe, given or made; refused where the gate would compute something else."""
    known = _known(loaded)
    probe = model.parity_probe
    if model.policy is not None and (probe is None or not probe.observations):
        made = make_probe(model.policy, *trained_shape(loaded.policy), location)
        probe = made if probe is None else replace(made, bars=probe.bars, features=probe.features)
    check_parity(loaded.policy, probe, known, location)
    return probe


def _known(loaded: LoadedPolicy) -> FeatureSet | None:
    """The feature set if it is the gate's own, whose width the policy must have; None where a project registers it."""
    if loaded.feature_set != REFERENCE.name:
        return None
    check_width(loaded.policy, len(REFERENCE.columns))
    return REFERENCE
