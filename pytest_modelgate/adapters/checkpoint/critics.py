"""Parameters of a policy that are its critic's, which no action depends on."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from pytest_modelgate.adapters.checkpoint.rebuilt import StoredTensor

_SHORT = re.compile(r"(v|vf|q|qf|baseline)[0-9]*")
_ACTORS = frozenset({"actor", "policy", "pi"})


def without_critics(parameters: Mapping[str, object], outputs: int) -> dict[str, object]:
    """What is left of parameters without the critic's.

    ``value`` or ``critic`` in a part of a name says so by itself. ``v``, ``q1``, ``vf``, ``qf2`` or ``baseline`` could
    be a layer of the actor: it is a critic only if it ends in one number, or in one per action beside an actor that is
    called so.

    Args:
        outputs: number of actions.
    """
    kept = {name: value for name, value in parameters.items() if not _says_critic(name)}
    groups: dict[str, list[str]] = {}
    for name in kept:
        if (group := _short_name(name)) is not None:
            groups.setdefault(group, []).append(name)
    others = {name for name in kept if not any(name in names for names in groups.values())}
    acts = any(not _ACTORS.isdisjoint(re.split("[._]", name.lower())) for name in others)
    for names in groups.values():
        ends = {shape[0] for shape in map(_shape, (kept[name] for name in names)) if len(shape) == 2}
        if (1 in ends and outputs != 1) or (acts and outputs in ends):
            for name in names:
                del kept[name]
    return kept


def _says_critic(name: str) -> bool:
    return any("value" in part or "critic" in part or part == "vf" for part in name.lower().split("."))


def _short_name(name: str) -> str | None:
    """A name up to the part that may say critic."""
    parts = name.split(".")
    for number, part in enumerate(parts):
        if any(map(_SHORT.fullmatch, part.lower().split("_"))):
            return ".".join(parts[: number + 1])
    return None


def _shape(value: object) -> tuple[int, ...]:
    return value.shape if isinstance(value, StoredTensor | np.ndarray) else ()
