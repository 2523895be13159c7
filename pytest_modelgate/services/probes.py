"""Parity probes made for a training script: its own policy, asked for the logits of observations drawn here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_modelgate.core.training.run import ParityProbe
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError

_MOST, _LEAST = 32, 4  # observations
_NUMBERS = 40_000  # of all observations together: a summary of many models must stay within its limit
_GRID = 8.0  # observations are multiples of 1/8: exact in float32 and in few letters
_LARGE = 4  # every so many-th observation lies
_FAR = 10.0  # times as far out, where a clamp or a normalisation shows
_REMEDY = "Pass the network itself, or a function of observations (n, obs_dim) that gives their logits (n, n_actions)"


def make_probe(policy: Callable[..., Any], obs_dim: int, n_actions: int, location: str) -> ParityProbe:
    """Ask a policy for the logits of observations that depend on their length alone.

    Args:
        policy: see ``ModelArtifact.policy``.
        location: the model, for messages.

    Raises:
        CheckpointError: it fails, or gives something other than finite logits (n, n_actions).
    """
    observations = draw_observations(obs_dim)
    expected = len(observations), n_actions
    try:
        given = _ask(policy, observations)
    except Exception as error:
        problem = f"fails for {expected[0]} observations of {obs_dim} numbers: {type(error).__name__}"
        raise CheckpointError(f"{location}, policy", problem, _REMEDY) from error
    logits = _numbers(given)
    if logits is None or logits.shape != expected:
        shown = f"a {type(given).__name__}" if logits is None else f"an array of shape {logits.shape}"
        raise CheckpointError(f"{location}, policy", f"gives {shown}, expected logits of shape {expected}", _REMEDY)
    if not np.isfinite(logits).all():
        raise CheckpointError(f"{location}, policy", "gives a logit that is not finite", _REMEDY)
    return ParityProbe(_rows(observations), _rows(logits))


def draw_observations(obs_dim: int) -> NDArray[np.float32]:
    """Observations (n, obs_dim) as features are scaled, around 0, and some that lie far out."""
    count = min(_MOST, max(_LEAST, _NUMBERS // obs_dim))
    drawn = np.random.default_rng(obs_dim).normal(size=(count, obs_dim))
    drawn[_LARGE - 1 :: _LARGE] *= _FAR
    return (np.round(drawn * _GRID) / _GRID).astype(np.float32)


def _ask(policy: Callable[..., Any], observations: NDArray[np.float32]) -> Any:  # noqa: ANN401 - whatever it gives
    torch: Any = sys.modules.get("torch")  # whoever passes a module has imported it
    if torch is not None and isinstance(policy, torch.nn.Module):
        return _ask_module(torch, policy, observations)
    return policy(observations.copy())


def _numbers(given: Any) -> Floats | None:  # noqa: ANN401 - whatever a policy gave
    """An array of what a policy gave; None for what is none."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().double().numpy()  # numpy knows no bfloat16
    try:
        return None if isinstance(given, tuple | dict) else np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _ask_module(torch: Any, module: Any, observations: NDArray[np.float32]) -> Any:  # noqa: ANN401 - likewise
    """Output of a module as it is used, without dropout and gradients; whether it is in training stays as it was."""
    like = next(iter(module.parameters()), torch.zeros(1))
    training = module.training
    try:
        module.eval()
        with torch.no_grad():
            return module(torch.from_numpy(observations.copy()).to(like))
    finally:
        module.train(training)


def _rows(table: NDArray[Any]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, table.tolist()))
