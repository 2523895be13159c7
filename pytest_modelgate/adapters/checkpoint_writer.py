"""Checkpoints written with torch, in the form that ``adapters.checkpoint`` reads."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pytest_modelgate.errors import CheckpointError

_POLICY = "Pass the torch.nn.Module, or its state_dict() of tensors or numpy arrays"


def save_checkpoint(
    policy: object, contents: Mapping[str, Any], path: Path, location: str, check: Callable[[Path], None]
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        policy: a ``torch.nn.Module``, or a state dict of tensors or numpy arrays.
        contents: everything else that it holds, plain values.
        location: the checkpoint, for messages.
        check: reads the file before it is in place, and raises where it cannot be used.

    Raises:
        CheckpointError: torch is not installed, or ``policy`` is something else; and whatever ``check`` raises.
    """
    try:
        import torch
    except ImportError:
        raise CheckpointError(location, "torch, which writes it, is not installed", "Install torch") from None
    state = policy.state_dict() if isinstance(policy, torch.nn.Module) else policy
    if not isinstance(state, Mapping):
        problem = f"the policy is a {type(policy).__name__}, expected a module or a state dict"
        raise CheckpointError(location, problem, _POLICY)
    try:
        tensors = {str(name): _tensor(torch, value) for name, value in state.items()}
    except (TypeError, ValueError, RuntimeError):
        raise CheckpointError(location, "its state dict holds something other than numbers", _POLICY) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        buffer = io.BytesIO()  # a file would give its own name to the records in it
        torch.save({"policy_state_dict": tensors, **contents}, buffer)
        temporary.write_bytes(buffer.getbuffer())
        check(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _tensor(torch: Any, value: Any) -> Any:  # noqa: ANN401 - torch is imported where it is used alone
    """A tensor of its own: a slice would bring the whole storage along that it is a view of."""
    tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(np.array(value))
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
