"""What the gate would say of each model before it looks at the market: judged as what, or refused, and why."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_modelgate.adapters.archive import SUFFIXES, Archive, beside, declared_together, written_declaration
from pytest_modelgate.adapters.files.statistic_names import may_keep_observations, says_observations
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile, read_policy
from pytest_modelgate.core.backtest.candidate import check_width
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.integrity.parity import Parity, check_parity
from pytest_modelgate.core.policy.actions import action_name
from pytest_modelgate.core.policy.observations import trained_shape
from pytest_modelgate.core.training.gating import Classification, check_reward_scale, judge_training
from pytest_modelgate.core.training.run import TrainedModel
from pytest_modelgate.errors import CheckpointError, GateError
from pytest_modelgate.services.model_loader import ModelLoader
from pytest_modelgate.services.probes import make_probe

Policies = Callable[[str], Callable[..., Any] | None]

_DECLARE = 'write_archive(..., activation="tanh", feature_set="reference-v1")'
_PROBE = "ModelArtifact(..., policy=network)"
_WINDOW = "write_archive(..., training_window=TrainingWindow(first_bar, last_bar))"
_PACK = (
    "pack_checkpoint(network, path, n_features=..., window=..., activation=..., feature_set=..., model_version=...), "
    "or declared={...} instead of a version of the trainer's"
)
_TOLD = (
    "torch.onnx.export",
    '"modelgate.policy/1"',
    "pytest_modelgate.pack_checkpoint",
    "git lfs",
    "gunzip",
    "Download",
    "Copy it again",
)
_ARCHIVE = "write_archive(folder, [ModelArtifact(symbol, timeframe, path, history, policy=network)], trained_at=...)"
_ENTRY = "ModelArtifact(symbol=..., timeframe=..., checkpoint=..., history={metric: values, ...})"


@dataclass(frozen=True)
class ModelReport:
    """What would become of one model.

    Attributes:
        id: ``SYMBOL_TIMEFRAME``, or a file's name.
        judged_as: what is known of it, by name, in the order in which it is told.
        refusals: sentences of the gate; it would leave the model INCOMPLETE, or end with them.
        notes: what else the reader should know.
        lines: what a training script writes to mend it.
        sha256: digest of the checkpoint's bytes; None where they could not be read.
    """

    id: str
    judged_as: Mapping[str, str] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    sha256: str | None = None


def check_archive(
    archive: Archive,
    settings: Settings,
    profile: Profile,
    feature_sets: Mapping[str, FeatureSet],
    policies: Policies | None = None,
) -> Iterator[ModelReport]:
    """Report on the models of an archive, one after the other; of each no more than a copy is on disk at a time.

    Args:
        feature_sets: those that are known here; a project's own are not.
        policies: gives the trainer's own network by a model's id, see ``ModelArtifact.policy``, or None.
    """
    for model in archive.run.models:
        with TemporaryDirectory(prefix="modelgate-", ignore_cleanup_errors=True) as scratch:
            loader = ModelLoader(settings, archive, profile, lambda: feature_sets, Path(scratch))
            report = _check_model(model, loader, profile, feature_sets, policies)
        yield report


def is_model(path: Path) -> bool:
    """Whether a zip is a model by itself, as Stable-Baselines3 saves it, rather than the archive of a training run."""
    try:
        with zipfile.ZipFile(path) as file:
            return {"data", "policy.pth"} <= {*file.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        return False


def _is_beside(other: Path, path: Path) -> bool:
    """Whether a file may belong to a model: it begins with its name, or says statistics of observations by itself."""
    if other.name.startswith(f"{path.stem}."):
        return True
    models = (model.stem for model in path.parent.iterdir() if model.name.endswith(SUFFIXES) and model != path)
    theirs = any(other.name.startswith((f"{stem}.", f"{stem}_")) for stem in models)
    if other.name.endswith(SUFFIXES) or theirs:
        return False
    return (
        may_keep_observations(other.name) if other.name.startswith(f"{path.stem}_") else says_observations(other.name)
    )


def check_checkpoint(
    path: Path, settings: Settings, feature_sets: Mapping[str, FeatureSet], policies: Policies | None = None
) -> ModelReport:
    """Report on a checkpoint that lies in no archive: nobody but the file beside it says what it means.

    Args:
        policies: as of ``check_archive``; asked by the file's name without its ending.
    """
    report = ModelReport(path.name)
    location = f"checkpoint {path.name}"
    try:
        declared = written_declaration(declared_together({}, beside(path), location), location)[1]
        normaliser = path.with_name(declared.normaliser) if declared.normaliser else None
        if normaliser and not normaliser.is_file():
            problem = f"is {normaliser.name}, which does not lie beside it"
            raise CheckpointError(f"{location}, normaliser", problem, "Copy it there, or correct the declaration")
        file = PolicyFile(
            path,
            path.name,
            location,
            declared,
            {normaliser.name: normaliser} if normaliser else {},
            tuple(sorted(other.name for other in path.parent.glob("*") if other != path and _is_beside(other, path))),
            settings.activation,
            settings.feature_set,
            settings.model_version,
            settings.trainer_packages,
        )
        loaded = read_policy(builtin_formats(), file)
    except GateError as error:
        return _refused(report, error)
    note = "a checkpoint alone is judged nowhere: write_archive packs it with training metrics and a parity probe"
    checked = _check_policy(report, loaded, None, feature_sets, location)
    own = policies(path.stem) if policies else None
    if own is not None:
        checked = _with_own(checked, loaded, own, location)
    return replace(checked, notes=(*checked.notes, note), lines=(*checked.lines, _ARCHIVE))


def same_bytes(reports: Sequence[ModelReport]) -> list[tuple[str, ...]]:
    """Ids of models whose checkpoints are the same file, together."""
    by_digest: dict[str, list[str]] = {}
    for report in reports:
        if report.sha256:
            by_digest.setdefault(report.sha256, []).append(report.id)
    return [tuple(ids) for ids in by_digest.values() if len(ids) > 1]


def _check_model(
    model: TrainedModel,
    loader: ModelLoader,
    profile: Profile,
    feature_sets: Mapping[str, FeatureSet],
    policies: Policies | None,
) -> ModelReport:
    report, dropped = _check_training(model, profile)
    if model.declared.training_window is None:
        note = "no training window is declared: no fold counts as out-of-sample, so LIVE is out of reach"
        report = replace(report, notes=(*report.notes, note), lines=(*report.lines, _WINDOW))
    try:
        loaded, sha256 = loader.load(model)
    except GateError as error:
        return _told_if_dropped(_refused(report, error), dropped=dropped)
    location = f"checkpoint {model.checkpoint.member}" if model.checkpoint else ""
    report = replace(report, sha256=sha256)
    checked = _check_policy(report, loaded, model, feature_sets, location)
    own = policies(model.id) if policies else None
    if own is not None and not checked.refusals:
        checked = _with_own(checked, loaded, own, location)
    return _told_if_dropped(checked, dropped=dropped)


def _check_training(model: TrainedModel, profile: Profile) -> tuple[ModelReport, bool]:
    """What the training metrics say, and whether they drop the model."""
    report = ModelReport(model.id, {"timeframe": model.timeframe.value})
    try:
        check_reward_scale(model.id, model.declared, profile)
        if model.fault is not None:  # which the gate tells where it wants to load the model
            return report, False
        if model.history is None:
            refusal = "INCOMPLETE: the training summary has no entry for this checkpoint"
            return replace(report, refusals=(refusal,), lines=(_ENTRY,)), False
        gating = judge_training(model.history, profile, model.declared)
    except GateError as error:
        return replace(report, refusals=(str(error),)), False
    said = "; ".join((str(gating.classification), *gating.findings))
    told = replace(report, judged_as={**report.judged_as, "training metrics": said}, notes=gating.warnings)
    return told, gating.classification is Classification.DROP


def _check_policy(
    report: ModelReport,
    loaded: LoadedPolicy,
    model: TrainedModel | None,
    feature_sets: Mapping[str, FeatureSet],
    location: str,
) -> ModelReport:
    """What is said of a checkpoint that was read.

    Args:
        model: what the archive says of it; None where it lies in none.
    """
    known = feature_sets.get(loaded.feature_set)
    notes = (*report.notes, *loaded.notes)
    report = replace(report, judged_as={**_described(loaded), **report.judged_as}, notes=notes)
    if known is None:
        hook = "register it in conftest.py with the hook pytest_modelgate_feature_sets, where the gate finds it"
        note = f"feature set {loaded.feature_set!r} is not known here; {hook}"
        report = replace(report, notes=(*report.notes, note))
    else:
        try:
            check_width(loaded.policy, len(known.columns))
        except CheckpointError as error:
            report = _refused(report, error)
    if model is None:
        return report
    try:
        parity = check_parity(loaded.policy, model.declared.parity_probe, known, location)
    except CheckpointError as error:
        said = {**report.judged_as, "parity": "differs"}
        return _refused(replace(report, judged_as=said), error)
    return _with_parity(report, parity)


def _with_own(report: ModelReport, loaded: LoadedPolicy, own: Callable[..., Any], location: str) -> ModelReport:
    """The report, with the trainer's own network held against what the gate computes."""
    policy = loaded.policy
    try:
        parity = check_parity(policy, make_probe(own, *trained_shape(policy), location), None, location)
    except CheckpointError as error:
        return _refused(replace(report, judged_as={**report.judged_as, "your network": "differs"}), error)
    return replace(report, judged_as={**report.judged_as, "your network": f"{parity.status}: {parity.detail}"})


