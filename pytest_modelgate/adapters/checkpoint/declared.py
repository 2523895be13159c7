"""What a checkpoint says of itself: plain values, checked against what its generation must say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_modelgate.core.policy.mlp import ACTIONS, ACTIVATIONS
from pytest_modelgate.errors import CheckpointError

_TRAIN = "Let the trainer store it, see docs/checkpoints.md"
_GENERATIONS = {  # (major, minor): account features, actions
    (2, 3): (0, 3),
    (2, 4): (3, 3),
    (2, 5): (3, 3),
    (2, 6): (3, 3),
    (2, 7): (6, 7),
}
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
_MOST_FEATURES = 100_000


@dataclass(frozen=True)
class Shape:
    """Generation and sizes of a checkpoint.

    Attributes:
        n_features: per bar, account features included.
        n_account: account features per bar.
        window: bars per observation.
    """

    model_version: str
    n_features: int
    n_account: int
    window: int
    n_actions: int


def read_shape(contents: Mapping[str, object], where: str) -> Shape:
    """Generation and sizes, agreeing with each other.

    Raises:
        CheckpointError: an unknown generation, sizes that contradict it or each other, or actions in another order.
    """
    version = contents.get("model_version")
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    generation = _GENERATIONS.get((int(match[1]), int(match[2]))) if match else None
    if match is None or generation is None:
        known = ", ".join(f"{major}.{minor}.x" for major, minor in _GENERATIONS)
        problem = f"is {_shown(version)}, known are {known}"
        raise CheckpointError(f"{where}, model_version", problem, "Judge it with a version of the gate that knows it")
    n_account, n_actions = generation
    found = {name: _integer(contents, name, where) for name in ("n_features", "n_actions", "obs_dim")}
    if found["n_actions"] != n_actions:
        problem = f"is {found['n_actions']}, generation {match[0]} has {n_actions}"
        raise CheckpointError(f"{where}, n_actions", problem, _TRAIN)
    if found["n_features"] <= n_account:
        problem = f"is {found['n_features']}, generation {match[0]} has {n_account} account features alone"
        raise CheckpointError(f"{where}, n_features", problem, _TRAIN)
    window, rest = divmod(found["obs_dim"], found["n_features"])
    if rest:
        problem = f"is {found['obs_dim']}, expected a multiple of n_features {found['n_features']}"
        raise CheckpointError(f"{where}, obs_dim", problem, _TRAIN)
    _check_actions(contents.get("action_meanings"), n_actions, where)
    return Shape(match[0], found["n_features"], n_account, window, n_actions)


def config_fields(config: object) -> Mapping[object, object]:
    """The fields of a config, whatever stands in for it."""
    fields = config if isinstance(config, dict) else getattr(config, "fields", {})
    return fields if isinstance(fields, dict) else {}


def choose(name: str, sources: Mapping[str, object], option: str, where: str) -> str:
    """The one value on which all sources that say anything agree.

    Args:
        name: of the fact.
        sources: who says what; None says nothing.
        option: with which the user can say it.

    Raises:
        CheckpointError: nobody says it, two disagree, or it is not text.
    """
    said = {source: value for source, value in sources.items() if value is not None}
    for source, value in said.items():
        if not isinstance(value, str) or not re.fullmatch(r"[ -~]{1,80}", value):
            raise CheckpointError(f"{where}, {name}", f"{source} says {_shown(value)}, expected a name", _TRAIN)
    if not said:
        problem = "neither the checkpoint nor the training summary declares it, and guessing would judge another model"
        raise CheckpointError(f"{where}, {name}", problem, f"Name it with {option}, or let the trainer declare it")
    if len(set(said.values())) > 1:
        listed = ", ".join(f"{source} says {_shown(value)}" for source, value in said.items())
        raise CheckpointError(f"{where}, {name}", listed, "Find out which is right; a mismatch judges another model")
    return str(next(iter(said.values())))


def activation_name(value: object) -> object:
    """``nn.Tanh`` and ``Tanh`` mean ``tanh``; what is no text is left for ``choose`` to refuse."""
    return value.rpartition(".")[2].lower() if isinstance(value, str) else value


def check_activation(name: str, where: str) -> None:
    """Refuse an activation the gate cannot compute.

    Raises:
        CheckpointError: unknown.
    """
    if name not in ACTIVATIONS:
        problem = f"{name!r} is unknown, expected one of {', '.join(ACTIVATIONS)}"
        raise CheckpointError(f"{where}, activation", problem, "Train with one of these")


def text_or_none(value: object) -> str | None:
    """Short printable text; anything else says nothing."""
    return value if isinstance(value, str) and re.fullmatch(r"[ -~]{1,80}", value) else None


def _check_actions(meanings: object, n_actions: int, where: str) -> None:
    if isinstance(meanings, dict):
        listed = [meanings.get(number, meanings.get(str(number))) for number in range(n_actions)]
        listed = listed if len(meanings) == n_actions else list(meanings.values())
    else:
        listed = list(meanings) if isinstance(meanings, list | tuple) else []
    if tuple(map(_action, listed)) != ACTIONS[n_actions]:
        found = ", ".join(_shown(item) for item in listed[:10]) or "missing"
        problem = f"is {found}, expected {', '.join(ACTIONS[n_actions])}"
        raise CheckpointError(f"{where}, action_meanings", problem, "An order other than this would buy for sell")


def _action(meaning: object) -> str:
    """``BUY 25%``, ``Buy_25`` and ``BUY_25_PCT`` all mean ``BUY_25``."""
    words = re.findall(r"[A-Z]+|\d+", meaning.upper()) if isinstance(meaning, str) else []
    return "_".join(word for word in words if word not in ("PCT", "PERCENT"))


def _integer(contents: Mapping[str, object], name: str, where: str) -> int:
    value = contents.get(name)
    if type(value) is not int or not 0 < value <= _MOST_FEATURES * 100:
        raise CheckpointError(f"{where}, {name}", f"is {_shown(value)}, expected a positive whole number", _TRAIN)
    return value


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return ascii(value)[:60] if isinstance(value, str | int | float) else f"a {type(value).__name__}"
