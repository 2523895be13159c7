"""What is said of one model, in the words of the core: read strictly, and by itself, so that one spoils no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pytest_modelgate.adapters.archive.names import parse_key, parse_symbol
from pytest_modelgate.adapters.archive.schema import Facts, ModelEntry
from pytest_modelgate.adapters.archive.strict_json import check_finite, path_text
from pytest_modelgate.adapters.meanings import OWN_ERROR, Meanings, declared_meanings
from pytest_modelgate.core.market.bars import AssetClass, Instrument, Timeframe
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.training.run import METRICS, Declared, Fault, ParityProbe
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain, shown

_PART = TypeVar("_PART", bound=BaseModel)
_MOST_FIELDS = 1_000  # in one object; each that does not fit costs memory of its own
_REMEDY = "Correct what the trainer writes, or let it use pytest_modelgate.write_archive"
_NAME = re.compile(r"[A-Z0-9.]{1,16}(_[A-Za-z0-9]{1,16})?")
_KINDS = {
    "float_type": "a number",
    "int_type": "an integer",
    "string_type": "text",
    "list_type": "a list",
    "model_type": "an object",
    "dict_type": "an object",
    "string_pattern_mismatch": "1 to 80 printable ASCII characters",
}
_PATTERNS = {  # of fields that are no free text
    "model_version": "a version such as 2.7.0",
    "normaliser": "a file's name of letters, digits, dots, underscores and dashes, and no path",
}


@dataclass(frozen=True)
class Entry:
    """Entry of one model in what describes a run.

    Attributes:
        key: its name there.
        location: archive, member and key, for messages.
        timeframe: None where the key is a symbol alone, or tells none that is known.
        history: as of ``TrainedModel``; None where it cannot be read.
        fault: why it cannot be read; None when it can.
        file: of its checkpoint, relative to what describes the run; None when that says nothing.
        sha256: of its checkpoint; None when nothing is said of it.
    """

    key: str
    location: str
    instrument: Instrument
    timeframe: Timeframe | None
    history: Mapping[str, tuple[float, ...]] | None = None
    declared: Declared = field(default_factory=Declared)
    fault: Fault | None = None
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Reading:
    """What describes a run, read.

    Attributes:
        entries: of its models.
        strays: sentences about what stands among them and is none.
        ended: when training ended, as far as it is told.
    """

    entries: tuple[Entry, ...]
    strays: tuple[str, ...] = ()
    ended: pd.Timestamp | None = None


def unread_entry(key: str, location: str) -> Entry | None:
    """An entry of which only the key is read: whose it is; None when it is no model's.

    A symbol with an unknown timeframe, or any other with a known one, is a model's that cannot be judged.
    """
    where = f"{location}, {plain(key)}"
    try:
        return Entry(key, where, *parse_key(key, where))
    except ArchiveError as error:
        symbol, _, timeframe = key.rpartition("_")
        try:
            instrument = parse_symbol(symbol, where)
        except ArchiveError:
            if timeframe not in list(Timeframe):
                return None
            instrument = Instrument(symbol, AssetClass.EQUITY)  # which it may be
        known = _NAME.fullmatch(key) is not None
        return Entry(key, where, instrument, None, fault=Fault.of(error)) if known else None


def read_entry(entry: Entry, fields: object, kind: type[ModelEntry], run: Facts) -> Entry:
    """The entry with all that its fields say; with a fault where they do not fit.

    Args:
        fields: as they stand in the file.
        kind: their schema.
        run: what is declared for all models that do not declare their own.
    """
    if entry.fault:
        return entry
    try:
        check_trained(fields, entry.location)
        part = validated(kind, fields, entry.location)
    except ArchiveError as error:
        return replace(entry, fault=Fault.of(error))
    history = {metric: tuple(getattr(part, metric)) for metric in METRICS}
    return replace(entry, history=history, declared=_declared(part, run))


def check_trained(fields: object, location: str) -> None:
    """Refuse an entry in which the trainer says what kept it from training the model.

    Raises:
        ArchiveError: it has an ``error``.
    """
    if isinstance(fields, dict) and fields.get("error"):
        raise ArchiveError(location, f"the trainer reports the error {shown(fields['error'], 300)}", "Train it again")


def validated(kind: type[_PART], fields: object, location: str) -> _PART:
    """Fields that fit their schema.

    Raises:
        ArchiveError: naming the first that does not.
    """
    if isinstance(fields, dict):
        if len(fields) > _MOST_FIELDS:
            problem = f"has {len(fields)} fields, expected at most {_MOST_FIELDS}"
            raise ArchiveError(location, problem, _REMEDY)
        for name in kind.model_fields:
            if name not in METRICS and name in fields:
                check_finite(fields[name], (name,), location)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = path_text(first["loc"])
        problem, remedy = _told(first, kind)
        raise ArchiveError(f"{location}, {path}" if path else location, problem, remedy) from None


def _declared(entry: ModelEntry, run: Facts) -> Declared:
    said: dict[str, Any] = {
        name: getattr(run, name) if getattr(entry, name) is None else getattr(entry, name)
        for name in Facts.model_fields
    }
    said |= declared_meanings(Meanings(**{name: said[name] for name in Meanings.model_fields}))
    said["bar_origin"] = None if said["bar_origin"] is None else utc(said["bar_origin"])
    probe = entry.parity_probe
    for name in ("training_window", "selection_window"):
        if (window := said[name]) is not None:
            said[name] = TrainingWindow(utc(window.start), utc(window.end))
    return Declared(
        parity_probe=None
        if probe is None
        else ParityProbe(_rows(probe.observations), _rows(probe.logits), _rows(probe.bars), _rows(probe.features)),
        **said,
    )


def utc(moment: datetime) -> pd.Timestamp:
    """A moment with any offset, in UTC."""
    return pd.Timestamp(moment).tz_convert("UTC").as_unit("ns")


def _rows(rows: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _told(error: ErrorDetails, kind: type[BaseModel]) -> tuple[str, str]:
    """A problem and its remedy, in the gate's words instead of the schema library's."""
    context, name = error.get("ctx", {}), error["type"]
    given = f"is {shown(error['input'])}"
    if name == OWN_ERROR:
        return context["problem"], context["remedy"]
    if name == "missing":
        expected = "a list of numbers, oldest first" if error["loc"][-1] in METRICS else "a value"
        return f"is missing, expected {expected}", _REMEDY
    if name == "extra_forbidden":
        known = ", ".join(sorted(field.alias or name for name, field in kind.model_fields.items()))
        expected = "one of " + known if len(error["loc"]) == 1 else "no further field"
        return f"is unknown, expected {expected}", "Check the spelling, or leave it out"
    if name in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        expected = (
            f"at least {least}" if name == "too_short" and error["loc"][0] != "parity_probe" else f"{least or most}"
        )
        return f"{given}, expected {expected} value{'' if least == 1 else 's'}", _REMEDY
    if name in ("greater_than", "greater_than_equal"):
        bound = f"more than {context['gt']}" if name == "greater_than" else f"at least {context['ge']}"
        return f"{given}, expected {bound}", _REMEDY
    if name == "string_pattern_mismatch" and (told := _PATTERNS.get(str(error["loc"][-1]))):
        return f"{given}, expected {told}", _REMEDY
    expected = context["expected"] if name == "literal_error" else _KINDS.get(name, "what the schema describes")
    return f"{given}, expected {expected}", _REMEDY
