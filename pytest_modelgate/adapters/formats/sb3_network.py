"""Layers of an actor of Stable-Baselines3: told by the names that its own classes give them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from numpy.typing import NDArray

from pytest_modelgate.adapters.checkpoint.container import Container
from pytest_modelgate.adapters.checkpoint.network import Layers
from pytest_modelgate.adapters.checkpoint.numbers import read_tensor
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain

_EXPORT = (
    "write the actor with pytest_modelgate.pack_checkpoint if layers and one activation are all it is, or export it "
    "with torch.onnx.export, see docs/your-policy.md"
)
_LAYER = re.compile(r"(.*\.)([0-9]+)\.(weight|bias)")


@dataclass(frozen=True)
class Family:
    """Policies whose actors are built alike.

    Attributes:
        name: for messages.
        activation: of its layers unless ``activation_fn`` says another.
        stacks: prefixes of numbered layers, in the order in which they apply.
        last: prefix of the layer behind these; None where it is the last of the stack.
        left: beginnings of names that no action depends on.
        squashed: a continuous action goes through tanh.
        probabilities: outputs are logits of probabilities.
    """

    name: str
    activation: str
    stacks: tuple[str, ...]
    last: str | None
    left: tuple[str, ...]
    squashed: bool = False
    probabilities: bool = True


_ACTOR_CRITIC = Family(
    "actor-critic",
    "tanh",
    ("mlp_extractor.shared_net.", "mlp_extractor.policy_net."),
    "action_net",
    ("mlp_extractor.value_net.", "value_net.", "log_std"),
)
_Q = Family("DQN", "relu", ("q_net.q_net.",), None, ("q_net_target.",), probabilities=False)
_CRITICS = ("critic.", "critic_target.", "actor_target.", "log_ent_coef")
_SAC = Family(
    "SAC", "relu", ("actor.latent_pi.",), "actor.mu", ("actor.log_std", *_CRITICS), squashed=True, probabilities=False
)
_TD3 = Family("TD3", "relu", ("actor.mu.",), None, _CRITICS, squashed=True, probabilities=False)
FAMILIES = {
    "stable_baselines3.common.policies.ActorCriticPolicy": _ACTOR_CRITIC,
    "stable_baselines3.common.policies.MultiInputActorCriticPolicy": _ACTOR_CRITIC,
    "sb3_contrib.common.maskable.policies.MaskableActorCriticPolicy": _ACTOR_CRITIC,
    "sb3_contrib.common.maskable.policies.MaskableMultiInputActorCriticPolicy": _ACTOR_CRITIC,
    "stable_baselines3.dqn.policies.DQNPolicy": _Q,
    "stable_baselines3.dqn.policies.MultiInputPolicy": _Q,
    "stable_baselines3.sac.policies.SACPolicy": _SAC,
    "stable_baselines3.sac.policies.MultiInputPolicy": _SAC,
    "sb3_contrib.tqc.policies.TQCPolicy": _SAC,
    "sb3_contrib.tqc.policies.MultiInputPolicy": _SAC,
    "stable_baselines3.td3.policies.TD3Policy": _TD3,
    "stable_baselines3.td3.policies.MultiInputPolicy": _TD3,
}


def actor_layers(state: Mapping[str, object], family: Family, container: Container, location: str) -> Layers:
    """Layers of an actor in the order in which they apply.

    Raises:
        CheckpointError: it holds what the family's plain policies do not, or layers that do not fit each other.
    """
    where = f"{location}, policy.pth"
    names = [name for name in state if not name.startswith(family.left)]
    order: list[str] = []
    for stack in family.stacks:
        matches = (_LAYER.fullmatch(name) for name in names if name.startswith(stack))
        numbers = sorted({int(match[2]) for match in matches if match and match[1] == stack and len(match[2]) < 4})
        order += [f"{stack}{number}" for number in numbers if number % 2 == 0]  # an activation stands between two
        if numbers != list(range(0, 2 * len(numbers), 2)):
            _refuse_extra(f"{stack}{max(numbers)}", family, where)
    order += [family.last] if family.last else []
    expected = {f"{layer}.{part}" for layer in order for part in ("weight", "bias")}
    for name in names:
        if name not in expected:
            _refuse_extra(name, family, where)
    weights: list[NDArray[Any]] = []
    biases: list[NDArray[Any]] = []
    for layer in order:
        place = f"{where}, {plain(layer, 80)}"
        if f"{layer}.weight" not in state or f"{layer}.bias" not in state:
            raise CheckpointError(place, f"is missing, expected the actor of a policy of {family.name}", _SAVE)
        weight, bias = (
            read_tensor(state[f"{layer}.{part}"], f"{place}.{part}", container) for part in ("weight", "bias")
        )
        if weight.ndim != 2 or bias.shape != weight.shape[:1] or (weights and weight.shape[1] != len(weights[-1])):
            problem = f"has weight {list(weight.shape)} and bias {list(bias.shape)}, which do not fit behind each other"
            raise CheckpointError(place, problem, _SAVE)
        weights.append(weight)
        biases.append(bias)
    return Layers(tuple(order), weights, biases, ())


_SAVE = "Save the whole policy, with model.save"


def _refuse_extra(name: str, family: Family, location: str) -> NoReturn:
    bare = plain(name, 80)
    if "lstm" in name:
        problem = f"{bare} makes it recurrent: it acts on more than the observation"
        raise CheckpointError(location, problem, "Train without memory, with earlier bars in the observation")
    if "features_extractor" in name:
        problem = f"{bare} belongs to a features extractor with weights of its own"
        raise CheckpointError(location, problem, f"Train on flat observations (the default extractor), or {_EXPORT}")
    problem = f"{bare} is nothing that a plain policy of {family.name} has"
    raise CheckpointError(location, problem, f"Train with the policies of Stable-Baselines3 as they are, or {_EXPORT}")
