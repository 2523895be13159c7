"""Machine that follows a pickle's instructions: a stack and a memo, and nothing is run.

An object's own attributes can take the place of its methods (``append``, ``__setstate__``), which later instructions
would call. So an object is given its state once, and nothing afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_modelgate.adapters.checkpoint import rebuilt
from pytest_modelgate.adapters.checkpoint.instructions import PickleError
from pytest_modelgate.adapters.checkpoint.pickled import Named, StandIn, canonical, is_allowed
from pytest_modelgate.adapters.checkpoint.rebuilt import Storage, StoredTensor

MOST_INSTRUCTIONS = 2_000_000  # what they describe takes less than 1 GB
_PROTOCOLS = (2, 3, 4, 5)
_KEYS = (str, float, bool, type(None))  # hashed at once, whatever they hold
_LARGEST_KEY = 1 << 60  # whole numbers beyond can be made to have one hash, all of them
_MOST_IN_KEY = 64
_METADATA = {"_metadata"}  # of a module's state dict
_HASHING = frozenset({"builtins.set", "builtins.frozenset", "collections.Counter"})
_MARK = object()


class NameRefusedError(PickleError):
    """A name that a checkpoint may not say.

    Attributes:
        name: dotted.
        whole: what the file holds is an instance of it, or begins with one.
    """

    def __init__(self, name: str, *, whole: bool) -> None:
        super().__init__(name)
        self.name: str = name
        self.whole: bool = whole


class Machine:
    """Stack and memo of a pickle, and what its tensors refer to.

    Args:
        packages: top-level packages of trainers, of whose classes ``StandIn`` takes the place.

    Attributes:
        steps: what the instructions do that are not plain values, by name; each takes its argument.
    """

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages = packages
        self.stack: list[Any] = []
        self.storages: dict[str, Storage] = {}
        self.tensors: list[StoredTensor] = []
        self.memo: dict[int, Any] = {}
        self._checked = 0
        self.steps: dict[str, Callable[[Any], None]] = {
            "ADDITEMS": self._add_items,
            "APPEND": self._append,
            "APPENDS": self._appends,
            "BINPERSID": self._storage,
            "BUILD": self._build,
            "BYTEARRAY8": self._byte_array,
            "EMPTY_DICT": self._empty_dict,
            "EMPTY_LIST": self._empty_list,
            "EMPTY_SET": self._empty_set,
            "FRAME": self._skip,
            "FROZENSET": self._frozen_set,
            "GLOBAL": self._name,
            "MARK": self._mark,
            "MEMOIZE": self._memoize,
            "NEWOBJ": self._new,
            "NEWOBJ_EX": self._new_with_names,
            "POP": self._pop,
            "POP_MARK": self._pop_mark,
            "PROTO": self._protocol,
            "REDUCE": self._call,
            "SETITEM": self._set_item,
            "SETITEMS": self._set_items,
            "STACK_GLOBAL": self._stacked_name,
            "TUPLE": self._long_tuple,
        }

    @property
    def top(self) -> Any:  # noqa: ANN401 - whatever lies there
        """The value put there last."""
        if self.stack[-1] is _MARK:
            raise PickleError("a value is missing")
        return self.stack[-1]

    def _protocol(self, number: int) -> None:
        if number not in _PROTOCOLS:
            raise PickleError(f"its pickle has protocol {number}, which torch.save does not write")

    def _skip(self, _: object) -> None:
        """Nothing to do: the length of a frame, which was checked."""

    def _mark(self, _: object) -> None:
        self.stack.append(_MARK)

    def _empty_dict(self, _: object) -> None:
        self.stack.append({})

    def _empty_list(self, _: object) -> None:
        self.stack.append([])

    def _empty_set(self, _: object) -> None:
        self.stack.append(StandIn("builtins.set"))

    def _byte_array(self, argument: bytes) -> None:
        self.stack.append(StandIn("builtins.bytearray", (argument,)))

    def _pop(self, _: object) -> None:
        self.pop_all(1)

    def _pop_mark(self, _: object) -> None:
        self._pop_to_mark()

    def _memoize(self, _: object) -> None:
        self.memo[len(self.memo)] = self.top

    def _long_tuple(self, _: object) -> None:
        self.stack.append(tuple(self._pop_to_mark()))

    def _append(self, _: object) -> None:
        self._extend(self.pop_all(1))

    def _appends(self, _: object) -> None:
        self._extend(self._pop_to_mark())

    def _add_items(self, _: object) -> None:
        self._check_keys(self._pop_to_mark())
        _fresh(self.top)

    def _frozen_set(self, _: object) -> None:
        self._check_keys(self._pop_to_mark())
        self.stack.append(StandIn("builtins.frozenset"))

    def _set_item(self, _: object) -> None:
        self._fill(self.pop_all(2))

    def _set_items(self, _: object) -> None:
        self._fill(self._pop_to_mark())

    def _name(self, argument: tuple[str, str]) -> None:
        module, name = argument
        if not is_allowed(module, name, self._packages):
            raise NameRefusedError(f"{module}.{name}", whole=not self.stack)
        self.stack.append(Named(canonical(module, name)))

    def _stacked_name(self, _: object) -> None:
        module, name = self.pop_all(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleError("a name that is none")
        self._name((module, name))

    def _storage(self, _: object) -> None:
        storage = rebuilt.stored(self.pop_all(1)[0])
        if self.storages.setdefault(storage.key, storage) != storage:
            raise PickleError("a storage of two types or sizes")  # of which torch takes the first
        self.stack.append(storage)

    def _call(self, _: object) -> None:
        function, arguments = self.pop_all(2)
        value = rebuilt.called(function, arguments)
        if isinstance(value, StoredTensor):
            self.tensors.append(value)
        elif isinstance(value, StandIn) and value.name in _HASHING:
            self._check_keys(arguments[0] if arguments else ())
        self.stack.append(value)

    def _new(self, _: object) -> None:
        self.stack.append(rebuilt.made(*self.pop_all(2)))

    def _new_with_names(self, _: object) -> None:
        kind, arguments, _names = self.pop_all(3)
        self.stack.append(rebuilt.made(kind, arguments))

    def _build(self, _: object) -> None:
        (state,) = self.pop_all(1)
        target = self.top
        if isinstance(target, StandIn) and target.state is None:
            target.state = () if state is None else state
        elif not (isinstance(target, dict) and isinstance(state, dict) and len(state) < 2 and set(state) <= _METADATA):
            raise PickleError("a state of something that has none, or a second one")

    def _check_keys(self, items: object) -> None:
        """Refuse what could take forever to hash; a pickle can give one list to many calls."""
        if isinstance(items, list | tuple):
            self._checked += len(items)
            if self._checked > MOST_INSTRUCTIONS:
                raise PickleError("too much to hash")
            for item in items:
                _key(item)

    def pop_all(self, count: int) -> list[Any]:
        """Take so many values off, the last one last."""
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
        if type(self.top) is list:
            self.top.extend(values)
        else:
            _fresh(self.top)

    def _fill(self, values: list[Any]) -> None:
        target = self.top
        if type(target) is not dict:
            stand_in = _fresh(target)
            stand_in.entries = target = stand_in.entries or {}
        target.update(zip(map(_key, values[::2]), values[1::2], strict=True))


def _key(value: Any) -> object:  # noqa: ANN401 - whatever a file uses as a key
    """A key of a dict: itself if plain, else something of its own that the gate never looks for.

    Raises:
        PickleError: hashing it could take longer than anyone lives, as a tuple of tuples of tuples does.
    """
    if isinstance(value, _KEYS) or (type(value) is int and -_LARGEST_KEY < value < _LARGEST_KEY):
        return value
    pending, left = [value], _MOST_IN_KEY
    while pending:
        part = pending.pop()
        left -= 1
        if isinstance(part, tuple):
            pending += part[:_MOST_IN_KEY]
            left -= len(part)
        if left < 0 or isinstance(part, list | dict):
            raise PickleError("keys that cannot be hashed, or not in time")
    return StandIn("key", (value,))


def _fresh(target: object) -> StandIn:
    """An object that may still be given items: it has no state that could take the place of its methods."""
    if not isinstance(target, StandIn) or target.state is not None:
        raise PickleError("items of something that has none")
    return target
