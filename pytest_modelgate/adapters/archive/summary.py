"""The training summary: its schema, what it means, and what is wrong with one that does not fit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NoReturn, Self

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pytest_modelgate.adapters.archive.container import Limits
from pytest_modelgate.adapters.archive.names import parse_key, plain, shown
from pytest_modelgate.adapters.archive.problems import tell
from pytest_modelgate.adapters.archive.strict_json import parse_json
from pytest_modelgate.core.bars import Instrument, Timeframe
from pytest_modelgate.core.training_run import METRICS, Declared, ParityProbe, TrainingWindow
from pytest_modelgate.errors import ArchiveError

SCHEMA = "modelgate.training_summary/1"


def _refuse(problem: str, remedy: str) -> NoReturn:
    raise PydanticCustomError("modelgate", "{problem}", {"problem": problem, "remedy": remedy})


def _fraction(value: float) -> float:
    if math.isfinite(value) and not 0 <= value <= 1:
        problem = f"is {value!r}, expected a fraction from 0 to 1"
        _refuse(problem, "Write fractions, not percent: 8 % is 0.08")
    return value


def _not_negative(value: float) -> float:
    if math.isfinite(value) and value < 0:
        problem = f"is {value!r}, expected gross profit over gross loss, which is never negative"
        _refuse(problem, "Write the loss as a positive number before dividing")
    return value


def _moment(value: object) -> datetime:
    remedy = "Write it like 2024-12-27T00:00:00+00:00"
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return pd.Timestamp(moment).tz_convert("UTC").as_unit("ns").to_pydatetime(warn=False)
    except (ValueError, OverflowError):  # no date, or beyond what nanoseconds can count
        pass
    _refuse(f"is {shown(value)}, expected an ISO 8601 time with a UTC offset", remedy)


def _finite_inside(value: object) -> object:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        _refuse("contains NaN or Infinity, expected finite numbers outside the metrics", "Write null instead")
    return value


Text = Annotated[str, Field(pattern=r"^[ -~]{1,80}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, AfterValidator(_fraction), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
NotNegative = Annotated[float, AfterValidator(_not_negative), WithJsonSchema({"type": "number", "minimum": 0})]
Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]
Rows = Annotated[list[Annotated[list[Finite], Field(min_length=1), FailFast()]], FailFast()]
BarRow = Annotated[list[Finite], Field(min_length=6, max_length=6), FailFast()]
ModelKey = Annotated[str, Field(pattern=r"^[A-Z0-9.]+(_(15Min|1Hour|4Hour|1Day))?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WindowPart(_Part):
    """First and last moment of the training data, both inclusive; ISO 8601 with UTC offset."""

    start: Annotated[Moment, WithJsonSchema({"type": "string", "format": "date-time"})]
    end: Annotated[Moment, WithJsonSchema({"type": "string", "format": "date-time"})]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            _refuse(f"ends at {self.end.isoformat()}, before it starts", "Swap start and end")
        return self


class ProbePart(_Part):
    """What the trainer itself computed: the policy's inputs and outputs, and features from a few bars."""

    observations: Annotated[Rows, Field(min_length=1)]
    logits: Annotated[Rows, Field(min_length=1)]
    bars: Annotated[list[BarRow], FailFast(), Field(description="[epoch seconds UTC, open, high, low, close, volume]")] = (
        Field(default_factory=list)
    )
    features: Rows = Field(default_factory=list, description="the market features of the last rows of bars")

    @model_validator(mode="after")
    def _matching(self) -> Self:
        remedy = "Let the trainer write what it fed to the policy and what it got, row by row"
        if len(self.observations) != len(self.logits):
            _refuse(f"has {len(self.observations)} observations and {len(self.logits)} logits, expected pairs", remedy)
        for name in ("observations", "logits", "features"):
            widths = sorted({len(row) for row in getattr(self, name)})
            if len(widths) > 1:
                _refuse(f"has {name} of lengths {widths[0]} to {widths[-1]}, expected one length", remedy)
        if len(self.features) > len(self.bars):
            _refuse(f"has {len(self.features)} features for {len(self.bars)} bars, expected at most one each", remedy)
        return self


