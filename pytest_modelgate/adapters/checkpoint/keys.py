"""How much work the keys in a pickle are, found out without building anything.

Whoever puts a tuple into a dict as a key makes Python walk all of it, sharing or not: thirty tuples that each hold the
one before twice take minutes, a tuple in a tuple a million times over ends the process. Checkpoints need neither.
"""

from __future__ import annotations

_MOST = 10_000  # values that one tuple leads to
_MARK = -1
_MARKED = frozenset({"APPENDS", "SETITEMS", "TUPLE"})
_TAKEN = {"APPEND": 1, "BUILD": 1, "SETITEM": 2, "STOP": 1}
_REPLACED = {"BINPERSID": 1, "NEWOBJ": 2, "REDUCE": 2, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEPT = frozenset({"PROTO"})
_STORED, _FETCHED = frozenset({"BINPUT", "LONG_BINPUT"}), frozenset({"BINGET", "LONG_BINGET"})


class TupleSizes:
    """Follows a pickle's stack and memo, knowing of each value only how many others it leads to as a key."""

    def __init__(self) -> None:
        self._stack: list[int] = []
        self._memo: dict[object, int] = {}

    def step(self, name: str, argument: object) -> bool:
        """Take one instruction; whether all tuples are of a size that a checkpoint may have.

        Raises:
            IndexError, KeyError: the pickle asks for what is not there.
        """
        stack = self._stack
        if name in _KEPT:
            return True
        if name in _STORED:
            self._memo[argument] = stack[-1]
        elif name in _FETCHED:
            stack.append(self._memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _MARKED:
            values = self._pop_to_mark()
            if name == "TUPLE":
                stack.append(1 + sum(values))
        elif name in _TAKEN:
            self._pop(_TAKEN[name])
        elif name in _REPLACED:
            values = self._pop(_REPLACED[name])
            stack.append(1 + sum(values) if name.startswith("TUPLE") else 1)
        else:
            stack.append(1)
        return not stack or stack[-1] <= _MOST

    def _pop(self, count: int) -> list[int]:
        if len(self._stack) < count:
            raise IndexError
        values = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return values

    def _pop_to_mark(self) -> list[int]:
        values = []
        while (value := self._stack.pop()) != _MARK:
            values.append(value)
        return values
