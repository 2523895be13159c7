"""Policies as their trainers export them: modules of torch, and what both of its exporters make of them.

``PYTHONPATH=tests python -m support.onnx_exports`` writes those in ``tests/adapters/formats/exports`` anew.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from support.onnx_exports_read import ACTIONS, BARS, EXPORTS, FEATURES, observations
from torch import nn


def layers(activation: Callable[[], nn.Module]) -> nn.Sequential:
    inputs = BARS * FEATURES
    return nn.Sequential(nn.Linear(inputs, 16), activation(), nn.Linear(16, 12), activation(), nn.Linear(12, ACTIONS))


class Flattened(nn.Module):
    """Takes bars, and flattens them as most do."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, bars: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.net(bars.view(bars.size(0), -1))
        return logits


class Normalised(nn.Module):
    """Normalises observations and gives probabilities, as what is deployed often does."""

    def __init__(self) -> None:
        super().__init__()
        self.net = layers(nn.ReLU)
        self.mean: torch.Tensor
        self.var: torch.Tensor
        self.register_buffer("mean", torch.randn(FEATURES))
        self.register_buffer("var", torch.rand(FEATURES) + 0.5)

    def forward(self, bars: torch.Tensor) -> torch.Tensor:
        seen = torch.clip((bars - self.mean) / torch.sqrt(self.var + 1e-8), -2.0, 2.0)
        return torch.softmax(self.net(seen.flatten(1)), dim=-1)


class ActorCritic(nn.Module):
    """Gives logits less their log-sum-exp, as torch's Categorical has them, and a value."""

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = layers(nn.ELU), layers(nn.ELU)

    def forward(self, bars: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        flat = bars.flatten(1)
        logits = self.actor(flat)
        return logits - logits.logsumexp(dim=-1, keepdim=True), self.critic(flat)[:, :1]


def _normed(activation: Callable[[], nn.Module]) -> nn.Module:
    inputs = BARS * FEATURES
    before = nn.Linear(inputs, 16), nn.LayerNorm(16), activation()
    after = nn.Linear(16, 12), activation(), nn.LayerNorm(12)
    return nn.Sequential(nn.Flatten(), *before, *after, nn.Linear(12, ACTIONS, bias=False))


MODULES: Mapping[str, Callable[[], nn.Module]] = {
    "tanh": lambda: Flattened(layers(nn.Tanh)),
    "silu": lambda: _normed(nn.SiLU),
    "gelu": lambda: _normed(nn.GELU),
    "gelu_tanh": lambda: Flattened(layers(lambda: nn.GELU(approximate="tanh"))),
    "leaky_relu": lambda: Flattened(layers(lambda: nn.LeakyReLU(0.2))),
    "normalised": Normalised,
    "actor_critic": ActorCritic,
}


def made(name: str) -> nn.Module:
    """The module of a name, with weights that are large enough for its actions to differ."""
    torch.manual_seed(sum(map(ord, name)))
    module = MODULES[name]().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.7)
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module


def export(module: nn.Module, path: Path, *, dynamo: bool, opset: int = 18, batch: bool = True) -> None:
    """Export a module as its trainer would, without what exporters print."""
    bars = (torch.zeros(2 if batch else 1, BARS, FEATURES),)
    how: dict[str, Any] = {"dynamo": dynamo, "opset_version": opset, "input_names": ["bars"]}
    if dynamo:
        how |= {"external_data": False, "verbose": False}
    if batch:
        open_size = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
        how |= open_size if dynamo else {"dynamic_axes": {"bars": {0: "batch"}}}
    silent = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with silent[0], silent[1], warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            torch.onnx.export(module, bars, str(path), **how)
        finally:
            logging.disable(logging.NOTSET)


def torch_outputs(module: nn.Module, flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a module gives for flat observations."""
    with torch.no_grad():
        given = module(torch.as_tensor(flat).reshape(-1, BARS, FEATURES))
    return np.asarray((given[0] if isinstance(given, tuple) else given).numpy())


def _forget_where(path: Path) -> None:
    """Take out where the code of a module was, of which exporters write whole stack traces."""
    import onnx

    exported = onnx.load(path)
    for part in (exported, exported.graph, *exported.graph.node, *exported.graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(exported, path)


def main() -> None:
    """Write all exports, and the actions of torch."""
    EXPORTS.mkdir(exist_ok=True)
    for name in MODULES:
        module = made(name)
        dynamo = name in ("silu", "normalised")
        export(module, EXPORTS / f"{name}.onnx", dynamo=dynamo, opset=14 if name == "gelu" else 18)
        _forget_where(EXPORTS / f"{name}.onnx")
        actions = torch_outputs(module, observations(10_000)).argmax(axis=1)
        (EXPORTS / f"{name}.actions").write_bytes(actions.astype(np.uint8).tobytes())


if __name__ == "__main__":
    main()
