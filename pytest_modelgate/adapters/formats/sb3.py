"""Models as Stable-Baselines3 saves them: PPO, A2C, DQN, SAC, TD3 and their kin, of one asset, as plain MLPs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

from pytest_modelgate.adapters.checkpoint.activations import activation_name
from pytest_modelgate.adapters.checkpoint.container import read_container_of
from pytest_modelgate.adapters.checkpoint.loader import read_contents
from pytest_modelgate.adapters.checkpoint.network import Layers
from pytest_modelgate.adapters.checkpoint.pickled import described
from pytest_modelgate.adapters.formats.foreign import Meaning, lines_for, loaded_layers, read_meaning
from pytest_modelgate.adapters.formats.sb3_network import FAMILIES, Family, actor_layers
from pytest_modelgate.adapters.formats.sb3_spaces import Continuous, Space, read_spaces
from pytest_modelgate.adapters.formats.sb3_zip import PACKAGES, class_name, read_entry, read_members
from pytest_modelgate.adapters.formats.vec_normalize import declared_normaliser
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.core.policy.actions import Target
from pytest_modelgate.core.policy.ladder import STEPS, Ladder, rungs
from pytest_modelgate.core.policy.layout import MARKET
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_EXTRACTORS = (
    "stable_baselines3.common.torch_layers.FlattenExtractor",
    "stable_baselines3.common.torch_layers.CombinedExtractor",
)
_KNOWN = frozenset({  # of these, those that change what an actor computes are looked at, or show in its weights
    "activation_fn", "clip_mean", "features_extractor_class", "features_extractor_kwargs", "full_std", "log_std_init",
    "lr_schedule", "n_critics", "n_quantiles", "net_arch", "normalize_images", "optimizer_class", "optimizer_kwargs",
    "ortho_init", "share_features_extractor", "squash_output", "use_expln", "use_sde",
})  # fmt: skip
_UNMASKED = (
    "Its trainer masks actions, and masks are no part of the file: it is judged without, as predict acts without."
)
_PLAIN = "Train with the policies of Stable-Baselines3 as they are, or pack the actor with pack_checkpoint"


class StableBaselinesFormat:
    """See ``PolicyFormat``."""

    name = "sb3"
    version = "1"
    suffixes: tuple[str, ...] = (".zip",)

    def read(self, file: PolicyFile) -> LoadedPolicy:
        """See ``PolicyFormat.read``."""
        location = file.location
        data, weights = read_members(file.path, location)
        policy_class, family = _family(data, location)
        arguments = _arguments(data, family, location)
        container, pickled = read_container_of(weights, f"{location}, policy.pth")
        layers = actor_layers(read_contents(pickled, container, PACKAGES), family, container, location)
        observed, acted = read_spaces(data, location)
        _check_sizes(layers, family, observed, acted, location)
        ladder = None
        if isinstance(acted, Continuous):
            ladder = Ladder(acted.low, acted.high, family.squashed or arguments.get("squash_output") is True)
            file, layers = _with_rungs(file, layers, ladder)
        meaning = read_meaning(file, layers.weights[0].shape[1], layers.weights[-1].shape[0])
        keys = _check_observation(file, meaning, observed)
        loaded = loaded_layers(
            file,
            layers,
            family.activation
            if arguments.get("activation_fn") is None
            else activation_name(arguments["activation_fn"]),
            meaning,
            normaliser=declared_normaliser(file, meaning, keys),
            notes=(_UNMASKED,) if ".maskable." in policy_class else (),
            probabilities=family.probabilities and ladder is None,
        )
        return loaded if ladder is None else _on_ladder(loaded, ladder)


def _family(data: Mapping[str, Any], location: str) -> tuple[str, Family]:
    """Which policy it is, by its class's name.

    Raises:
        CheckpointError: another than those that are known.
    """
    name = class_name(read_entry(data, "policy_class", location))
    if name in FAMILIES:
        return name, FAMILIES[name]
    where, known = f"{location}, policy_class", ", ".join(dict.fromkeys(item.name for item in FAMILIES.values()))
    if "recurrent" in name.lower():
        problem = "is recurrent: it acts on more than the observation"
        raise CheckpointError(where, problem, "Train without memory, with earlier bars in the observation")
    problem = f"is {plain(name, 90)}, expected the policies of {known} (also A2C, TRPO, MaskablePPO, DDPG, TQC)"
    raise CheckpointError(where, problem, _PLAIN)


def _arguments(data: Mapping[str, Any], family: Family, location: str) -> Mapping[object, object]:
    """What the policy was made with, as far as it says what it computes.

    Raises:
        CheckpointError: something that the gate does not know the meaning of.
    """
    where = f"{location}, policy_kwargs"
    arguments = read_entry(data, "policy_kwargs", location)
    if not isinstance(arguments, dict):
        raise CheckpointError(where, f"is {described(arguments)}, expected a dict", _PLAIN)
    unknown = [key for key in arguments if key not in _KNOWN]
    if unknown:
        shown = plain(unknown[0], 60) if isinstance(unknown[0], str) else described(unknown[0])
        raise CheckpointError(where, f"holds {shown}, which plain policies of {family.name} do not take", _PLAIN)
    extractor = arguments.get("features_extractor_class")
    if extractor is not None and class_name(extractor) not in _EXTRACTORS:
        problem = f"holds the features extractor {plain(class_name(extractor), 90)}, of which the gate knows nothing"
        raise CheckpointError(where, problem, _PLAIN)
    for name in ("squash_output", "use_sde"):
        if not isinstance(arguments.get(name, False), bool):  # which is taken for true there, and could be missed here
            raise CheckpointError(
                where, f"says {described(arguments[name])} for {name}, expected true or false", _PLAIN
            )
    if family.squashed and arguments.get("use_sde") is True:
        problem = "says use_sde, with which the actor's output is clipped once more"
        raise CheckpointError(where, problem, "Train without use_sde")
    return arguments


def _check_sizes(layers: Layers, family: Family, observed: Space, acted: int | Continuous, location: str) -> None:
    """Hold the weights against the spaces that the model was trained with.

    Raises:
        CheckpointError: they do not fit.
    """
    inputs, outputs = layers.weights[0].shape[1], layers.weights[-1].shape[0]
    if observed.size != inputs:
        problem = f"has {inputs} inputs, and observations of {observed.size} numbers"
        raise CheckpointError(location, problem, "Save the whole model, with model.save")
    expected = 1 if isinstance(acted, Continuous) else acted
    if outputs != expected or (family.squashed and not isinstance(acted, Continuous)):
        problem = f"has {outputs} outputs, and actions for {expected}"
        raise CheckpointError(location, problem, "Save the whole model, with model.save")


def _with_rungs(file: PolicyFile, layers: Layers, ladder: Ladder) -> tuple[PolicyFile, Layers]:
    """The file with a declared target for each rung, and the layers with an output for each.

    Raises:
        CheckpointError: nobody declares what exposures the ends of the action stand for.
    """
    where, ends = f"{file.location}, actions", file.declared.actions
    exposures = [action.exposure for action in ends or () if isinstance(action, Target)]
    if ends is None or len(exposures) != len(ends) or len(ends) not in (2, STEPS + 1) or exposures[0] >= exposures[-1]:
        problem = (
            f"is one continuous action from {ladder.low:g} to {ladder.high:g}, and nobody declares the two exposures "
            "that its ends stand for"
        )
        lines = lines_for(file, actions=["..."])
        remedy = (
            f'Write them in {lines}; likely are "actions": [{{"target": -1.0}}, {{"target": 1.0}}] (all short to all '
            'in) or [{"target": 0.0}, {"target": 1.0}] (out to all in)'
        )
        raise CheckpointError(where, problem, remedy)
    targets = rungs(exposures[0], exposures[-1])
    if len(ends) > 2 and ends != targets:
        problem = f"are {len(ends)} targets that are not evenly spaced, expected the two of the action's ends"
        raise CheckpointError(where, problem, "Declare these two alone")
    weight, bias = ladder.head(layers.weights[-1], layers.biases[-1])
    widened = layers._replace(weights=[*layers.weights[:-1], weight], biases=[*layers.biases[:-1], bias])
    return replace(file, declared=replace(file.declared, actions=targets)), widened


def _on_ladder(loaded: LoadedPolicy, ladder: Ladder) -> LoadedPolicy:
    assert isinstance(loaded.policy, MlpPolicy)
    note = f"Its action is continuous: the nearest of {STEPS + 1} evenly spaced targets is traded."
    return replace(loaded, policy=replace(loaded.policy, ladder=ladder), notes=(*loaded.notes, note))


def _check_observation(file: PolicyFile, meaning: Meaning, observed: Space) -> Mapping[str, int]:
    """Keys of a dict of observations, with the size of each, where what is declared fits them.

    Raises:
        CheckpointError: it does not, or nothing is declared of them.
    """
    where = f"{file.location}, observation"
    if not observed.keys:
        form = meaning.lookback, meaning.n_features
        if meaning.layout is None and len(observed.shape) == 2 and observed.shape != form:
            problem = f"has shape {list(observed.shape)}, declared are {form[0]} bars of {form[1]} features"
            raise CheckpointError(where, problem, "Observe bars row by row, the oldest first, or correct lookback")
        return {}
    listed = ", ".join(f"{plain(key, 60)} of {size}" for key, size in [*observed.keys.items()][:8])
    if meaning.layout is None:
        lines = lines_for(file, observation=["market", "ACCOUNT_FEATURE"], account=[{"name": "ACCOUNT_FEATURE"}])
        problem = f"is a dict ({listed}), flattened in this order, and nobody declares what its parts are"
        raise CheckpointError(where, problem, f"Declare them, as in {lines}")
    sizes = [meaning.lookback * meaning.n_market if part == MARKET else 1 for part in meaning.layout.parts]
    if not {*accumulate(observed.keys.values())} <= {*accumulate(sizes)}:
        problem = f"is a dict ({listed}), declared are {', '.join(meaning.layout.parts)} with {sizes[:8]} numbers"
        raise CheckpointError(where, problem, "Declare the parts in the order of the dict")
    return observed.keys
