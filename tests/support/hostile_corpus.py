"""Inputs that once ended, hung or misled the process, or that cost more than they are worth."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from support import checkpoints
from support.hostile_checkpoints import HONEST, HONEST_PICKLE, packed_with
from support.hostile_reading import MODEL, honest_zip, read_archive, read_checkpoint
from support.hostile_summaries import BARE, FULL, METRICS
from support.hostile_zips import DEFLATED, Member, Zip

_START = b"\x80\x02}"
_OTHER = "2.3.9"
SCALE = [1]  # 16 makes what is costly as costly as the caps allow


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _tuples_in_tuples() -> bytes:
    """Hashing it as a key overflows C's stack."""
    return packed_with(_START + b")" + b"\x85" * 1_000_000 + b"K\x01s.")


def _tuples_that_double() -> bytes:
    """Hashing it as a key takes 2 ** 60 steps."""
    doubling = b"".join(b"q" + bytes([at]) + b"h" + bytes([at]) + b"\x86" for at in range(60))
    return packed_with(_START + b")" + doubling + b"K\x01s.")


def _tuples_that_double_in_an_ordered_dict() -> bytes:
    """The same as the key of a pair in a list."""
    doubling = b"".join(b"q" + bytes([at]) + b"h" + bytes([at]) + b"\x86" for at in range(60))
    pairs = b"](" + b")" + doubling + b"K\x01\x86" + b"e"
    return packed_with(b"\x80\x02ccollections\nOrderedDict\n" + pairs + b"\x85R.")


def _two_directories() -> bytes:
    """Python reads the directory in front of the end record, torch the one that the end record names."""
    good, evil = HONEST, checkpoints.pickled(checkpoints.contents(model_version=_OTHER, min_trader_version=_OTHER))
    end = good.rfind(b"PK\6\6")
    count, length, start = struct.unpack_from("<QQQ", good, end + 32)
    assert (len(evil), evil.rfind(b"PK\6\6")) == (len(good), end)  # its headers lie as the good ones do
    members = evil[: start + length]
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, length, start, 0)
    return members + good[: start + length] + tail


def _another_protocol() -> bytes:
    """torch warns of it, in words of its own."""
    return packed_with(b"\x80\x00" + HONEST_PICKLE[2:])


def _odd_escape() -> bytes:
    """The standard library warns of it."""
    return packed_with(_START + b"c\\}\nx\n0.")


def _methods_replaced(name: str) -> Callable[[], bytes]:
    """An ordered dict with an attribute of its own in a method's place."""

    def build() -> bytes:
        attribute = b"}" + _text(name) + b"K\x07s"
        state = b"ccollections\nOrderedDict\n)R" + _text("x") + b"K\x01s" + attribute + b"b"
        if name == "get":
            return packed_with(b"\x80\x02" + state + b".")
        return packed_with(HONEST_PICKLE[:-2] + _text("policy_state_dict") + state + b"u.")

    return build


def _many_records() -> bytes:
    """A directory that costs ten times its bytes."""
    return Zip(tuple(Member(b"a/data/%d" % number) for number in range(20_001))).build()


def _summary(document: Any) -> bytes:
    text = document if isinstance(document, str) else json.dumps(document)
    return Zip((Member(honest_zip().members[0].name, text.encode(), DEFLATED), Member(MODEL, b"x"))).build()


def _values(text: str) -> bytes:
    values = ",".join([text] * (120_000 * SCALE[0]))
    return _summary(json.dumps(BARE).replace("[0.5, 0.8]", f"[{values}]").replace("[1.5, 2.5]", f"[{values}]"))


def _probe() -> bytes:
    document = json.loads(json.dumps(FULL))
    rows = [[0.1] * 40] * (4_400 * SCALE[0])
    document["models"]["UNIUSD_1Hour"]["parity_probe"] |= {"observations": rows, "logits": [[0.5]] * len(rows)}
    return _summary(document)


def _fields() -> bytes:
    return _summary({"UNIUSD": {**METRICS, **{f"field{number}": 1 for number in range(44_000 * SCALE[0])}}})


def _bomb() -> bytes:
    """Six hundred megabytes, it says, in less than one."""
    lie = {"size": 600 << 20}
    return Zip((honest_zip().members[0], Member(MODEL, bytes(1 << 20), DEFLATED, local=lie, central=lie))).build()


