"""Random policies as torch modules: how a trader runs a checkpoint, whatever the file lists first and in which type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st
from support.checkpoints import contents, saved

from pytest_modelgate.core.policy.activations import ACTIVATIONS

FEATURES, ACTIONS = 53, 3  # of generation 2.3
STYLES = ("trunk", "actor", "fc", "sb3", "shared", "words")
EPSILON, CLIP = 1e-8, 2.0
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
NORMS = ("none", "before", "after")  # their activation, in a Sequential
FUNCTIONS = {  # as a trainer's class holds them
    "tanh": torch.nn.Tanh(),
    "relu": torch.nn.ReLU(),
    "elu": torch.nn.ELU(),
    "silu": torch.nn.SiLU(),
    "gelu": torch.nn.GELU(),
    "gelu_tanh": torch.nn.GELU(approximate="tanh"),
    "leaky_relu": torch.nn.LeakyReLU(),
}
ILLS = ("none", "offset", "biases", "pair", "saturated pair", "swallowed", "gain", "vanishing")


@dataclass
class Network:
    """A policy as a trader's class defines it.

    Attributes:
        names: layers in the order in which the class applies them.
        listed: the same layers in the order of the file.
        ill: how it was made hard for float32.
        norms: names of normalisations by the layer they follow, and whether they come before the activation.
        turned: weights lie column by column in the file.
        statistics: of the features of a row, mean and variance; None without.
    """

    names: tuple[str, ...]
    listed: tuple[str, ...]
    state: dict[str, torch.Tensor]
    activation: str
    window: int
    seed: int
    ill: str = "none"
    norms: dict[str, str] = field(default_factory=dict)
    norms_first: bool = True
    turned: bool = False
    statistics: tuple[np.ndarray, np.ndarray] | None = None

    def save(self, folder: Path) -> Path:
        """Write a checkpoint whose state dict has the file's order."""
        listed = [part for name in self.listed for part in (name, *([self.norms[name]] if name in self.norms else []))]
        state = {
            full: tensor.t().contiguous().t() if self.turned and tensor.dim() == 2 else tensor
            for name in listed
            for part in ("weight", "bias")
            if (tensor := self.state.get(full := f"{name}.{part}")) is not None
        }
        config = {"activation": FUNCTIONS[self.activation], "feature_set": "reference-v1"}
        made = contents(window=self.window, policy_state_dict=state, config=config, optimizer_state_dict=None)
        if self.statistics:
            mean, variance = self.statistics
            made["obs_rms"] = {"mean": mean, "var": variance, "count": 1e4, "epsilon": EPSILON, "clip_obs": CLIP}
        return saved(folder, made)

    def module(self, path: Path, dtype: torch.dtype) -> Trader:
        """What a trader runs: its own class, filled by name from the file."""
        module = Trader(self).to(dtype)
        module.load_state_dict(torch.load(path, weights_only=False)["policy_state_dict"], strict=True)
        return module


class Trader(torch.nn.Module):
    """Linear layers under any names, applied in a given order, on observations that statistics may change first."""

    def __init__(self, made: Network) -> None:
        super().__init__()
        self.made, self.activation = made, FUNCTIONS[made.activation]
        for name in (*made.names, *made.norms.values()):
            *folders, last = name.split(".")
            parent: torch.nn.Module = self
            for folder in folders:
                if folder not in dict(parent.named_children()):
                    parent.add_module(folder, torch.nn.Module())
                parent = parent.get_submodule(folder)
            shape = made.state[f"{name}.weight"].shape
            parent.add_module(
                last,
                torch.nn.LayerNorm(shape[0])
                if len(shape) == 1
                else torch.nn.Linear(shape[1], shape[0], bias=f"{name}.bias" in made.state),
            )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = self._normalised(values)
        for number, name in enumerate(self.made.names):
            values = self.get_submodule(name)(values)
            if number == len(self.made.names) - 1:
                return values
            norm = self.get_submodule(self.made.norms[name]) if name in self.made.norms else torch.nn.Identity()
            values = self.activation(norm(values)) if self.made.norms_first else norm(self.activation(values))
        return values

    def _normalised(self, values: torch.Tensor) -> torch.Tensor:
        if self.made.statistics is None:
            return values
        mean, variance = (torch.from_numpy(part).double() for part in self.made.statistics)
        rows = values.double().reshape(len(values), self.made.window, FEATURES)
        clipped = ((rows - mean) / torch.sqrt(variance + EPSILON)).clamp(-CLIP, CLIP)
        return clipped.reshape(len(values), -1).to(values.dtype)


def layer_names(style: str, count: int, step: int = 2) -> tuple[str, ...]:
    """Names of so many layers as trainers choose them, in the order in which they apply."""
    stack = [f"{step * number}" for number in range(count)]
    if style == "words":
        return tuple(("delta", "alpha", "gamma", "beta", "omega", "eta")[:count])
    if style == "fc":
        return (*(f"fc{number + 1}" for number in range(count - 1)), "out")
    if style == "shared":
        middle = count // 2
        return (*(f"shared.{part}" for part in stack[:middle]), *(f"actor.{part}" for part in stack[: count - middle]))
    folder, head = {
        "trunk": ("trunk", "policy_head"),
        "actor": ("actor", f"actor.{step * (count - 1)}"),
        "sb3": ("mlp_extractor.policy_net", "action_net"),
    }[style]
    return (*(f"{folder}.{part}" for part in stack[:-1]), head)


