"""Allow-list of what a checkpoint's pickle may say, walked without running anything."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass

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
STORAGES = {  # torch's name of a storage: its type, bytes of one number
    "BFloat16": ("bfloat16", 2),
    "Bool": ("bool", 1),
    "Byte": ("uint8", 1),
    "Char": ("int8", 1),
    "Double": ("float64", 8),
    "Float": ("float32", 4),
    "Half": ("float16", 2),
    "Int": ("int32", 4),
    "Long": ("int64", 8),
    "Short": ("int16", 2),
}
_GLOBALS = frozenset(
    {
        "collections.OrderedDict",
        "torch.Size",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor_v2",
        *(f"torch.{kind}Storage" for kind in STORAGES),
    }
)


def trainer_classes(pickled: bytes, location: str, packages: tuple[str, ...]) -> tuple[str, ...]:
    """Dotted names of the trainer's own classes in a pickle, sorted; each will be replaced by an inert stand-in.

    Args:
        packages: top-level packages of trainers.

    Raises:
        CheckpointError: the pickle asks for anything that a checkpoint does not need.
    """
    classes = set()
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name not in _OPCODES or (opcode.name == "PROTO" and argument != _PROTOCOL):
                problem = f"its pickle uses {opcode.name}, which torch.save does not write by default"
                raise CheckpointError(location, problem, REMEDY)
            if opcode.name == "GLOBAL":
                name = str(argument).replace(" ", ".")
                if name in _GLOBALS:
                    continue
                if not (name.partition(".")[0] in packages and all(map(str.isidentifier, name.split(".")))):
                    problem = f"its pickle asks for {name[:80]!a}, expected tensors, plain values and classes of "
                    remedy = "Store plain values only; for a trainer of another name pass --gate-trainer-package"
                    raise CheckpointError(location, problem + " or ".join(packages), remedy)
                classes.add(name)
    except (ValueError, EOFError, LookupError):
        raise CheckpointError(location, "its pickle is damaged", REMEDY) from None
    return tuple(sorted(classes))


@dataclass(slots=True, eq=False, repr=False)  # either would walk whatever the file nests
class StandIn:
    """Stand-in for an instance of a trainer's class: keeps its state, runs nothing of it.

    Attributes:
        state: plain and frozen dataclasses pickle a dict, slotted ones ``(None, dict)``, frozen slotted ones a list.
    """

    state: object = None

    @property
    def fields(self) -> dict[object, object]:
        """Field values by name; empty where the pickle does not name them."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2:
            state = state[1]
        return state if isinstance(state, dict) else {}
