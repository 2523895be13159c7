"""The schema of the training summary, full and bare; NaN and infinities were refused before, where they may not be."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    WithJsonSchema,
    model_validator,
)

from pytest_modelgate.adapters.meanings import Meanings, refuse
from pytest_modelgate.core.market.bars import Timeframe
from pytest_modelgate.core.training.run import METRICS
from pytest_modelgate.text import shown

SCHEMA = "modelgate.training_summary/1"
ROUNDING = 1e-6  # by which a fraction may miss 0 or 1, and is read as that
_MOST_FITNESS = 1e9  # as far as a profile's threshold may lie
_MOST_RATIO = 1e12  # 10,000 USD over 1e-8, which some trainers add to the loss so as not to divide by zero
_LATEST = 9_200_000_000  # epoch seconds: what bars are counted in ends in 2262
POLICY_SCHEMA = "modelgate.policy/1"


def _fraction(value: float) -> float:
    if -ROUNDING <= value < 0 or 1 < value <= 1 + ROUNDING:
        return float(value > 0)  # what sums of floats come to
    if math.isfinite(value) and not 0 <= value <= 1:
        refuse(f"is {value!r}, expected a fraction from 0 to 1", "Write fractions, not percent: 8 % is 0.08")
    return value


def _score(value: float) -> float:
    if math.isfinite(value) and abs(value) > _MOST_FITNESS:
        problem = f"is {value!r}, expected a score between -{_MOST_FITNESS:.0e} and {_MOST_FITNESS:.0e}"
        refuse(problem, "Scale the fitness, or write NaN where training diverged")
    return value


def _ratio(value: float) -> float:
    if math.isfinite(value) and value > _MOST_RATIO:
        problem = f"is {value!r}, which no loss but one of nearly nothing gives, expected at most {_MOST_RATIO:.0e}"
        refuse(problem, "Write Infinity where there was no loss, or NaN where training diverged")
    if math.isfinite(value) and value < 0:
        problem = f"is {value!r}, expected gross profit over gross loss, which is never negative"
        refuse(problem, "Divide by the loss as a positive number")
    return value


def _null_is_nan(values: object) -> object:
    """Serializers that keep to the standard write NaN as null."""
    if isinstance(values, list) and None in values:
        return [math.nan if value is None else value for value in values]
    return values


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            pd.Timestamp(moment).as_unit("ns")  # what bars are counted in ends in 2262
            return moment
    except (ValueError, OverflowError):
        pass
    problem = f"is {shown(value)}, expected an ISO 8601 time with a UTC offset, up to the year 2261"
    return refuse(problem, "Write it like 2024-12-27T00:00:00+00:00")


Text = Annotated[str, Field(pattern=r"^[ -~]{1,80}$", description="1 to 80 printable ASCII characters")]
Fraction = Annotated[
    float,
    AfterValidator(_fraction),
    WithJsonSchema({"type": ["number", "null"], "minimum": -ROUNDING, "maximum": 1 + ROUNDING}),
]
Score = Annotated[
    float,
    AfterValidator(_score),
    WithJsonSchema({"type": ["number", "null"], "minimum": -_MOST_FITNESS, "maximum": _MOST_FITNESS}),
]
Ratio = Annotated[
    float, AfterValidator(_ratio), WithJsonSchema({"type": ["number", "null"], "minimum": 0, "maximum": _MOST_RATIO})
]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
_NULLS = BeforeValidator(_null_is_nan)
Row = Annotated[list[float], Field(min_length=1), FailFast()]
BarRow = Annotated[list[float], Field(min_length=6, max_length=6), FailFast()]
ModelKey = Annotated[str, Field(pattern=rf"^[A-Z0-9.]+(_({'|'.join(Timeframe)}))?$")]


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class WindowPart(_Part):
    """First and last moment of a stretch of data, both inclusive."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            refuse(f"ends at {self.end.isoformat()}, before its start", "Swap start and end")
        return self


