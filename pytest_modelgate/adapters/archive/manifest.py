"""Manifests, assessments and indexes: no schema of them is public, so known keys are read by their meaning alone.

They are brought into the form of a training summary's entries, and read as those are; see docs/archive.md for the keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any

import pandas as pd

from pytest_modelgate.adapters.archive.entries import (
    Entry,
    Reading,
    check_trained,
    read_entry,
    unread_entry,
    validated,
)
from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.manifest_fields import (
    REMEDY,
    check_names,
    choice_of,
    declared_facts,
    file_of,
    history_of,
    metrics_of,
    moment_of,
    sha256_of,
)
from pytest_modelgate.adapters.archive.names import listed, parse_stamp, stamp_within
from pytest_modelgate.adapters.archive.schema import Facts, ModelEntry
from pytest_modelgate.adapters.archive.strict_json import read_json, read_object
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.training.run import Declared, Fault
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import shown

_ENDED = ("created", "timestamp", "trained_at")
_MOST_MODELS = 20_000
_Document = dict[str, Any] | list[Any]


def parse_manifest(raw: bytes, location: str, limits: Limits, summary: Reading | None = None) -> Reading:
    """Read a manifest: an object with ``models``.

    Args:
        summary: the training summary beside it, which tells the histories; the manifest only adds to what it says.

    Raises:
        ArchiveError: it is none, or says of the whole run what does not fit.
    """
    document = read_object(raw, location, limits)
    reading = _read(document, document.get("models", {}), location, location, summary)
    if summary is None:
        return reading
    told = _Known(reading.entries)
    rest = [entry for entry in summary.entries if told.counterpart(entry) is None]
    return Reading((*reading.entries, *rest), (*summary.strays, *reading.strays), reading.ended)


def parse_index(raw: bytes, location: str, limits: Limits) -> Reading:
    """Read an index: a list of models, or an object with ``models``.

    Raises:
        ArchiveError: as ``parse_manifest``.
    """
    document = read_json(raw, location, limits)
    return _read(*_apart(document), location, location)


def parse_assessments(raw: bytes, location: str, beside: bytes | None, place: str, limits: Limits) -> Reading:
    """Read assessments: models by name, a list of them, or an object with ``models``.

    Args:
        raw, location: the assessments.
        beside, place: the summary of the run, which tells what is common to all models; None where there is none.

    Raises:
        ArchiveError: as ``parse_manifest``.
    """
    run, models = _apart(read_json(raw, location, limits))
    if beside is None:
        return _read(run, models, location, location)
    return _read(read_object(beside, place, limits), models, place, location)


def _apart(document: _Document) -> tuple[dict[str, Any], Any]:
    """What is said of the run, and the models."""
    if isinstance(document, dict) and "models" in document:
        return document, document["models"]
    return {}, document


class _Known:
    """Entries of another file."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._of: dict[Instrument, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._of[entry.instrument].append(entry)

    def counterpart(self, entry: Entry) -> Entry | None:
        """The entry of the same model; a symbol alone means the only one of that symbol."""
        same = self._of.get(entry.instrument, [])
        exact = [other for other in same if other.timeframe == entry.timeframe]
        if len(exact) == 1:
            return exact[0]
        return same[0] if len(same) == 1 and None in (entry.timeframe, same[0].timeframe) else None


def _read(run: Mapping[str, Any], models: object, place: str, location: str, summary: Reading | None = None) -> Reading:
    """Read models, with what is said of their run.

    Args:
        place, location: files that say of the run, and of the models, for messages.
    """
    known = _Known(summary.entries if summary else ())
    if not isinstance(models, dict | list):
        raise ArchiveError(f"{location}, models", f"is {shown(models)}, expected an object or a list", REMEDY)
    if len(models) > _MOST_MODELS:
        problem = f"holds {len(models)} models, expected at most {_MOST_MODELS}"
        raise ArchiveError(f"{location}, models", problem, "Split the run")
    facts = validated(Facts, declared_facts(run, place), place)
    pairs = list(models.items()) if isinstance(models, dict) else [(None, fields) for fields in models]
    entries, odd = [], []
    for number, (key, fields) in enumerate(pairs):
        name = _key(key, fields)
        entry = unread_entry(name, location) if name else None
        if entry is None:
            odd.append(name or f"model {number + 1}")
        else:
            entries.append(_entry(entry, fields, facts, known.counterpart(entry)))
    sentence = f"the {_file(location)}'s {listed(odd)} not judged: no model's name, expected SYMBOL and TIMEFRAME"
    return Reading(tuple(entries), (sentence,) if odd else (), _ended(run, place))


def _file(location: str) -> str:
    return location.rpartition("/")[2].rpartition(" ")[2]


def _key(key: str | None, fields: object) -> str:
    """SYMBOL_TIMEFRAME, of an object's key or of the fields that tell it."""
    if not isinstance(fields, dict):
        return key or ""
    symbol, timeframe = fields.get("symbol"), fields.get("timeframe")
    name = key or fields.get("id") or symbol
    if not isinstance(name, str):
        return ""
    name = name.replace("/", "", 1)  # Alpaca's own BTC/USD
    separate = isinstance(timeframe, str) and name.rpartition("_")[2] not in list(Timeframe)
    return f"{name}_{timeframe}" if separate and "_" not in name else name


def _entry(entry: Entry, fields: object, run: Facts, known: Entry | None) -> Entry:
    try:
        if not isinstance(fields, dict):
            raise ArchiveError(entry.location, f"is {shown(fields)}, expected an object", REMEDY)
        check_trained(fields, entry.location)
        check_names(entry, fields)
        entry = replace(entry, file=file_of(fields, entry.location), sha256=sha256_of(fields, entry.location))
        metrics = known.history if known and known.history else metrics_of(fields, entry.location)
        said = {
            **declared_facts(fields, entry.location),
            **{name: history_of(value) for name, value in metrics.items()},
        }
        if "parity_probe" in fields:
            said["parity_probe"] = fields["parity_probe"]
    except ArchiveError as error:
        return replace(entry, fault=entry.fault or Fault.of(error))
    read = read_entry(entry, said, ModelEntry, run)
    read = replace(read, declared=replace(read.declared, choice=choice_of(fields)))
    return _together(known, read) if known else read


def _together(known: Entry, read: Entry) -> Entry:
    """What summary and manifest say of one model; a fault where they contradict each other."""
    if fault := known.fault or read.fault:
        return replace(read, fault=fault, timeframe=read.timeframe or known.timeframe)
    said = {}
    for name in (item.name for item in fields_of(Declared)):
        one, other = getattr(known.declared, name), getattr(read.declared, name)
        if one is not None and other is not None and one != other:
            problem = f"its {name} is not the one that the training summary declares"
            return replace(read, fault=Fault(read.location, problem, "Leave one of the two out"))
        said[name] = other if one is None else one
    return replace(read, declared=Declared(**said), timeframe=read.timeframe or known.timeframe)


def _ended(run: Mapping[str, Any], location: str) -> pd.Timestamp | None:
    """When training ended: told as a time, or within the run's id."""
    for key in (*_ENDED, "run_id"):
        value, where = run.get(key), f"{location}, {key}"
        if not isinstance(value, str):
            continue
        with suppress(
            ArchiveError, ValueError, OverflowError
        ):  # what cannot be read is not told: then the archive's name or an option says it
            if stamp := stamp_within(value):
                return parse_stamp(stamp, where)
            moment = pd.Timestamp(moment_of(value, where)[0])
            if 1980 <= moment.year <= 2107:  # the years that an archive's name can tell
                return moment.tz_convert("UTC").as_unit("ns")
    return None
