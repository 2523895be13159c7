"""What a checkpoint's pickle would call, and what the gate takes for the result: nothing is called.

A tensor becomes a note of where its numbers lie, a numpy scalar the number it is; whatever else is an inert
``StandIn``. Of no argument more is looked at than its first few parts, since a pickle can give one of any size to many
calls.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pytest_modelgate.adapters.checkpoint.instructions import PickleError
from pytest_modelgate.adapters.checkpoint.pickled import STORAGES, UNTYPED, Named, StandIn, is_callable, is_makeable

_MOST_DIMENSIONS = 64  # that torch knows
_MOST_RAW = 16  # bytes of one number
_UNTYPED_SIZES = {"uint16": 2, "uint32": 4, "uint64": 8}  # of types that have no storage of their own
_SCALARS = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H",
            "u4": "I", "u8": "Q", "b1": "?"}  # fmt: skip
_CODES = re.compile(r"[fiub][0-9]{1,2}")
_FUNCTIONS = frozenset({"tanh", "relu", "selu", "sigmoid"})  # which torch._C names by getattr
_TENSORS = frozenset({"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"})


@dataclass(frozen=True)
class Storage:
    """A record of numbers.

    Attributes:
        key: names the record ``data/<key>``.
        kind: torch's name of the type, such as ``float32``.
        itemsize: bytes of one number.
        count: numbers in the record, as the pickle says.
    """

    key: str
    kind: str
    itemsize: int
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """Tensor in a storage; offset and strides count numbers. Nothing of it has been checked.

    Attributes:
        plain: its numbers are those in the storage, neither conjugate nor negated nor quantised.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    plain: bool = True


def stored(reference: object) -> Storage:
    """The storage that a persistent id refers to.

    Raises:
        PickleError: it is of another form than torch.save writes.
    """
    if not isinstance(reference, tuple) or len(reference) != 5:
        raise PickleError("a storage of another form")
    word, kind, key, _device, count = reference
    if word != "storage" or not isinstance(kind, Named) or not isinstance(key, str) or type(count) is not int:
        raise PickleError("a storage of another form")
    if kind.name == UNTYPED:
        return Storage(key, "bytes", 1, count)
    return Storage(key, *STORAGES[kind.name.removeprefix("torch.").removesuffix("Storage")], count)


def called(function: object, arguments: object) -> object:
    """Result of a call.

    Raises:
        PickleError: no honest checkpoint calls this, or not with such arguments.
    """
    if not isinstance(function, Named) or not isinstance(arguments, tuple) or not is_callable(function.name):
        raise PickleError("a call of something that no checkpoint calls")
    return _CALLS[function.name](*arguments) if function.name in _CALLS else StandIn(function.name, arguments)


def made(kind: object, arguments: object) -> object:
    """Instance of a class, made without ``__init__``.

    Raises:
        PickleError: it is no class, or one of which honest checkpoints hold no instance.
    """
    if not isinstance(kind, Named) or not isinstance(arguments, tuple) or not is_makeable(kind.name):
        raise PickleError("an instance of something that has none")
    if kind.name in _CALLS or kind.name.startswith("torch._"):
        raise PickleError("an instance of a function")
    return StandIn(kind.name, arguments)


def raw_bytes(value: object) -> bytes | None:
    """Bytes, which protocol 2 writes as text in Latin-1; None where there are none."""
    if isinstance(value, StandIn) and value.name == "_codecs.encode":
        (text,) = value.arguments
        try:
            return str(text).encode("latin-1")
        except UnicodeEncodeError:
            return None
    return value if isinstance(value, bytes) else None


def dtype_of(value: object) -> str | None:
    """Code of a numpy type of plain numbers, such as ``<f8``; None for any other."""
    if not isinstance(value, StandIn) or value.name != "numpy.dtype" or not value.arguments:
        return None
    code, state = value.arguments[0], value.state
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "<"
    if not isinstance(code, str) or not _CODES.fullmatch(code) or code not in _SCALARS:
        return None
    return f"{'>' if order == '>' else '<'}{code}" if order in ("<", ">", "|", "=") else None


def _scalar(dtype: object, raw: object = None, *_: object) -> object:
    """A numpy scalar: the number that it is, where it is one."""
    stand_in = StandIn("numpy.core.multiarray.scalar", (dtype, raw))
    code = dtype_of(dtype)
    if code is None or (isinstance(raw, StandIn) and len(str(raw.arguments[0])[: _MOST_RAW + 1]) > _MOST_RAW):
        return stand_in
    data = raw_bytes(raw)
    if data is None or len(data) != int(code[2:]):
        return stand_in
    number: object = struct.unpack(code[0] + _SCALARS[code[1:]], data)[0]
    return number