def network(
    hidden: Sequence[int],
    *,
    style: str = "trunk",
    activation: str = "tanh",
    window: int = 1,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    ill: str = "none",
    shuffle: bool = False,
    norms: str = "none",
    biases: bool = True,
    turned: bool = False,
    statistics: bool = False,
) -> Network:
    """A policy of the size that training begins with, or one that is hard for float32."""
    rng = np.random.default_rng(seed)
    sizes = [FEATURES * window, *hidden, ACTIONS]
    weights = [rng.normal(size=(out, into)) * 1.5 / np.sqrt(into) for into, out in pairwise(sizes)]
    shifts = [0.1 * rng.normal(size=out) for out in sizes[1:]]
    _spoil(weights, shifts, ill, rng, activation)
    names = layer_names(style, len(weights), 2 if norms == "none" else 3)
    state = {}
    for name, weight, bias in zip(names, weights, shifts, strict=True):
        state[f"{name}.weight"] = torch.from_numpy(weight).to(dtype)
        if biases:
            state[f"{name}.bias"] = torch.from_numpy(bias).to(dtype)
    behind: dict[str, str] = {}
    for name, weight in zip(names[:-1], weights[:-1], strict=True):
        prefix, _, number = name.rpartition(".")
        if norms != "none" and number.isdigit():
            behind[name] = norm = f"{prefix}.{int(number) + (1 if norms == 'before' else 2)}"
            state[f"{norm}.weight"] = torch.from_numpy(1.0 + 0.3 * rng.normal(size=len(weight))).to(dtype)
            state[f"{norm}.bias"] = torch.from_numpy(0.3 * rng.normal(size=len(weight))).to(dtype)
    listed = [names[place] for place in rng.permutation(len(names))] if shuffle else names
    known = (rng.normal(size=FEATURES), np.exp(rng.normal(size=FEATURES))) if statistics else None
    return Network(names, tuple(listed), state, activation, window, seed, ill, behind, norms == "before", turned, known)


def _spoil(
    weights: list[np.ndarray], biases: list[np.ndarray], ill: str, rng: np.random.Generator, activation: str
) -> None:
    """Make a policy one that float64 and float32 run differently, more or less."""
    size = 10.0 ** rng.uniform(2, 12)
    layer = int(rng.integers(len(weights)))
    if ill == "offset":  # every logit far away from zero
        biases[-1] += size
    elif ill == "biases" and activation == "relu" and len(weights) > 1:  # one layer adds what the next takes away
        biases[0] += size
        biases[1] -= weights[1].sum(axis=1) * size
    elif ill == "pair":  # the first two features are constant and alike
        weights[0][:, 0] += size
        weights[0][:, 1] -= size
    elif ill == "saturated pair" and len(weights) > 1 and weights[-1].shape[1] > 1:
        weights[-2][:2], biases[-2][:2] = 0.0, 50.0
        weights[-1][:, 0] += size
        weights[-1][:, 1] -= size
    elif ill == "swallowed":  # a large first term, and many small ones that count together
        weights[0][:, 0], weights[0][:, 1:] = 1e3, rng.normal(size=weights[0][:, 1:].shape) * 1e-4
        biases[0] -= 1e3
    elif ill == "gain":
        weights[layer] *= size
    elif ill == "vanishing":
        weights[0] *= 10.0 ** -rng.uniform(5, 44)
        biases[0] *= 0.0
        weights[-1] *= 10.0 ** rng.uniform(5, 38)


@st.composite
def networks(draw: st.DrawFn, ills: Sequence[str] = ILLS) -> Network:
    """Few widths, so that layers often fit in each other's place."""
    return network(
        draw(st.lists(st.sampled_from([FEATURES, ACTIONS, 8, 8, 8, 16]), min_size=1, max_size=5)),
        style=draw(st.sampled_from(STYLES)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        window=draw(st.sampled_from([1, 1, 2, 5])),
        seed=draw(st.integers(0, 2**32 - 1)),
        dtype=draw(st.sampled_from(DTYPES)),
        ill=draw(st.sampled_from(ills)),
        shuffle=draw(st.booleans()),
        norms=draw(st.sampled_from(("none", *NORMS))),
        biases=draw(st.sampled_from([True, True, False])),
        turned=draw(st.booleans()),
        statistics=draw(st.sampled_from([False, False, True])),
    )


def torch_logits(trader: Trader, observations: torch.Tensor) -> np.ndarray:
    """Logits (n, 3) of observations (n, 53 * window) of the trader's type."""
    with torch.no_grad():
        return np.asarray(trader(observations))


def market(rng: np.random.Generator, bars: int) -> np.ndarray:
    """Features (bars, 53), of which the first two are always 1."""
    features = rng.normal(size=(bars, FEATURES))
    features[:, :2] = 1.0
    return features
