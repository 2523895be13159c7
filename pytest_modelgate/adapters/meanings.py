"""What a policy's numbers mean, as archives, promotions and verdicts write it down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NoReturn, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.policy.account_features import AccountFeature, Encoding, Measure, Scale
from pytest_modelgate.core.policy.actions import Action, Order, Target, action_name, parse_action
from pytest_modelgate.core.training.run import DeclaredFeature
from pytest_modelgate.text import shown

OWN_ERROR = "modelgate"  # the type of errors that bring their own problem and remedy along
_MOST = 1_000
_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$"  # a name, and no path
_ACTIONS = '"HOLD", "CLOSE", {"order": 0.5} for half of a full order, or {"target": 1.0} for all of the equity'


def refuse(problem: str, remedy: str) -> NoReturn:
    """Refuse a value in the gate's own words."""
    raise PydanticCustomError(OWN_ERROR, "{problem}", {"problem": problem, "remedy": remedy})


def _action(value: object) -> Action:
    action = parse_action(value)
    if action is None:
        verb = value.strip().upper() if isinstance(value, str) else ""
        problem = f"is {shown(value)}, expected {_ACTIONS}"
        if verb in ("BUY", "SELL", "LONG", "SHORT"):
            order, target = {"BUY": (0.5, 1.0), "LONG": (0.5, 1.0), "SELL": (-0.5, 0.0), "SHORT": (-0.5, -1.0)}[verb]
            problem = (
                f"is {shown(value)}, which some mean as an order and some as a position; expected "
                f'{{"order": {order}}} of a full order, or {{"target": {target}}} of the equity'
            )
        refuse(problem, "Write what the trainer's environment did for this output")
    return action


_ACTION_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^(HOLD|CLOSE|(BUY|SELL)_[0-9.]+|TARGET_-?[0-9.]+)$"},
        {"type": "object", "properties": {"order": {"type": "number"}}, "required": ["order"]},
        {"type": "object", "properties": {"target": {"type": "number"}}, "required": ["target"]},
    ]
}
ActionItem = Annotated[Any, BeforeValidator(_action), WithJsonSchema(_ACTION_SCHEMA)]
Version = Annotated[str, Field(pattern=r"^v?[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?$", description="such as 2.7.0")]


class AccountItem(BaseModel):
    """One account feature; its place is a column of an observation's row, negative ones count from the row's end."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    name: Measure
    place: Annotated[int, Field(ge=-100_000, le=100_000)] | None = None
    neutral: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    encoding: Scale | None = None
    factor: Annotated[float, Field(gt=0, le=1e6)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.factor is not None and self.encoding is None:
            refuse("has a factor and no encoding", 'Write "encoding": "linear", "tanh" or "log10" beside it')
        return self


class Meanings(BaseModel):
    """What outputs and account features mean; null says nothing, and an empty list of account features says none."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    model_version: Version | None = None
    lookback: Annotated[int, Field(ge=1, le=100_000, description="bars of an observation")] | None = None
    actions: Annotated[list[ActionItem], Field(min_length=1, max_length=_MOST)] | None = None
    account: Annotated[list[AccountItem], Field(max_length=_MOST)] | None = None
    format: Annotated[str, Field(pattern=r"^[ -~]{1,80}$", description="of the model's file, such as sb3")] | None = (
        None
    )
    normaliser: Annotated[str, Field(pattern=_FILE, description="file beside it, as of VecNormalize")] | None = None
    observation: (
        Annotated[
            list[Literal["market"] | Measure],
            Field(min_length=1, max_length=_MOST, description="parts of a flat observation, in their order"),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _placed(self) -> Self:
        items = self.account or []
        named = [item.name for item in items]
        if len(set(named)) < len(named):
            refuse(f"has account features {', '.join(named)}, expected each once", "Take the second one out")
        if len({item.place is None for item in items}) > 1:
            problem = "has account features with and without a place, expected one for all, or for none"
            refuse(problem, "Without places they stand at the end of a row, in their order")
        if self.observation is not None:
            _check_observation(self.observation, items)
        return self


def _check_observation(parts: Sequence[str], account: Sequence[AccountItem]) -> None:
    """Refuse an order of parts that is none of the market and of each account feature, which then have no places."""
    expected = ["market", *(item.name for item in account)]
    if sorted(parts) != sorted(expected):
        problem = f"is {', '.join(parts)}, expected market and each account feature once: {', '.join(expected)}"
        refuse(problem, "Name all parts, in the order in which the observation is flattened")
    if any(item.place is not None for item in account):
        refuse("stands beside account features with a place in a row", "Declare either of the two")


def declared_meanings(part: Meanings) -> dict[str, Any]:
    """The fields of ``Declared`` that a part fills, by their names."""
    return {
        "model_version": part.model_version,
        "lookback": part.lookback,
        "actions": None if part.actions is None else tuple(part.actions),
        "account": None if part.account is None else _features(part.account),
        "format": part.format,
        "normaliser": part.normaliser,
        "observation": None if part.observation is None else tuple(part.observation),
    }


def _features(items: Sequence[AccountItem]) -> tuple[DeclaredFeature, ...]:
    return tuple(
        DeclaredFeature(
            item.name,
            number - len(items) if item.place is None else item.place,
            item.neutral,
            None if item.encoding is None else Encoding(item.encoding, 1.0 if item.factor is None else item.factor),
        )
        for number, item in enumerate(items)
    )


def written_meanings(
    model_version: str | None, lookback: int, actions: Sequence[Action], account: Sequence[AccountFeature]
) -> dict[str, Any]:
    """The way back: what ``Meanings`` reads as this."""
    return {
        "model_version": model_version,
        "lookback": lookback,
        "actions": [action_name(action) for action in actions],
        "account": [
            {
                "name": feature.name,
                "place": feature.place,
                "neutral": feature.neutral,
                "encoding": feature.encoding.scale,
                "factor": feature.encoding.factor,
            }
            for feature in account
        ],
    }


def plain_fact(value: object) -> object:
    """A fact as JSON has it."""
    if isinstance(value, TrainingWindow):
        return {"start": value.start.isoformat(), "end": value.end.isoformat()}
    if isinstance(value, Order):
        return {"order": value.size}
    if isinstance(value, Target):
        return {"target": value.exposure}
    if isinstance(value, datetime):
        return value.isoformat()
    return [plain_fact(item) for item in value] if isinstance(value, list | tuple) else value