def _with_parity(report: ModelReport, parity: Parity) -> ModelReport:
    said = {**report.judged_as, "parity": f"{parity.status}: {parity.detail}"}
    if parity.status == "proven":
        return replace(report, judged_as=said)
    note = "parity with the trainer is unproven, which allows PAPER at most"
    return replace(report, judged_as=said, notes=(*report.notes, note), lines=(*report.lines, _PROBE))


def _described(loaded: LoadedPolicy) -> dict[str, str]:
    policy = loaded.policy
    n_features = policy.n_market + len(policy.account)
    return {
        "generation": loaded.model_version or "none of the trainer's",
        "observation": f"{policy.lookback} bar{'s' if policy.lookback > 1 else ''} of {n_features} features",
        "account features": ", ".join(feature.name for feature in policy.account) or "none",
        "actions": ", ".join(map(action_name, policy.actions)),
        "layers": " > ".join(loaded.layers) or "not known",
        "hidden": ", ".join(map(str, loaded.hidden)) or "none",
        "activation": loaded.activation or "not known",
        "feature set": loaded.feature_set,
    }


def _refused(report: ModelReport, error: GateError) -> ModelReport:
    """The report with the gate's sentence, and what to write so that it does not come to it."""
    refusals = (*report.refusals, str(error))
    if error.where.startswith("archive ") or any(words in error.remedy for words in _TOLD):
        return replace(report, refusals=refusals)  # the sentence itself shows what to do
    if error.where.endswith((", activation", ", feature set")):
        line = _DECLARE
    else:
        line = _PROBE if ", parity probe" in error.where else _PACK
    return replace(report, refusals=refusals, lines=(*report.lines, line))


def _told_if_dropped(report: ModelReport, *, dropped: bool) -> ModelReport:
    """What the training metrics drop is decided without its checkpoint: nothing about that refuses it."""
    if not dropped:
        return report
    said = tuple(f"not looked at, since the training metrics drop it: {sentence}" for sentence in report.refusals)
    return replace(report, refusals=(), notes=(*report.notes, *said))


def history_needed(archive: Archive, settings: Settings, profile: Profile) -> Mapping[str, int]:
    """How many bars each model of an archive needs before it can be judged, by id: for features and an observation.

    Of a feature set that is not known here, and of a checkpoint that cannot be used, nothing is counted: the gate says
    what is to be said of them.
    """
    needed = {}
    for model in archive.run.models:
        with TemporaryDirectory(prefix="modelgate-", ignore_cleanup_errors=True) as scratch:
            try:
                loaded, _ = ModelLoader(settings, archive, profile, dict, Path(scratch)).load(model)
            except GateError:
                continue
        warmup = REFERENCE.warmup if loaded.feature_set == REFERENCE.name else 0
        needed[model.id] = warmup + loaded.policy.lookback - 1
    return needed