def _many_tensors() -> bytes:
    """As many tensors as a pickle has room for."""
    storage = b"((" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu") + b"K\x08tQ"
    arguments = storage + b"K\x00K\x08\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rt"
    made = b"ctorch._utils\n_rebuild_tensor_v2\nq\x00" + arguments + b"q\x01R"
    return packed_with(b"\x80\x02](" + made + b"h\x00h\x01R" * (10_500 * SCALE[0]) + b"e.")


def _many_dicts() -> bytes:
    return packed_with(b"\x80\x02](ccollections\nOrderedDict\nq\x00)R" + b"h\x00)R" * (15_000 * SCALE[0]) + b"e.")


def _many_notes() -> bytes:
    """Sets, dicts and objects, as many as a pickle may describe."""
    notes = b"\x8f\x94}K\x01K\x02scargparse\nNamespace\n)\x81" * (12_000 * SCALE[0])
    return packed_with(b"\x80\x04](" + notes + b"e.")


def _a_set_of_one_list() -> bytes:
    """One long list, of which a set is made again and again."""
    items = b"](" + b"K\x01" * 100_000 + b"e\x85q\x01"
    return packed_with(b"\x80\x02cbuiltins\nset\nq\x00" + items + b"h\x00h\x01R" * 100_000 + b".")


def _keys_of_one_hash() -> bytes:
    """Whole numbers that Python gives the same hash, which takes the square of their count to fill a dict with."""
    keys = b"".join(
        b"\x8a\x0b" + (at * (2**61 - 1)).to_bytes(11, "little") + b"N" for at in range(1, 40_000 * SCALE[0])
    )
    return packed_with(b"\x80\x02}(" + keys + b"u.")


def _many_statistics() -> bytes:
    """Names of statistics without end, all of one large dict."""
    large = b"}q\x00(" + b"".join(_text(f"k{at}") + b"]" for at in range(2_000 * SCALE[0])) + b"u"
    names = b"".join(_text(f"running_mean_{at}") + b"h\x00" for at in range(4_000 * SCALE[0]))
    return packed_with(HONEST_PICKLE[:-2] + _text("first") + large + names + b"u.")


# Name: how to read it, how to write it, what must be told.
CORPUS: dict[str, tuple[Callable[[bytes], str], Callable[[], bytes], str]] = {
    "tuples in tuples": (read_checkpoint, _tuples_in_tuples, "cannot be read as a checkpoint"),
    "tuples that double": (read_checkpoint, _tuples_that_double, "cannot be read as a checkpoint"),
    "tuples in pairs": (read_checkpoint, _tuples_that_double_in_an_ordered_dict, "cannot be read as a checkpoint"),
    "two directories": (read_checkpoint, _two_directories, "its directory does not lie where its end record says"),
    "another protocol": (read_checkpoint, _another_protocol, "its pickle has protocol 0"),
    "an odd escape": (read_checkpoint, _odd_escape, "its pickle asks for"),
    "no method get": (read_checkpoint, _methods_replaced("get"), "cannot be read as a checkpoint"),
    "no method items": (read_checkpoint, _methods_replaced("items"), "cannot be read as a checkpoint"),
    "many records": (read_checkpoint, _many_records, "lists 20001 entries"),
    "a bomb": (read_archive, _bomb, "and its checkpoints 629145600, expected at most"),
    "long histories": (read_archive, lambda: _values("0.5"), "differing length"),
    "a large probe": (read_archive, _probe, "read"),
    "many fields": (read_archive, _fields, "fields, expected at most 1000"),
    "many tensors": (read_checkpoint, _many_tensors, "holds a list, expected a dict"),
    "many notes": (read_checkpoint, _many_notes, "holds a list, expected a dict"),
    "a set of one list": (read_checkpoint, _a_set_of_one_list, "too much to hash"),
    "keys of one hash": (read_checkpoint, _keys_of_one_hash, "model_version: is missing"),
    "many statistics": (read_checkpoint, _many_statistics, "statistics"),
    "many dicts": (read_checkpoint, _many_dicts, "holds a list, expected a dict"),
}