def _encode(text: object, encoding: object) -> StandIn:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise PickleError("text in an encoding that Python does not write")
    return StandIn("_codecs.encode", (text,))


def _no_bytes() -> bytes:
    return b""  # as protocol 2 has it


def _ordered() -> dict[object, object]:
    return {}  # its items follow


def _defaulting(factory: object = None) -> dict[object, object]:
    if not isinstance(factory, Named | StandIn | None):
        raise PickleError("a mapping of another form")
    return {}


def _queue(items: object = (), *_: object) -> list[object]:
    if not isinstance(items, tuple | list) or items:
        raise PickleError("a deque of another form")  # its items follow
    return []


def _partial(function: object, *arguments: object) -> StandIn:
    if not isinstance(function, Named) or function.name in _CALLS:
        raise PickleError("a partial of something that no checkpoint calls")
    return StandIn("functools.partial", (function, *arguments))


def _attribute(owner: object, name: object) -> Named:
    """torch.tanh, say; an attribute of anything else could be a function that deletes files."""
    if owner != Named("torch._C._VariableFunctionsClass") or name not in _FUNCTIONS:
        raise PickleError("an attribute of something")
    return Named(f"torch.{name}")


def _reconstructed(kind: object, base: object, *_: object) -> StandIn:
    if not isinstance(kind, Named) or not isinstance(base, Named):
        raise PickleError("an instance of something that has none")
    return StandIn(kind.name)


def _size(numbers: object) -> tuple[int, ...]:
    if not isinstance(numbers, tuple) or len(numbers) > _MOST_DIMENSIONS:
        raise PickleError("sizes that are none")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise PickleError("sizes that are no whole numbers")
    return numbers


def _tensor(*parts: object) -> StoredTensor:
    """Tensor of ``torch._utils._rebuild_tensor_v2``; a seventh argument conjugates or negates the numbers."""
    storage, offset, shape, strides, _grad, hooks, *odd = parts
    if not isinstance(storage, Storage) or type(offset) is not int or offset < 0 or hooks != {} or len(odd) > 1:
        raise PickleError("a tensor of another form")
    return StoredTensor(storage, offset, _size(shape), _size(strides), plain=odd in ([], [None], [{}]))


def _typed_tensor(*parts: object) -> StoredTensor:
    """Tensor of ``torch._utils._rebuild_tensor_v3``, of a type that has no storage of its own."""
    storage, offset, shape, strides, grad, hooks, dtype, *odd = parts
    if not isinstance(storage, Storage) or storage.itemsize != 1 or not isinstance(dtype, Named):
        raise PickleError("a tensor of another form")
    kind = dtype.name.removeprefix("torch.")
    size = _UNTYPED_SIZES.get(kind, 1)
    typed = Storage(storage.key, kind, size, storage.count // size)
    return _tensor(typed, offset, shape, strides, grad, hooks, *odd)


def _parameter(tensor: object, _grad: object, hooks: object, state: object = None) -> object:
    """A parameter; with attributes of its own none whose numbers are known, since ``data`` would take their place."""
    if not isinstance(tensor, StoredTensor) or hooks != {}:
        raise PickleError("a parameter of another form")
    return replace(tensor, plain=tensor.plain and state in (None, (), {}, (None, None), ({}, None), (None, {})))


def _subclass(function: object, kind: object, arguments: object, state: object) -> StandIn:
    """A tensor of a class of its own; what that does with the numbers is not known."""
    if not isinstance(function, Named) or function.name not in _TENSORS or not isinstance(arguments, tuple):
        raise PickleError("a tensor of another form")
    if not isinstance(kind, Named):
        raise PickleError("a tensor of another form")
    return StandIn(kind.name, (_CALLS[function.name](*arguments), state))


_CALLS: Mapping[str, Callable[..., object]] = {
    "_codecs.encode": _encode,
    "builtins.bytes": _no_bytes,
    "builtins.getattr": _attribute,
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _defaulting,
    "collections.deque": _queue,
    "copyreg._reconstructor": _reconstructed,
    "functools.partial": _partial,
    "numpy.core.multiarray.scalar": _scalar,
    "torch.Size": _size,
    "torch._tensor._rebuild_from_type_v2": _subclass,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
}
