"""What a checkpoint's numbers mean: generation, sizes, actions and account features, agreed on by all who say anything.

The table of generations says what a version means. Where a checkpoint bears no version, its shape tells one; what
neither tells has to be declared, and what is declared may not contradict the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from pytest_modelgate.adapters.checkpoint.accounts import account_features, lines_to_write
from pytest_modelgate.adapters.checkpoint.labels import check_labels, named, shown
from pytest_modelgate.adapters.checkpoint.rebuilt import StoredTensor
from pytest_modelgate.core.policy.account_features import AccountFeature, market_places
from pytest_modelgate.core.policy.actions import Action
from pytest_modelgate.core.policy.generations import (
    GENERATIONS,
    WINDOW,
    Generation,
    generation_of,
    generations_like,
)
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError

_TRAIN = "Let the trainer store it, see docs/checkpoints.md"
_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(\.\d{1,4})?")
_MOST_FEATURES = 100_000
_MOST_SHOWN = 10


@dataclass(frozen=True)
class Shape:
    """Generation, sizes and meanings of a checkpoint.

    Attributes:
        model_version: as the checkpoint bears it, or told otherwise; None where nobody knows one.
        n_features: per bar, account features included.
        window: bars per observation.
        actions: meaning of each output.
        account: account features, with their places in a row.
        warnings: sentences on what was inferred.
    """

    model_version: str | None
    n_features: int
    window: int
    actions: tuple[Action, ...]
    account: tuple[AccountFeature, ...]
    warnings: tuple[str, ...]

    @property
    def market_places(self) -> list[int]:
        """Columns of the market features in a row."""
        return market_places(self.n_features, self.account)


def read_shape(contents: Mapping[str, object], declared: Declared, location: str, model_version: str | None) -> Shape:
    """What a checkpoint's numbers mean.

    Args:
        declared: what the archive says beside the checkpoint.
        model_version: what the user says of a checkpoint that bears none.

    Raises:
        CheckpointError: nobody says what the actions mean or where account features stand; sizes that contradict each
            other, the generation or what is declared; or actions in another order.
    """
    sizes = {name: _size(contents, name, location) for name in ("n_features", "n_actions", "obs_dim")}
    version = _version(contents, declared, location, model_version)
    warnings: tuple[str, ...] = ()
    generation = generation_of(*map(int, version.removeprefix("v").split(".")[:2])) if version else None
    if version is None and declared.actions is None:
        generation = _by_shape(contents, sizes, declared.lookback or WINDOW)
        if generation:
            version = generation.version
            told = f"The checkpoint bears no model_version; its shape is that of generation {generation.name}, whose "
            warnings = (told + "actions and account features are assumed (--gate-model-version decides).",)
    actions = _actions(generation, declared, version, sizes, location)
    n_features, window = _row(generation, sizes, declared.lookback, location)
    account = account_features(generation, declared, version, n_features, location)
    if contents.get("action_meanings") is not None:
        check_labels(contents["action_meanings"], actions, location)
    return Shape(version, n_features, window, actions, account, warnings)


def _version(contents: Mapping[str, object], declared: Declared, location: str, option: str | None) -> str | None:
    said = {
        "--gate-model-version": option,
        "the checkpoint": contents.get("model_version"),
        "the archive": declared.model_version,
    }
    said = {source: value for source, value in said.items() if value is not None}
    for source, value in said.items():
        if not (isinstance(value, str) and _VERSION.fullmatch(value)):
            known = ", ".join(item.name for item in GENERATIONS)
            problem = f"{source} says {shown(value)}, expected a version such as 2.7.0 (generations {known})"
            raise CheckpointError(f"{location}, model_version", problem, _TRAIN)
    numbers = {tuple(map(int, str(value).removeprefix("v").split(".")[:2])) for value in said.values()}
    if len(numbers) > 1:
        listed = ", ".join(f"{source} says {shown(value)}" for source, value in said.items())
        problem = "Find out which is right; another generation means other actions"
        raise CheckpointError(f"{location}, model_version", listed, problem)
    chosen = said.get("the checkpoint", next(iter(said.values()), None))
    return None if chosen is None else str(chosen)


def _by_shape(contents: Mapping[str, object], sizes: Mapping[str, int | None], window: int) -> Generation | None:
    """The one generation of that shape: by the sizes that are named, else by those of the policy's own tensors."""
    n_features, n_actions = sizes["n_features"], sizes["n_actions"]
    if n_features is None and sizes["obs_dim"] is not None and sizes["obs_dim"] % window == 0:
        n_features = sizes["obs_dim"] // window
    if n_features is not None and n_actions is not None:
        alike = list(generations_like(n_features, n_actions))
    else:
        state = contents.get("policy_state_dict")
        tensors = state.values() if isinstance(state, dict) else ()
        matrices = [item.shape for item in tensors if isinstance(item, StoredTensor) and len(item.shape) == 2]
        inputs, outputs = {shape[1] for shape in matrices}, {shape[0] for shape in matrices}
        alike = [
            item
            for item in GENERATIONS
            if item.n_features * window in inputs
            and len(item.actions) in outputs
            and n_features in (None, item.n_features)
            and n_actions in (None, len(item.actions))
        ]
    return alike[0] if len(alike) == 1 else None


