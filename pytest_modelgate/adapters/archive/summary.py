"""The training summary: read strictly, in the words of the core; what does not fit is named by model and field."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from pytest_modelgate.adapters.archive.entries import Reading, read_entry, unread_entry, validated
from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.names import listed
from pytest_modelgate.adapters.archive.schema import BareEntry, BareSummary, Facts, FullSummary, ModelEntry
from pytest_modelgate.adapters.archive.strict_json import read_object
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import shown

_REMEDY = "Correct what the trainer writes, or let it use pytest_modelgate.write_archive"


def summary_json_schema() -> str:
    """The published JSON Schema of a training summary, as text."""
    adapter: TypeAdapter[FullSummary | BareSummary] = TypeAdapter(FullSummary | BareSummary)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Training summary"}
    return json.dumps(head | adapter.json_schema(), indent=2) + "\n"


def parse_summary(raw: bytes, location: str, limits: Limits) -> Reading:
    """Read a summary in the full or the bare form; what does not fit is its own entry's fault.

    Args:
        raw: the file.
        location: archive and member, for messages.
        limits: how deep and how wide it may be; its size in bytes is the caller's business.

    Raises:
        ArchiveError: it is no summary, or says of the whole run what does not fit.
    """
    document = read_object(raw, location, limits)
    if "schema" not in document:
        return _read(document, BareEntry, Facts(), location)
    models = document.get("models")
    if not isinstance(models, dict):
        problem = f"is {shown(models)}, expected an object of models" if "models" in document else "is missing"
        raise ArchiveError(f"{location}, models", problem, _REMEDY)
    return _read(models, ModelEntry, validated(FullSummary, document | {"models": {}}, location), location)


def _read(models: dict[str, object], kind: type[ModelEntry], run: Facts, location: str) -> Reading:
    unread = {key: unread_entry(key, location) for key in models}
    entries = tuple(read_entry(entry, models[key], kind, run) for key, entry in unread.items() if entry)
    odd = [key for key, entry in unread.items() if entry is None]
    return Reading(
        entries, (f"the summary's {listed(odd)} not judged: no model's name, expected SYMBOL_TIMEFRAME",) if odd else ()
    )
