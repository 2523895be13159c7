"""Layers of files that hold named tensors alone: widths tell the observation and the actions, names the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from pytest_modelgate.adapters.checkpoint.container import Container
from pytest_modelgate.adapters.checkpoint.network import actor_parameters, recover_layers
from pytest_modelgate.adapters.checkpoint.numbers import read_numbers
from pytest_modelgate.adapters.checkpoint.rebuilt import StoredTensor
from pytest_modelgate.adapters.checkpoint.statistics import Row, read_statistics, split_statistics
from pytest_modelgate.adapters.formats.foreign import loaded_layers, read_meaning
from pytest_modelgate.adapters.formats.vec_normalize import declared_normaliser, refuse_two
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.core.policy.account_features import market_places
from pytest_modelgate.core.policy.generations import generation_of
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_SPREADS = frozenset({"logstd", "log_std", "std_log", "actor_logstd"})
_ELEGANT = {"state_avg": 0.0, "state_std": 1.0, "action_std_log": None}  # what they hold unused
_PACK = "pytest_modelgate.pack_checkpoint(state, path, ..., obs_rms=...) makes statistics part of the policy"
_CHAIN = "Save the actor alone, as in torch.save(actor.state_dict(), path), and declare its actions"


def read_named_layers(file: PolicyFile, state: Mapping[str, object], container: Container) -> LoadedPolicy:
    """The policy of named tensors.

    Args:
        state: tensors in the container, or arrays.

    Raises:
        CheckpointError: what is declared does not fit, or nothing tells in which order the layers apply.
    """
    location, wanted = file.location, _declared_outputs(file)
    actor = actor_parameters(dict(state), wanted, location)
    _refuse_spread(actor, location)
    notes = _take_out_unused(actor, container)
    parameters, buffers = split_statistics(actor, location)
    inputs, outputs = _ends(parameters, wanted, location)
    meaning = read_meaning(file, inputs, outputs)
    columns = market_places(meaning.n_features, meaning.account)
    sizes = Row(meaning.n_market, meaning.n_features, inputs)
    statistics = read_statistics({}, buffers, sizes, columns, container)
    if statistics is not None and meaning.layout is not None:
        problem = f"holds observation statistics `{statistics[0]}` beside a declared order of the observation"
        raise CheckpointError(location, problem, _PACK)
    declared = declared_normaliser(file, meaning, {})
    if declared and statistics:
        refuse_two(file, statistics[0], declared[0])
    layers = recover_layers(parameters, inputs, outputs, container, location)
    return loaded_layers(file, layers, None, meaning, normaliser=statistics or declared, notes=notes)


def _declared_outputs(file: PolicyFile) -> int:
    """How many actions are declared; 0 where none are."""
    version = file.model_version or file.declared.model_version
    generation = generation_of(*map(int, version.removeprefix("v").split(".")[:2])) if version else None
    return len(file.declared.actions or (generation.actions if generation else ()))


def _refuse_spread(actor: Mapping[str, object], location: str) -> None:
    """Refuse the policy of continuous actions, which its spread gives away."""
    spread = next((name for name in actor if name.rpartition(".")[2].lower() in _SPREADS), None)
    if spread is not None:
        problem = f"holds {plain(spread, 60)!a}, the spread of continuous actions, and not how these become a position"
        raise CheckpointError(
            location, problem, "Train with discrete actions, or with Stable-Baselines3 and save its zip"
        )


def _take_out_unused(actor: dict[str, object], container: Container) -> list[str]:
    """Take out what ElegantRL's actors hold and do not use; sentences that say so.

    Its versions divide observations by ``state_std``, by that and 1e-4, or not at all, so that statistics could be
    applied wrongly, unless they were never kept. Its discrete actors inherit the spread of the continuous ones.

    Raises:
        CheckpointError: statistics were kept.
    """
    notes = []
    for name in [name for name in actor if name.rpartition(".")[2] in _ELEGANT]:
        value, unused = actor.pop(name), _ELEGANT[name.rpartition(".")[2]]
        if unused is None:
            notes.append(
                f"Not read is {plain(name, 60)}, the spread of continuous actions: declared are discrete ones."
            )
            continue
        numbers = read_numbers(value, f"{container.location}, {plain(name, 60)}", container)
        if numbers is None or (numbers != unused).any():
            problem = f"holds observation statistics `{plain(name, 60)}`, which versions of ElegantRL apply differently"
            raise CheckpointError(container.location, problem, _PACK)
        notes.append(f"Not read is {plain(name, 60)}, {unused:g} throughout: statistics of observations never kept.")
    return notes


def _ends(parameters: Mapping[str, object], wanted: int, location: str) -> tuple[int, int]:
    """Length of an observation and number of actions: where a chain of layers begins, and where it ends.

    Every width between is that of one layer's outputs and of the next one's inputs. Where the ends are alike they
    cannot be told so, and the number of actions tells them.

    Raises:
        CheckpointError: the layers are no chain.
    """
    left: Counter[int] = Counter()
    for value in parameters.values():
        if isinstance(value, StoredTensor | np.ndarray) and len(value.shape) == 2:
            left[value.shape[1]] += 1
            left[value.shape[0]] -= 1
    first, last = ([width for width, count in left.items() if count == sign] for sign in (1, -1))
    if not any(left.values()) and wanted in left:
        return wanted, wanted
    if len(first) != 1 or len(last) != 1 or any(abs(count) > 1 for count in left.values()):
        shapes = [list(value.shape) for value in parameters.values() if isinstance(value, StoredTensor | np.ndarray)]
        problem = f"its matrices {[shape for shape in shapes if len(shape) == 2][:6]} do not follow one another"
        raise CheckpointError(location, f"{problem} from an observation to {wanted or 'the'} actions", _CHAIN)
    return first[0], last[0]