class Facts(_Part):
    """What a trainer may declare for the whole run or for one model; null says nothing."""

    trainer_version: Text | None = None
    reward_scale: Annotated[Finite, Field(gt=0)] | None = None
    validation_interval: Annotated[int, Field(ge=1, description="updates between two validations")] | None = None
    feature_set: Text | None = None
    account_mode: Literal["neutral", "tracked"] | None = None
    activation: Text | None = None
    training_window: WindowPart | None = None


class ModelEntry(Facts):
    """One model: the validation history of each metric, oldest first, all of one length; NaN and Infinity mean DROP."""

    fitness_score: Annotated[list[float], Field(min_length=1), FailFast()]
    profit_factor: Annotated[list[NotNegative], Field(min_length=1), FailFast()]
    consistency: Annotated[list[Fraction], Field(min_length=1), FailFast()]
    max_drawdown: Annotated[list[Fraction], Field(min_length=1), FailFast()]
    parity_probe: ProbePart | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        lengths = {metric: len(getattr(self, metric)) for metric in METRICS}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{metric} {length}" for metric, length in lengths.items())
            _refuse(f"has metrics of differing length ({listed}), expected one value per validation", "Write them all")
        return self


class BareEntry(ModelEntry):
    """One model as today's trainers write it: further fields are tolerated and ignored."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(_finite_inside)]]


class FullSummary(Facts):
    """The summary of a run: facts declared here hold for every model that does not declare its own."""

    schema_: Literal["modelgate.training_summary/1"] = Field(alias="schema")
    models: dict[ModelKey, ModelEntry]


class BareSummary(RootModel[dict[ModelKey, BareEntry]]):
    """Models alone, by SYMBOL_TIMEFRAME or, where it has one timeframe only, by SYMBOL."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})


@dataclass(frozen=True)
class Entry:
    """What a summary says about one model; without a timeframe the symbol has only one."""

    instrument: Instrument
    timeframe: Timeframe | None
    history: Mapping[str, tuple[float, ...]]
    declared: Declared


def summary_json_schema() -> str:
    """The published JSON Schema of a training summary, as text."""
    schema = TypeAdapter[FullSummary | BareSummary](FullSummary | BareSummary).json_schema()
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Training summary"}
    return json.dumps(title | schema, indent=2) + "\n"


def parse_summary(data: bytes, where: str, limits: Limits) -> dict[str, Entry]:
    """Read a summary, in the full or the bare form.

    Args:
        data: the file's content.
        where: the file, for messages.

    Raises:
        ArchiveError: naming the first model and field that do not fit, what was found and what was expected.
    """
    if len(data) > limits.summary:
        problem = f"holds {len(data):,} bytes, expected at most {limits.summary:,}"
        raise ArchiveError(where, problem, "Leave out what the gate does not need")
    document = parse_json(data, where, limits.depth, limits.entries)
    if not isinstance(document, dict):
        remedy = 'Write {"UNIUSD_1Hour": {"fitness_score": [...], ...}, ...}, or use pytest_modelgate.write_archive'
        raise ArchiveError(where, f"is {shown(document)}, expected a JSON object of models", remedy)
    if "schema" not in document:
        return {key: _entry(key, value, BareEntry, Facts(), where) for key, value in document.items()}
    run = _validated(FullSummary, document | {"models": {}} if "models" in document else document, where)
    models = document["models"]
    if not isinstance(models, dict):
        raise ArchiveError(f"{where}, field models", f"is {shown(models)}, expected a JSON object", "Write models by name")
    return {key: _entry(key, value, ModelEntry, run, where) for key, value in models.items()}
