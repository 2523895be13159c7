"""Facts that a checkpoint declares: plain values, checked against what its generation must say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_modelgate.adapters.checkpoint.activations import activation_name
from pytest_modelgate.adapters.checkpoint.pickled import described
from pytest_modelgate.core.policy.activations import ACTIVATIONS, is_known
from pytest_modelgate.core.policy.mlp import ACTIONS
from pytest_modelgate.core.training.run import Declared
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
_NO_ACTIVATIONS = ("identity", "linear", "none")
_HIDDEN = ("hidden_dims", "hidden_sizes", "hidden_layers", "hidden")  # as trainers call the sizes of hidden layers


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


def read_shape(contents: Mapping[str, object], location: str) -> Shape:
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
        remedy = "Judge it with a version of the gate that knows it"
        raise CheckpointError(f"{location}, model_version", problem, remedy)
    n_account, n_actions = generation
    sizes = {name: _integer(contents, name, location) for name in ("n_features", "n_actions", "obs_dim")}
    if sizes["n_actions"] != n_actions:
        problem = f"is {sizes['n_actions']}, generation {match[0]} has {n_actions}"
        raise CheckpointError(f"{location}, n_actions", problem, _TRAIN)
    if sizes["n_features"] <= n_account:
        problem = f"is {sizes['n_features']}, generation {match[0]} has {n_account} account features alone"
        raise CheckpointError(f"{location}, n_features", problem, _TRAIN)
    window, rest = divmod(sizes["obs_dim"], sizes["n_features"])
    if rest:
        problem = f"is {sizes['obs_dim']}, expected a multiple of n_features {sizes['n_features']}"
        raise CheckpointError(f"{location}, obs_dim", problem, _TRAIN)
    _check_actions(contents.get("action_meanings"), n_actions, location)
    return Shape(match[0], sizes["n_features"], n_account, window, n_actions)


def read_function(
    contents: Mapping[str, object],
    declared: Declared,
    location: str,
    *,
    activation: str | None,
    feature_set: str | None,
) -> tuple[str, str]:
    """Activation and feature set, on which options, checkpoint and training summary have to agree.

    Args:
        activation, feature_set: what the options say; None says nothing.

    Raises:
        CheckpointError: nobody says one of them, two disagree, or the gate cannot compute it.
    """
    config = _config_fields(contents.get("config"))
    said = activation, config.get("activation", contents.get("activation")), declared.activation
    chosen = _choose("activation", "--gate-activation", [activation_name(value) for value in said], location)
    if not is_known(chosen):
        problem = f"{chosen!r} is unknown, expected one of {', '.join(ACTIVATIONS)}"
        if chosen in _NO_ACTIVATIONS:
            problem = f"{chosen!r} is none: without one between them, layers are a single linear one"
        raise CheckpointError(f"{location}, activation", problem, "Train with one of these")
    features = feature_set, config.get("feature_set", contents.get("feature_set")), declared.feature_set
    return chosen, _choose("feature set", "--gate-feature-set", features, location)


def check_hidden(contents: Mapping[str, object], hidden: tuple[int, ...], location: str) -> None:
    """Hold the sizes of hidden layers that a config declares against those of the weights.

    Raises:
        CheckpointError: they are others, or no list of whole numbers.
    """
    config = _config_fields(contents.get("config"))
    for name in _HIDDEN:
        declared = config.get(name)
        if declared is not None and not (isinstance(declared, list | tuple) and tuple(declared) == hidden):
            shown = ", ".join(map(_shown, declared[:10])) if isinstance(declared, list | tuple) else _shown(declared)
            problem = (
                f"is {shown or 'empty'}, the weights have hidden layers of {', '.join(map(str, hidden)) or 'none'}"
            )
            raise CheckpointError(f"{location}, config, {name}", problem, "Save weights and config of one training run")


def _config_fields(config: object) -> Mapping[object, object]:
    """The fields of a config, whatever stands in for it."""
    fields = config if isinstance(config, dict) else getattr(config, "fields", {})
    return fields if isinstance(fields, dict) else {}


def _choose(name: str, option: str, values: Sequence[object], location: str) -> str:
    """The one value on which all who say anything agree: option, checkpoint and training summary, in this order."""
    sources = zip((option, "the checkpoint", "the training summary"), values, strict=True)
    said = {source: value for source, value in sources if value is not None}
    for source, value in said.items():
        if not isinstance(value, str) or not re.fullmatch(r"[ -~]{1,80}", value):
            raise CheckpointError(f"{location}, {name}", f"{source} says {_shown(value)}, expected a name", _TRAIN)
    if not said:
        problem = "neither the checkpoint nor the training summary declares it, and guessing would judge another model"
        raise CheckpointError(f"{location}, {name}", problem, f"Name it with {option}, or let the trainer declare it")
    if len(set(said.values())) > 1:
        listed = ", ".join(f"{source} says {_shown(value)}" for source, value in said.items())
        raise CheckpointError(f"{location}, {name}", listed, "Find out which is right; a mismatch judges another model")
    return str(next(iter(said.values())))


def text_or_none(value: object) -> str | None:
    """Text if it is short and printable; None for anything else."""
    return value if isinstance(value, str) and re.fullmatch(r"[ -~]{1,80}", value) else None


def _check_actions(meanings: object, n_actions: int, location: str) -> None:
    if isinstance(meanings, dict):
        listed = [meanings.get(number, meanings.get(str(number))) for number in range(n_actions)]
        listed = listed if len(meanings) == n_actions else list(meanings.values())
    else:
        listed = list(meanings) if isinstance(meanings, list | tuple) else []
    if tuple(map(_action, listed)) != ACTIONS[n_actions]:
        names = ", ".join(_shown(item) for item in listed[:10]) or "missing"
        problem = f"is {names}, expected {', '.join(ACTIONS[n_actions])}"
        raise CheckpointError(f"{location}, action_meanings", problem, "An order other than this would buy for sell")


def _action(meaning: object) -> str:
    """Name of an action in one spelling: ``BUY_25`` for ``BUY 25%``, ``Buy_25`` and ``BUY_25_PCT``."""
    words = re.findall(r"[A-Z]+|\d+", meaning.upper()) if isinstance(meaning, str) else []
    return "_".join(word for word in words if word not in ("PCT", "PERCENT"))


def _integer(contents: Mapping[str, object], name: str, location: str) -> int:
    value = contents.get(name)
    if type(value) is not int or not 0 < value <= _MOST_FEATURES * 100:
        raise CheckpointError(f"{location}, {name}", f"is {_shown(value)}, expected a positive whole number", _TRAIN)
    return value


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return ascii(value)[:60] if isinstance(value, str | int | float) else described(value)
