"""Activation, feature set and hidden layers that a checkpoint declares: plain values, checked against others' words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pytest_modelgate.adapters.checkpoint.activations import activation_name
from pytest_modelgate.adapters.checkpoint.pickled import described
from pytest_modelgate.core.policy.activations import ACTIVATIONS, is_known
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError

_TRAIN = "Let the trainer store it, see docs/checkpoints.md"
_NO_ACTIVATIONS = ("identity", "linear", "none")
_HIDDEN = ("hidden_dims", "hidden_sizes", "hidden_layers", "hidden")  # as trainers call the sizes of hidden layers


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
    said = activation, _stored(contents, "activation", location), declared.activation
    chosen = _choose("activation", "--gate-activation", [activation_name(value) for value in said], location)
    if not is_known(chosen):
        problem = f"{chosen!r} is unknown, expected one of {', '.join(ACTIVATIONS)}"
        if chosen in _NO_ACTIVATIONS:
            problem = f"{chosen!r} is none: without one between them, layers are a single linear one"
        raise CheckpointError(f"{location}, activation", problem, "Train with one of these")
    features = feature_set, _stored(contents, "feature_set", location), declared.feature_set
    return chosen, _choose("feature set", "--gate-feature-set", features, location)


def check_hidden(contents: Mapping[str, object], hidden: tuple[int, ...], location: str) -> None:
    """Hold the sizes of hidden layers that a config declares against those of the weights.

    Raises:
        CheckpointError: they are others, or no list of whole numbers.
    """
    config = config_fields(contents.get("config"))
    for name in _HIDDEN:
        declared = config.get(name)
        if declared is not None and not (isinstance(declared, list | tuple) and tuple(declared) == hidden):
            shown = ", ".join(map(_shown, declared[:10])) if isinstance(declared, list | tuple) else _shown(declared)
            problem = (
                f"is {shown or 'empty'}, the weights have hidden layers of {', '.join(map(str, hidden)) or 'none'}"
            )
            raise CheckpointError(f"{location}, config, {name}", problem, "Save weights and config of one training run")


def _stored(contents: Mapping[str, object], name: str, location: str) -> object:
    """What a checkpoint says, in its config or beside it; None for nothing."""
    said = [config_fields(contents.get("config")).get(name), contents.get(name)]
    inner, outer = (activation_name(value) if name == "activation" else value for value in said)
    if inner is not None and outer is not None and inner != outer:
        problem = f"config says {_shown(inner)}, the entry beside it {_shown(outer)}"
        raise CheckpointError(f"{location}, {name}", problem, "Find out which is right, and take the other one out")
    return outer if inner is None else inner


def config_fields(config: object) -> Mapping[object, object]:
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


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return ascii(value)[:60] if isinstance(value, str | int | float) else described(value)
