"""What a checkpoint's pickle may say: an allow-list, walked without running anything."""

from __future__ import annotations

import pickletools
from typing import Self

from pytest_modelgate.adapters.checkpoint.container import REMEDY
from pytest_modelgate.errors import CheckpointError

# fmt: off
_OPCODES = frozenset({
    "APPEND", "APPENDS", "BINFLOAT", "BINGET", "BININT", "BININT1", "BININT2", "BINPERSID", "BINPUT",
    "BINUNICODE", "BUILD", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "GLOBAL", "LONG1", "LONG_BINGET",
    "LONG_BINPUT", "MARK", "NEWFALSE", "NEWOBJ", "NEWTRUE", "NONE", "PROTO", "REDUCE", "SETITEM",
    "SETITEMS", "STOP", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
})
# fmt: on
_PROTOCOL = 2  # torch warns of any other, in words of its own
_STORAGES = ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
_GLOBALS = frozenset(
    {
        "collections.OrderedDict",
        "torch.Size",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor_v2",
        *(f"torch.{kind}Storage" for kind in _STORAGES),
    }
)


def trainer_classes(pickled: bytes, where: str, packages: tuple[str, ...]) -> tuple[str, ...]:
    """Dotted names of the trainer's own classes in a pickle, sorted; each will be replaced by an inert stand-in.

    Args:
        packages: top-level packages of trainers.

    Raises:
        CheckpointError: the pickle asks for anything that a checkpoint does not need.
    """
    found = set()
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name not in _OPCODES or (opcode.name == "PROTO" and argument != _PROTOCOL):
                problem = f"its pickle uses {opcode.name}, which torch.save does not write by default"
                raise CheckpointError(where, problem, REMEDY)
            if opcode.name == "GLOBAL":
                name = str(argument).replace(" ", ".")
                if name in _GLOBALS:
                    continue
                if not (name.partition(".")[0] in packages and all(map(str.isidentifier, name.split(".")))):
                    problem = f"its pickle asks for {name[:80]!a}, expected tensors, plain values and classes of "
                    remedy = "Store plain values only; for a trainer of another name pass --gate-trainer-package"
                    raise CheckpointError(where, problem + " or ".join(packages), remedy)
                found.add(name)
    except (ValueError, EOFError, LookupError):
        raise CheckpointError(where, "its pickle is damaged", REMEDY) from None
    return tuple(sorted(found))


class StandIn:
    """Takes the place of an instance of a trainer's class: keeps its state, runs nothing of it."""

    __slots__ = ("state",)

    def __new__(cls, *_: object, **__: object) -> Self:
        """Arguments of a class we do not have mean nothing to us."""
        stand_in = super().__new__(cls)
        stand_in.state = None
        return stand_in

    def __setstate__(self, state: object) -> None:
        """Plain and frozen dataclasses pickle a dict, slotted ones ``(None, dict)``, frozen slotted ones a list."""
        self.state = state

    @property
    def fields(self) -> dict[object, object]:
        """Field values by name; empty where the pickle does not name them."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2:
            state = state[1]
        return state if isinstance(state, dict) else {}
