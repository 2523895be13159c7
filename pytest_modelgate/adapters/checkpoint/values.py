"""Values that a checkpoint's pickle describes, built from its instructions without running one of them.

Neither ``pickle`` nor ``torch.load`` is asked: both act on what a file says, torch does not check what SAFETY needs
checked, and importing it costs every process more than judging a small model does. A tensor becomes a note of where its
numbers lie; no number is read here.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_modelgate.adapters.checkpoint.pickled import STORAGES, StandIn

_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = frozenset({"BINFLOAT", "BININT", "BININT1", "BININT2", "BINUNICODE", "LONG1"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEYS = (str, int, float, type(None))  # hashed at once, whatever they hold; a tuple can take longer than anyone lives
_MARK = object()


class PickleError(ValueError):
    """Instructions that do not describe a checkpoint."""


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
    """Tensor in a storage; offset and strides count numbers. Nothing of it has been checked."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Contents:
    """What a pickle describes.

    Attributes:
        value: dicts, lists, tuples, plain values, ``StoredTensor`` and ``StandIn``.
        storages: by key; whatever refers to one says the same of it.
        tensors: all, wherever they stand.
    """

    value: object
    storages: Mapping[str, Storage]
    tensors: Sequence[StoredTensor]


@dataclass(frozen=True)
class _Global:
    name: str


def read_values(pickled: bytes, classes: tuple[str, ...]) -> Contents:
    """The object that a pickle describes.

    Args:
        classes: dotted names of the trainer's own; ``StandIn`` takes the place of their instances.

    Raises:
        PickleError: the instructions are inconsistent, or describe what a checkpoint does not hold.
    """
    reader = _Reader(classes)
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name == "STOP":
                (value,) = reader.stack
                return Contents(value, reader.storages, reader.tensors)
            reader.step(opcode.name, argument)
    except PickleError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise PickleError(str(error)) from None
    raise PickleError("no end")


class _Reader:
    """Pickle machine: a stack and a memo."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = dict.fromkeys(classes, _stand_in)
        self.stack: list[Any] = []
        self.storages: dict[str, Storage] = {}
        self.tensors: list[StoredTensor] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401 - whatever the instruction carries
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self.stack.append(tuple(self._pop(_TUPLES[name])))
        else:
            _STEPS[name](self, argument)

    def mark(self, _: object) -> None:
        self.stack.append(_MARK)

    def empty_dict(self, _: object) -> None:
        self.stack.append({})

    def empty_list(self, _: object) -> None:
        self.stack.append([])

    def tuple(self, _: object) -> None:
        self.stack.append(tuple(self._pop_to_mark()))

    def append(self, _: object) -> None:
        self._extend(self._pop(1))

    def appends(self, _: object) -> None:
        self._extend(self._pop_to_mark())

    def set_item(self, _: object) -> None:
        self._fill(self._pop(2))

    def set_items(self, _: object) -> None:
        self._fill(self._pop_to_mark())

    def name(self, argument: str) -> None:
        self.stack.append(_Global(argument.replace(" ", ".")))

    def storage(self, _: object) -> None:
        ((word, kind, key, _device, count),) = self._pop(1)
        if word != "storage" or not isinstance(kind, _Global) or not isinstance(key, str) or type(count) is not int:
            raise PickleError("a storage of another form")
        known, itemsize = STORAGES[kind.name.removeprefix("torch.").removesuffix("Storage")]
        storage = Storage(key, known, itemsize, count)
        if self.storages.setdefault(key, storage) != storage:
            raise PickleError("a storage of two types or sizes")  # of which torch takes the first
        self.stack.append(storage)

    def call(self, _: object) -> None:
        made, arguments = self._pop(2)
        if not isinstance(made, _Global) or not isinstance(arguments, tuple):
            raise PickleError("a call of something else than a name")
        value = (_CALLS | self._classes)[made.name](*arguments)
        if isinstance(value, StoredTensor):
            self.tensors.append(value)
        self.stack.append(value)

    def new(self, _: object) -> None:
        made, arguments = self._pop(2)
        if not isinstance(made, _Global) or not isinstance(arguments, tuple):
            raise PickleError("an instance of something else than a class")
        self.stack.append(self._classes[made.name](*arguments))

    def build(self, _: object) -> None:
        (state,) = self._pop(1)
        target = self.stack[-1]
        if isinstance(target, StandIn):
            target.state = state
        elif not (isinstance(target, dict) and isinstance(state, dict) and set(state) <= {"_metadata"}):
            raise PickleError("a state of something that has none")  # a module's state dict carries _metadata

    def skip(self, _: object) -> None:
        """Skip the protocol's number, which was checked."""

    def _pop(self, count: int) -> list[Any]:
        values = self.stack[len(self.stack) - count :]
        if len(values) != count or any(value is _MARK for value in values):
            raise PickleError("values are missing")
        del self.stack[len(self.stack) - count :]
        return values

    def _pop_to_mark(self) -> list[Any]:
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise PickleError("items of something else than a list")
        self.stack[-1].extend(values)

    def _fill(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or not all(isinstance(key, _KEYS) for key in values[::2]):
            raise PickleError("entries of something else than a dict, or with keys that are no plain values")
        target.update(zip(values[::2], values[1::2], strict=True))


_STEPS: dict[str, Callable[[_Reader, Any], None]] = {
    "APPEND": _Reader.append,
    "APPENDS": _Reader.appends,
    "BINPERSID": _Reader.storage,
    "BUILD": _Reader.build,
    "EMPTY_DICT": _Reader.empty_dict,
    "EMPTY_LIST": _Reader.empty_list,
    "GLOBAL": _Reader.name,
    "MARK": _Reader.mark,
    "NEWOBJ": _Reader.new,
    "PROTO": _Reader.skip,
    "REDUCE": _Reader.call,
    "SETITEM": _Reader.set_item,
    "SETITEMS": _Reader.set_items,
    "TUPLE": _Reader.tuple,
}


def _stand_in(*_: object) -> StandIn:
    return StandIn()


def _ordered_dict() -> dict[object, object]:
    return {}


def _size(numbers: object) -> tuple[int, ...]:
    if not isinstance(numbers, tuple) or not all(type(number) is int and number >= 0 for number in numbers):
        raise PickleError("sizes that are no whole numbers")
    return numbers


def _tensor(storage: object, offset: object, shape: object, strides: object, _grad: object, hooks: object) -> object:
    """Tensor of ``torch._utils._rebuild_tensor_v2``; a seventh argument would conjugate or negate the numbers."""
    if not isinstance(storage, Storage) or type(offset) is not int or offset < 0 or hooks != {}:
        raise PickleError("a tensor of another form")
    return StoredTensor(storage, offset, _size(shape), _size(strides))


def _parameter(tensor: object, _grad: object, hooks: object) -> object:
    if not isinstance(tensor, StoredTensor) or hooks != {}:
        raise PickleError("a parameter of another form")
    return tensor


_CALLS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_tensor_v2": _tensor,
}
