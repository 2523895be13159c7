"""Fields of manifests, assessments and indexes, by their meaning: what is said in several ways is brought into one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from pytest_modelgate.adapters.archive.entries import Entry
from pytest_modelgate.adapters.archive.schema import Facts
from pytest_modelgate.core.training.run import METRICS
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain, shown

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_TRAINED_ON = ("data_range", "training_window")
_CHOSEN_BY = ("selection", "validation_range", "selection_window")
_HISTORIES = ("history", "validation", "metrics")
REMEDY = "Correct what the trainer writes"


def check_names(entry: Entry, fields: Mapping[str, Any]) -> None:
    """Refuse an entry whose key and fields tell different models."""
    told = {"symbol": entry.instrument.symbol, "timeframe": entry.timeframe}
    for name, meant in told.items():
        said = fields.get(name)
        same = said == meant or (isinstance(said, str) and said.replace("/", "", 1) == meant)
        if said is not None and meant is not None and not same:
            raise ArchiveError(f"{entry.location}, {name}", f"is {shown(said)}, expected {shown(meant)}", REMEDY)


def declared_facts(fields: Mapping[str, Any], location: str) -> dict[str, Any]:
    """What a run or a model declares, by the names of the schema."""
    windows = {"training_window": _TRAINED_ON, "selection_window": _CHOSEN_BY}
    said = {name: fields[name] for name in Facts.model_fields if name in fields and name not in windows}
    return said | {name: _window(fields, keys, location) for name, keys in windows.items()}


def _window(fields: Mapping[str, Any], keys: Sequence[str], location: str) -> dict[str, str] | None:
    """The one window that any of several keys tells; what has neither start nor end is about something else."""
    found: dict[str, dict[str, str]] = {}
    for key in keys:
        value = fields.get(key)
        if isinstance(value, dict) and ("start" in value or "end" in value):
            start, end = (moment_of(value.get(name), f"{location}, {key}, {name}") for name in ("start", "end"))
            found[key] = {"start": start[0], "end": end[1]}
        elif value is not None and key in _TRAINED_ON:
            raise ArchiveError(f"{location}, {key}", f"is {shown(value)}, expected an object of start and end", REMEDY)
    if len({(window["start"], window["end"]) for window in found.values()}) > 1:
        names = " and ".join(found)
        raise ArchiveError(location, f"{names} tell different stretches of data", "Leave one of them out")
    return next(iter(found.values()), None)


def moment_of(value: object, location: str) -> tuple[str, str]:
    """First and last moment of what a text means: the same, but for a day."""
    try:
        if isinstance(value, str) and len(value) == len("2024-12-27"):
            day = date.fromisoformat(value)
            return tuple(datetime.combine(day, at, UTC).isoformat() for at in (time.min, time.max))  # type: ignore[return-value]
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        problem = f"is {shown(value)}, expected an ISO 8601 day or time, in UTC where it has no offset"
        raise ArchiveError(location, problem, "Write it like 2024-12-27T00:00:00+00:00")
    text = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
    return text, text


def metrics_of(fields: Mapping[str, Any], location: str) -> dict[str, Any]:
    """Values of the metrics, as they stand there."""
    source: Any = next((fields[key] for key in _HISTORIES if isinstance(fields.get(key), dict | list)), fields)
    if isinstance(source, list):
        if not all(isinstance(record, dict) for record in source):
            raise ArchiveError(location, "its history is a list of something else than objects", REMEDY)
        source = {metric: [record.get(metric, "nothing") for record in source] for metric in METRICS}
    return {metric: source[metric] for metric in METRICS if metric in source}


def history_of(value: object) -> object:
    """A history; one number, or null for NaN, is one of a single validation."""
    if isinstance(value, tuple):
        return list(value)
    return [value] if value is None or isinstance(value, int | float) else value


def sha256_of(fields: Mapping[str, Any], location: str) -> str | None:
    """Digest of the checkpoint; None when nothing is said of it."""
    value = fields.get("sha256")
    if value is None:
        return None
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ArchiveError(f"{location}, sha256", f"is {shown(value)}, expected 64 hexadecimal digits", REMEDY)
    return value.lower()


def file_of(fields: Mapping[str, Any], location: str) -> str | None:
    """Path of the checkpoint; None when nothing is said of it."""
    value = fields.get("file", fields.get("path"))
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ArchiveError(f"{location}, file", f"is {shown(value)}, expected the checkpoint's path", REMEDY)
    return value.removeprefix("./")


def choice_of(fields: Mapping[str, Any]) -> str | None:
    """Which checkpoint was chosen, and why, to be shown."""
    chosen = fields.get("checkpoint")
    if not isinstance(chosen, dict):
        return None
    step, reason = chosen.get("step"), chosen.get("reason")
    parts = [f"step {step}"] if isinstance(step, int) and not isinstance(step, bool) and abs(step) < 1e15 else []
    parts += [plain(reason)] if isinstance(reason, str) and reason else []
    return ", ".join(parts) or None
