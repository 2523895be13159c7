"""The training summary: read strictly, in the words of the core; what does not fit is named by model and field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.names import parse_key
from pytest_modelgate.adapters.archive.schema import BareEntry, BareSummary, Facts, FullSummary, ModelEntry
from pytest_modelgate.adapters.archive.strict_json import Path, path_text, read_json
from pytest_modelgate.adapters.meanings import OWN_ERROR, Meanings, declared_meanings
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.training.run import METRICS, Declared, ParityProbe
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain, shown

_PART = TypeVar("_PART", bound=BaseModel)
_MOST_FIELDS = 1_000  # in one object; each that does not fit costs memory of its own
_REMEDY = "Correct what the trainer writes, or let it use pytest_modelgate.write_archive"
_KINDS = {
    "float_type": "a number",
    "int_type": "an integer",
    "string_type": "text",
    "list_type": "a list",
    "model_type": "an object",
    "dict_type": "an object",
    "string_pattern_mismatch": "1 to 80 printable ASCII characters",
}


@dataclass(frozen=True)
class Entry:
    """Entry of one model in a summary.

    Attributes:
        key: its name in the summary.
        timeframe: None where the key is a symbol alone.
    """

    key: str
    instrument: Instrument
    timeframe: Timeframe | None
    history: Mapping[str, tuple[float, ...]]
    declared: Declared


def summary_json_schema() -> str:
    """The published JSON Schema of a training summary, as text."""
    adapter: TypeAdapter[FullSummary | BareSummary] = TypeAdapter(FullSummary | BareSummary)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Training summary"}
    return json.dumps(head | adapter.json_schema(), indent=2) + "\n"


def parse_summary(raw: bytes, location: str, limits: Limits) -> tuple[Entry, ...]:
    """Read a summary in the full or the bare form.

    Args:
        raw: the file.
        location: archive and member, for messages.
        limits: how deep and how wide it may be; its size in bytes is the caller's business.

    Raises:
        ArchiveError: naming the first model and field that do not fit.
    """
    document = read_json(raw, location, limits, _is_metric)
    if "schema" not in document:
        return tuple(_entry(key, fields, BareEntry, Facts(), location) for key, fields in document.items())
    models = document.get("models")
    if not isinstance(models, dict):
        problem = f"is {shown(models)}, expected an object of models" if "models" in document else "is missing"
        raise ArchiveError(f"{location}, models", problem, _REMEDY)
    run = validated(FullSummary, document | {"models": {}}, location)
    return tuple(_entry(key, fields, ModelEntry, run, location) for key, fields in models.items())


def _is_metric(path: Path) -> bool:
    return len(path) in (3, 4) and path[-2] in METRICS and (len(path) == 3 or path[0] == "models")


def _entry(key: str, fields: object, kind: type[ModelEntry], run: Facts, location: str) -> Entry:
    instrument, timeframe = parse_key(key, f"{location}, {plain(key)}")
    entry = validated(kind, fields, f"{location}, {plain(key)}")
    history = {metric: tuple(getattr(entry, metric)) for metric in METRICS}
    return Entry(key, instrument, timeframe, history, _declared(entry, run))


def _declared(entry: ModelEntry, run: Facts) -> Declared:
    said: dict[str, Any] = {
        name: getattr(run, name) if getattr(entry, name) is None else getattr(entry, name)
        for name in Facts.model_fields
    }
    said |= declared_meanings(Meanings(**{name: said[name] for name in Meanings.model_fields}))
    window, origin, probe = said.pop("training_window"), said.pop("bar_origin"), entry.parity_probe
    return Declared(
        bar_origin=None if origin is None else utc(origin),
        training_window=None if window is None else TrainingWindow(utc(window.start), utc(window.end)),
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


def validated(kind: type[_PART], fields: object, location: str) -> _PART:
    """Fields as a part of a document.

    Raises:
        ArchiveError: naming the first field that does not fit.
    """
    if isinstance(fields, dict) and len(fields) > _MOST_FIELDS:
        problem = f"has {len(fields)} fields, expected at most {_MOST_FIELDS}"
        raise ArchiveError(location, problem, _REMEDY)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = path_text(first["loc"])
        problem, remedy = _told(first, kind)
        raise ArchiveError(f"{location}, {path}" if path else location, problem, remedy) from None


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
    expected = context["expected"] if name == "literal_error" else _KINDS.get(name, "what the schema describes")
    return f"{given}, expected {expected}", _REMEDY
