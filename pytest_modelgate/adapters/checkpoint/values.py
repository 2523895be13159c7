"""Values that a checkpoint's pickle describes, built from its instructions without running one of them.

Neither ``pickle`` nor ``torch.load`` is asked: both act on what a file says, torch does not check what SAFETY needs
checked, and importing it costs every process more than judging a small model does. A tensor becomes a note of where its
numbers lie; no number is read here. Whatever the file does with what it has made, time and memory are linear in its
instructions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_modelgate.adapters.checkpoint.instructions import PickleError, instructions
from pytest_modelgate.adapters.checkpoint.machine import MOST_INSTRUCTIONS, Machine
from pytest_modelgate.adapters.checkpoint.rebuilt import Storage, StoredTensor

_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = frozenset({
    "BINFLOAT", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Contents:
    """What a pickle describes.

    Attributes:
        value: dicts, lists, tuples, plain values, ``StoredTensor``, ``Named`` and ``StandIn``.
        storages: by key; whatever refers to one says the same of it.
        tensors: all, wherever they stand.
    """

    value: object
    storages: Mapping[str, Storage]
    tensors: Sequence[StoredTensor]


def read_values(pickled: bytes, packages: tuple[str, ...]) -> Contents:
    """The object that a pickle describes.

    Args:
        packages: top-level packages of trainers, of whose classes ``StandIn`` takes the place.

    Raises:
        NameRefusedError: it names what no checkpoint needs.
        PickleError: the instructions are inconsistent, or describe what a checkpoint does not hold.
    """
    machine = Machine(packages)
    try:
        for count, (name, argument) in enumerate(instructions(pickled)):
            if count == MOST_INSTRUCTIONS:
                raise PickleError(f"its pickle has more than {MOST_INSTRUCTIONS} instructions")
            if name == "STOP":
                (value,) = machine.stack
                return Contents(value, machine.storages, machine.tensors)
            _follow(machine, name, argument)
    except PickleError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise PickleError("its instructions contradict each other")


def _follow(machine: Machine, name: str, argument: Any) -> None:  # noqa: ANN401 - whatever the instruction carries
    """Carry out an instruction, the frequent ones without a detour."""
    if name in _LITERALS:
        machine.stack.append(argument)
    elif name in ("BINPUT", "LONG_BINPUT"):
        machine.memo[argument] = machine.top
    elif name in ("BINGET", "LONG_BINGET"):
        machine.stack.append(machine.memo[argument])
    elif name in _CONSTANTS:
        machine.stack.append(_CONSTANTS[name])
    elif name in _TUPLES:
        machine.stack.append(tuple(machine.pop_all(_TUPLES[name])))
    else:
        machine.steps[name](argument)
