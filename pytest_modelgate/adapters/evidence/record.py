"""A record of evidence: what is written to a file, and sent to another machine."""

from __future__ import annotations

import hashlib
import json
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from pytest_modelgate.adapters.evidence.columns import PackedColumns, pack, unpack
from pytest_modelgate.adapters.evidence.parsed import ParsedRecords
from pytest_modelgate.core.evidence.records import Evidence, WindowEvidence, WindowFailure
from pytest_modelgate.text import plain

_SCHEMAS = "modelgate.evidence/"
SCHEMA = f"{_SCHEMAS}5"
_DAMAGED = "the record is damaged or was altered"


class Body(BaseModel):
    """What a record says: evidence, its content key, and what happened at every bar where it is of a window."""

    model_config: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="strings", extra="forbid", defer_build=True)
    key: str
    evidence: Evidence
    columns: PackedColumns | None = None


def packed(evidence: Evidence, key: str = "") -> bytes:
    """A record, as it is written and sent: all of it, in one piece."""
    columns = None
    if isinstance(evidence, WindowEvidence):
        evidence, columns = pack(evidence)
    body = Body(key=key, evidence=evidence, columns=columns).model_dump_json()
    record = {"schema": SCHEMA, "sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}
    return (json.dumps(record) + "\n").encode()


def parsed_records() -> ParsedRecords[Body]:
    """Records read before; none yet."""
    return ParsedRecords(_parse)


def unpacked(content: bytes, model: str, window: str, parsed: ParsedRecords[Body]) -> Body | WindowFailure:
    """What a record says of a window; a failure when it is damaged, altered, foreign or about another window."""
    problem = _DAMAGED
    try:
        body = parsed.of(content)
        if (body.evidence.model, body.evidence.window) == (model, window):
            return body
    except _UnfitError as error:
        problem = str(error)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # reported below, like every other damage
    where = f"evidence {file_name(model, window)}"
    return WindowFailure(model, window, where, problem, "Run the gate again to measure it anew")


def file_name(model: str, window: str) -> str:
    """Name of the file of a window's record."""
    return f"{model}.{window}.json"


def crash(model: str, window: str) -> WindowFailure:
    """What is known of a window whose process came to a sudden end."""
    problem = "the process that evaluated it came to a sudden end"
    remedy = "Run the gate again; if it happens again, look for what ends processes, such as too little memory"
    return WindowFailure(model, window, f"{model} {window}", problem, remedy)


class _UnfitError(ValueError):
    """A record is not one of this version, or not what was written."""


def _parse(content: bytes) -> Body:
    """What a record holds.

    Raises:
        _UnfitError: it is of another version; any other error of its kinds means damage.
    """
    record = json.loads(content.decode("utf-8"))
    text = record["body"]
    if record["schema"] != SCHEMA and str(record["schema"]).startswith(_SCHEMAS):
        raise _UnfitError(f"the record was written by another version of the gate, as {plain(record['schema'])}")
    if record["schema"] != SCHEMA or hashlib.sha256(text.encode()).hexdigest() != record["sha256"]:
        raise _UnfitError(_DAMAGED)
    body = Body.model_validate_json(text)
    if isinstance(body.evidence, WindowEvidence) and body.columns is not None:
        return Body(key=body.key, evidence=unpack(body.evidence, body.columns))
    if isinstance(body.evidence, WindowEvidence) or body.columns is not None:
        raise _UnfitError(_DAMAGED)
    return body
