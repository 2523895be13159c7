"""Storages that a checkpoint's pickle names, held against the records of the file, without reading a number."""

from __future__ import annotations

from pytest_modelgate.adapters.checkpoint.container import REMEDY, Container
from pytest_modelgate.adapters.checkpoint.rebuilt import StoredTensor
from pytest_modelgate.adapters.checkpoint.values import Contents
from pytest_modelgate.errors import CheckpointError


def check_storages(contents: Contents, container: Container) -> None:
    """Refuse a checkpoint that torch would not load: of all its tensors, those of optimizer and critic included.

    Raises:
        CheckpointError: a record is missing or of another size than the pickle says, or a tensor reaches beyond it.
    """
    for key, storage in contents.storages.items():
        span = container.records.get(f"data/{key}")
        if span is None:
            raise CheckpointError(container.location, f"names a record {f'data/{key}'[:30]!a} that is missing", REMEDY)
        if span.size != storage.count * storage.itemsize:
            claimed = f"{storage.count} numbers of type {storage.kind}, {storage.count * storage.itemsize} bytes"
            problem = f"its record data/{key} holds {span.size} bytes, its pickle claims {claimed}"
            raise CheckpointError(container.location, problem, REMEDY)
    for tensor in contents.tensors:
        if len(tensor.strides) != len(tensor.shape) or tensor.offset + _extent(tensor) > tensor.storage.count:
            problem = f"a tensor of shape {list(tensor.shape)[:8]} reaches beyond its record data/{tensor.storage.key}"
            raise CheckpointError(container.location, problem, REMEDY)


def _extent(tensor: StoredTensor) -> int:
    """Numbers from a tensor's first to its last, both included."""
    if 0 in tensor.shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
