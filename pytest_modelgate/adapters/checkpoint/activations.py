"""Names of activations in one spelling, whichever way a trainer says them: as text, as a class, or as an instance."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_modelgate.adapters.checkpoint.pickled import Named, StandIn

_KNOWN = {
    "tanh": "tanh",
    "relu": "relu",
    "elu": "elu",
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelutanh": "gelu_tanh",
    "leakyrelu": "leaky_relu",
}
_SPELLING = re.compile(r"(?:<class ')?(?:\w+\.)*(\w+)(?:'>)?(?:\(([^()]*)\))?")
_PARAMETERS = {"elu": "alpha", "gelu": "approximate", "leaky_relu": "negative_slope"}


def activation_name(value: object) -> object:
    """Name of an activation, ``tanh`` for ``nn.Tanh``, ``leaky_relu(0.2)`` for one of another slope than 0.01.

    Returns:
        What is none of the known ones comes back as it is said, in small letters; what says no name as it is.
    """
    if isinstance(value, StandIn) and not value.name.startswith("torch.") and len(value.arguments) == 1:
        # A member of a trainer's enumeration, by its value; what a partial was given beside its function is its state.
        value = value.arguments[0] if value.state is None else value
    if isinstance(value, Named | StandIn) and not value.name.startswith("torch."):
        return value  # of which nobody knows what it computes, whatever it is called
    if isinstance(value, StandIn):
        fields = {str(name): field for name, field in value.fields.items() if isinstance(name, str)}
        return _named(value.name, {name: str(field) for name, field in fields.items() if name in _PARAMETERS.values()})
    if isinstance(value, Named):
        return _named(value.name, {})
    match = _SPELLING.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return value
    arguments = [part.strip() for part in (match[2] or "").split(",") if part.strip()]
    said = {name.strip(): text.strip(" '\"") for name, _, text in (part.rpartition("=") for part in arguments)}
    return _named(match[1], said)


def _named(dotted: str, parameters: Mapping[str, str]) -> str:
    last = dotted.rpartition(".")[2]
    name = _KNOWN.get(last.lower().replace("_", ""), last.lower())
    own = _PARAMETERS.get(name)
    value = next((text for key, text in parameters.items() if key in (own, "")), None)
    if own is None or value is None:
        return name
    usual = {"elu": "1.0", "gelu": "none", "leaky_relu": "0.01"}[name]
    if value == usual or (name != "gelu" and _is_number(value) and float(value) == float(usual)):
        return name
    return "gelu_tanh" if (name, value) == ("gelu", "tanh") else f"{name}({value})"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,17})?([eE]-?[0-9]{1,2})?", text) is not None
