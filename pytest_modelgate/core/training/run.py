"""Facts of a training run and its models, as an archive declares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

import pandas as pd

from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.policy.account_features import Encoding, Measure
from pytest_modelgate.core.policy.actions import Action
from pytest_modelgate.errors import CheckpointError, GateError

METRICS = ("fitness_score", "profit_factor", "consistency", "max_drawdown")


@dataclass(frozen=True)
class ParityProbe:
    """Outputs of the trainer itself, so that the gate can prove it runs the same function.

    Attributes:
        observations: (probes, obs_dim) inputs of the policy.
        logits: (probes, n_actions) outputs the trainer got for them.
        bars: rows of (epoch seconds UTC, open, high, low, close, volume), oldest first; may be empty.
        features: (m, market features) the trainer computed for the last m of ``bars``; may be empty.
    """

    observations: tuple[tuple[float, ...], ...] = ()
    logits: tuple[tuple[float, ...], ...] = ()
    bars: tuple[tuple[float, ...], ...] = ()
    features: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class DeclaredFeature:
    """An account feature as an archive declares it; None leaves it to the generation.

    Attributes:
        name: what is measured.
        place: column in a row of the observation; negative ones count from its end.
        neutral: what the live trader feeds, encoded.
    """

    name: Measure
    place: int
    neutral: float | None = None
    encoding: Encoding | None = None


@dataclass(frozen=True)
class Declared:
    """Optional facts a training summary may declare; None means it says nothing.

    Attributes:
        selection_window: data on which the trainer chose the checkpoint among those that training passed through.
        choice: which checkpoint was chosen, and why, in the trainer's words made fit for messages.
        format: name of the format of the model's file.
        normaliser: name of the file beside it with statistics of observations.
        observation: parts of a flat observation in their order: ``market`` for all its rows, names of account features.
    """

    training_window: TrainingWindow | None = None
    reward_scale: float | None = None
    validation_interval: int | None = None
    feature_set: str | None = None
    account_mode: Literal["neutral", "tracked"] | None = None
    activation: str | None = None
    trainer_version: str | None = None
    parity_probe: ParityProbe | None = None
    model_version: str | None = None
    lookback: int | None = None
    actions: tuple[Action, ...] | None = None
    account: tuple[DeclaredFeature, ...] | None = None
    bar_origin: pd.Timestamp | None = None
    selection_window: TrainingWindow | None = None
    choice: str | None = None
    format: str | None = None
    normaliser: str | None = None
    observation: tuple[str, ...] | None = None

    @property
    def meanings(self) -> list[object]:
        """What is said of the meaning of a checkpoint's numbers, in plain values."""
        actions = None if self.actions is None else [asdict(action) for action in self.actions]
        account = None if self.account is None else [asdict(feature) for feature in self.account]
        of_file = [self.format, self.normaliser, self.observation]
        return [self.model_version, self.lookback, actions, account, *(of_file if any(of_file) else [])]

    @property
    def bar_starts(self) -> list[pd.Timestamp]:
        """Moments at which bars of the trainer began (UTC): the declared one, then those of the parity probe."""
        told = [] if self.bar_origin is None else [self.bar_origin]
        bars = self.parity_probe.bars if self.parity_probe else ()
        return told + [pd.Timestamp(row[0], unit="s", tz="UTC") for row in bars]

    @property
    def seen(self) -> TrainingWindow | None:
        """All data that shaped the model: trained on, or chosen by; None without a declared training window."""
        training, selection = self.training_window, self.selection_window
        if training is None or selection is None:
            return training
        return TrainingWindow(min(training.start, selection.start), max(training.end, selection.end))


@dataclass(frozen=True)
class CheckpointRef:
    """A checkpoint inside its archive.

    Attributes:
        member: the archive's own name for it; a key into the archive and a text to show, never a path to open.
        size: bytes.
        sha256: what the trainer says its digest is; None when it says nothing.
        declaration: member beside it of the same name that ends in ``.json``; None when there is none.
        stem: its file name without the ending of its format, and so what the names of files that belong to it begin
            with; empty where it has none.
        beside: file names of what lies beside it, the declaration apart, that begin with that and a dot, or that may
            keep statistics of observations and are no other model's; a few.
        normaliser: member with the statistics of observations that are declared; None when none are.
    """

    member: str
    size: int
    sha256: str | None = None
    declaration: str | None = None
    stem: str = ""
    beside: tuple[str, ...] = ()
    normaliser: str | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """All that the model is made of."""
        return (self.member, self.normaliser) if self.normaliser else (self.member,)

    @property
    def suffix(self) -> str:
        """Ending of its file name."""
        return self.member.rpartition("/")[2].removeprefix(self.stem)


@dataclass(frozen=True)
class Fault:
    """Why one model of an archive cannot be judged, whatever else is known of it; its siblings are.

    Attributes:
        where, problem, remedy: as of ``GateError``.
    """

    where: str
    problem: str
    remedy: str

    @classmethod
    def of(cls, error: GateError) -> Fault:
        """The fault that an error tells of."""
        return cls(error.where, error.problem, error.remedy)

    @property
    def error(self) -> CheckpointError:
        """The error to raise where evidence of the model is asked for."""
        return CheckpointError(self.where, self.problem, self.remedy)

    def __str__(self) -> str:
        return str(self.error)


@dataclass(frozen=True)
class TrainedModel:
    """One symbol and timeframe of a training run.

    Attributes:
        instrument: what it trades.
        timeframe: its bar size.
        history: validation history per metric of METRICS, oldest first, each non-empty; values may be NaN or
            infinite when training diverged. None when the summary has no entry for this checkpoint, or none that can
            be read.
        checkpoint: None when the archive holds no checkpoint for this summary entry.
        fault: why it cannot be judged; None when nothing is known to speak against it.
        name: what the archive calls it where that tells no timeframe, or an unknown one: ``timeframe`` means nothing
            then, and ``fault`` says why. Empty otherwise.
    """

    instrument: Instrument
    timeframe: Timeframe
    history: Mapping[str, tuple[float, ...]] | None
    checkpoint: CheckpointRef | None
    declared: Declared = field(default_factory=Declared)
    fault: Fault | None = None
    name: str = ""

    @property
    def id(self) -> str:
        """``SYMBOL_TIMEFRAME``, as in file names and test ids."""
        return self.name or f"{self.instrument.symbol}_{self.timeframe}"


@dataclass(frozen=True)
class TrainingRun:
    """A whole archive.

    Attributes:
        name: file or folder name.
        timestamp: when training ended (UTC), from the archive's or the summary's name, or as a manifest says; None when
            nothing does.
        models: sorted by id.
        warnings: sentences about what lies in the archive and is no model.
    """

    name: str
    timestamp: pd.Timestamp | None
    models: tuple[TrainedModel, ...]
    warnings: tuple[str, ...] = ()
