"""Instructions of a pickle, decoded one by one and none carried out.

``pickletools.genops`` says the same (a test compares), at three times the cost.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

_FRAME, _TEXT, _BYTES, _LONG = range(4)  # forms of what is as long as the bytes in front of it say
_COUNTED: dict[str, tuple[int, int]] = {  # form, and how many bytes count it
    "FRAME": (_FRAME, 8), "BINUNICODE": (_TEXT, 4), "SHORT_BINUNICODE": (_TEXT, 1), "BINUNICODE8": (_TEXT, 8),
    "BINBYTES": (_BYTES, 4), "SHORT_BINBYTES": (_BYTES, 1), "BINBYTES8": (_BYTES, 8), "BYTEARRAY8": (_BYTES, 8),
    "LONG1": (_LONG, 1), "LONG4": (_LONG, 4),
}  # fmt: skip
_BYTE, _SHORT, _INT, _WORD, _DOUBLE = map(struct.Struct, ("B", "<H", "<i", "<I", ">d"))
_NUMBERS = {
    "BINFLOAT": _DOUBLE, "BINGET": _BYTE, "BININT": _INT, "BININT1": _BYTE, "BININT2": _SHORT, "BINPUT": _BYTE,
    "LONG_BINGET": _WORD, "LONG_BINPUT": _WORD, "PROTO": _BYTE,
}  # fmt: skip
_CODES = {  # all that Python writes in protocols 2 to 5, but for out-of-band buffers and copyreg's extensions
    "(": "MARK", ".": "STOP", "0": "POP", "1": "POP_MARK", "G": "BINFLOAT", "J": "BININT", "K": "BININT1",
    "M": "BININT2", "N": "NONE", "Q": "BINPERSID", "R": "REDUCE", "X": "BINUNICODE", "]": "EMPTY_LIST",
    ")": "EMPTY_TUPLE", "a": "APPEND", "b": "BUILD", "c": "GLOBAL", "e": "APPENDS", "h": "BINGET", "j": "LONG_BINGET",
    "q": "BINPUT", "r": "LONG_BINPUT", "s": "SETITEM", "t": "TUPLE", "u": "SETITEMS", "}": "EMPTY_DICT",
    "\x80": "PROTO", "\x81": "NEWOBJ", "\x85": "TUPLE1", "\x86": "TUPLE2", "\x87": "TUPLE3", "\x88": "NEWTRUE",
    "\x89": "NEWFALSE", "\x8a": "LONG1", "\x8b": "LONG4", "B": "BINBYTES", "C": "SHORT_BINBYTES",
    "\x8c": "SHORT_BINUNICODE", "\x8d": "BINUNICODE8", "\x8e": "BINBYTES8", "\x8f": "EMPTY_SET", "\x90": "ADDITEMS",
    "\x91": "FROZENSET", "\x92": "NEWOBJ_EX", "\x93": "STACK_GLOBAL", "\x94": "MEMOIZE", "\x95": "FRAME",
    "\x96": "BYTEARRAY8",
}  # fmt: skip
_TABLE = {ord(code): (name, _NUMBERS.get(name), _COUNTED.get(name)) for code, name in _CODES.items()}
_DAMAGED = "its pickle is damaged"
_LONGEST = 255  # bytes of a whole number: printing or comparing more can take long


class PickleError(ValueError):
    """Instructions that do not describe a checkpoint; the message says why, in half a sentence."""


class LongNumber:
    """Stands for a whole number of more than 255 bytes."""


def instructions(pickled: bytes) -> Iterator[tuple[str, Any]]:
    """Name and argument of every instruction up to the first STOP.

    Names are those of ``pickletools``; what GLOBAL asks for is a pair of module and name.

    Raises:
        PickleError: it breaks off, or holds something that Python does not write in protocols 2 to 5.
    """
    at = 0
    try:
        while at < len(pickled):
            name, number, counted = _TABLE[pickled[at]]
            at += 1
            argument: Any = None
            if number is not None:
                (argument,) = number.unpack_from(pickled, at)
                at += number.size
            elif counted is not None:
                argument, at = _counted(pickled, at, *counted)
            elif name == "GLOBAL":
                end = pickled.index(b"\n", pickled.index(b"\n", at) + 1)
                argument, at = tuple(pickled[at:end].decode().split("\n")), end + 1
            yield name, argument
            if name == "STOP":
                return
    except KeyError:
        raise PickleError(f"its pickle uses instruction 0x{pickled[at]:02x}, which torch.save never writes") from None
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise error if isinstance(error, PickleError) else PickleError(_DAMAGED) from None
    raise PickleError(_DAMAGED)


def _counted(pickled: bytes, at: int, form: int, size: int) -> tuple[object, int]:
    """What is as long as the bytes before it say, and where it ends."""
    start = at + size
    length = int.from_bytes(pickled[at:start], "little")
    end = start + length
    if end > len(pickled):
        raise PickleError(_DAMAGED)
    if form == _FRAME:
        return length, start
    if form == _TEXT:
        return pickled[start:end].decode("utf-8", "surrogatepass"), end
    if form == _LONG:
        if length > _LONGEST:
            return LongNumber(), end
        return int.from_bytes(pickled[start:end], "little", signed=True), end
    return pickled[start:end], end