class ProbePart(_Part):
    """What the trainer itself computed: the policy's inputs and outputs, and features of a few bars."""

    observations: Annotated[list[Row], Field(min_length=1), FailFast()]
    logits: Annotated[list[Row], Field(min_length=1), FailFast()]
    bars: Annotated[list[BarRow], FailFast()] = Field(
        default=[], description="[epoch seconds UTC, open, high, low, close, volume], oldest first"
    )
    features: Annotated[list[Row], FailFast()] = Field(default=[], description="those of the last rows of bars")

    @model_validator(mode="after")
    def _matching(self) -> Self:
        remedy = "Let the trainer write what the policy was fed and what it answered, row by row"
        if len(self.observations) != len(self.logits):
            refuse(f"has {len(self.observations)} observations and {len(self.logits)} logits, expected pairs", remedy)
        for name in ("observations", "logits", "features"):
            widths = sorted({len(row) for row in getattr(self, name)})
            if len(widths) > 1:
                refuse(f"has {name} of {widths[0]} to {widths[-1]} values, expected one length", remedy)
        for row in self.bars:
            if not 0 <= row[0] <= _LATEST:
                problem = f"has a bar at {row[0]!r}, expected seconds since 1970 up to the year 2261"
                refuse(problem, "Divide by 1,000 what are milliseconds, by 1e9 what are nanoseconds")
        if len(self.features) > len(self.bars):
            refuse(f"has features for {len(self.features)} bars, but {len(self.bars)} bars", remedy)
        return self


class Facts(Meanings):
    """What a trainer may declare, for the whole run or for one model; null says nothing."""

    trainer_version: Text | None = None
    reward_scale: Annotated[float, Field(gt=0)] | None = None
    validation_interval: Annotated[int, Field(ge=1, description="training updates between validations")] | None = None
    feature_set: Text | None = None
    account_mode: Literal["neutral", "tracked"] | None = None
    activation: Text | None = None
    training_window: Annotated[WindowPart | None, Field(description="what it was trained on")] = None
    selection_window: Annotated[
        WindowPart | None, Field(description="what the checkpoint was chosen by, as validations are")
    ] = None
    bar_origin: Moment | None = Field(
        default=None, description="a moment at which a bar begins, where bars are put together from shorter ones"
    )


class PolicyDeclaration(Meanings):
    """What ``SYMBOL_TIMEFRAME.json`` beside a checkpoint declares of it."""

    schema_: Literal["modelgate.policy/1"] = Field(alias="schema")
    feature_set: Text | None = None
    account_mode: Literal["neutral", "tracked"] | None = None
    activation: Text | None = None
    bar_origin: Moment | None = None


class ModelEntry(Facts):
    """One model: the validation history of each metric, oldest first, all of one length.

    NaN and Infinity, as Python writes them, and null are accepted as values of metrics; such a model is judged DROP.
    """

    fitness_score: Annotated[list[Score], Field(min_length=1), FailFast(), _NULLS]
    profit_factor: Annotated[list[Ratio], Field(min_length=1), FailFast(), _NULLS]
    consistency: Annotated[list[Fraction], Field(min_length=1), FailFast(), _NULLS]
    max_drawdown: Annotated[list[Fraction], Field(min_length=1), FailFast(), _NULLS]
    parity_probe: ProbePart | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        lengths = {metric: len(getattr(self, metric)) for metric in METRICS}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{metric} {length}" for metric, length in lengths.items())
            problem = f"has metrics of differing length ({listed}), expected one value of each per validation"
            refuse(problem, "Append to all four lists at every validation")
        return self


class BareEntry(ModelEntry):
    """One model as trainers without this schema write it: further fields are ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", defer_build=True)
    __pydantic_extra__: dict[str, Any]


class FullSummary(Facts):
    """A run: what is declared here holds for every model that does not declare its own."""

    schema_: Literal["modelgate.training_summary/1"] = Field(alias="schema")
    models: dict[ModelKey, ModelEntry]


# Used for the published schema alone: a class of its own would be built when it is imported.
BareSummary = Annotated[
    dict[ModelKey, BareEntry],
    Field(
        title="BareSummary",
        description="Models alone, by SYMBOL_TIMEFRAME, or by SYMBOL where the archive holds one timeframe of it.",
        json_schema_extra={"additionalProperties": False},
    ),
]