def _actions(
    generation: Generation | None,
    declared: Declared,
    version: str | None,
    sizes: Mapping[str, int | None],
    location: str,
) -> tuple[Action, ...]:
    n_actions = sizes["n_actions"]
    known = generation.actions if generation else None
    if declared.actions is not None and known is not None and declared.actions != known:
        problem = f"declared are {named(declared.actions)}, version {version} has {named(known)}"
        raise CheckpointError(f"{location}, actions", problem, "Find out which is right, and take the other one out")
    actions, n_actions = declared.actions or known, sizes["n_actions"]
    if actions is None:
        _refuse_unknown(version, sizes, location)
    if n_actions not in (None, len(actions)):
        source = f"generation {generation.name} has" if generation else "declared are"
        raise CheckpointError(f"{location}, n_actions", f"is {n_actions}, {source} {len(actions)}", _TRAIN)
    return actions


def _refuse_unknown(version: str | None, sizes: Mapping[str, int | None], location: str) -> NoReturn:
    known = ", ".join(item.name for item in GENERATIONS)
    problem = f"is {version}, known generations are {known}"
    if version is None:
        problem = f"is missing, and the shape is that of none of the generations {known}"
    facts: dict[str, object] = {} if sizes["obs_dim"] and sizes["n_features"] else {"lookback": WINDOW}
    outputs = [f"OUTPUT_{number}" for number in range(min(sizes["n_actions"] or 3, _MOST_SHOWN))]
    lines = lines_to_write(location, **facts, actions=outputs, account=[])
    remedy = (
        f"Declare what its outputs mean, in their order, and its account features, in {lines}, where each OUTPUT is "
        'one of "HOLD", "CLOSE", {"order": 0.5} (half of a full order; negative ones sell) or {"target": 1.0} (all of '
        "the equity); pack_checkpoint and ModelArtifact take the same as declared=..., see docs/your-policy.md"
    )
    raise CheckpointError(f"{location}, model_version", problem, remedy)


def _row(
    generation: Generation | None, sizes: Mapping[str, int | None], lookback: int | None, location: str
) -> tuple[int, int]:
    """Columns of a row, and rows of an observation."""
    n_features, obs_dim = sizes["n_features"], sizes["obs_dim"]
    if n_features is None:
        if obs_dim is not None and lookback is not None and obs_dim % lookback == 0:
            n_features = obs_dim // lookback
        elif generation is not None:
            n_features = generation.n_features
        else:
            raise CheckpointError(f"{location}, n_features", "is missing, expected a positive whole number", _TRAIN)
    if obs_dim is None:
        return n_features, lookback or WINDOW
    window, rest = divmod(obs_dim, n_features)
    if rest:
        problem = f"is {obs_dim}, expected a multiple of n_features {n_features}"
        raise CheckpointError(f"{location}, obs_dim", problem, _TRAIN)
    if lookback not in (None, window):
        problem = f"is declared as {lookback}, obs_dim {obs_dim} of {n_features} features a bar makes it {window}"
        raise CheckpointError(f"{location}, lookback", problem, "Correct the declaration")
    return n_features, window


def _size(contents: Mapping[str, object], name: str, location: str) -> int | None:
    value = contents.get(name)
    if value is not None and (type(value) is not int or not 0 < value <= _MOST_FEATURES * 100):
        raise CheckpointError(f"{location}, {name}", f"is {shown(value)}, expected a positive whole number", _TRAIN)
    return value
