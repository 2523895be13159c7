"""What the user says of a trader, as it is kept beside the recordings of its account."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from pytest_modelgate.adapters.account_cassettes.files import AccountFolder, Manifest
from pytest_modelgate.adapters.account_cassettes.journal import to_line
from pytest_modelgate.core.watching.records import Explained, JournalLine, MappedModel, TraderMap
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import AccountError, SettingsError


def to_document(map_: TraderMap | None, journal: Sequence[JournalLine], scrub: Callable[[str], str]) -> dict[str, Any]:
    """The map, if there is one, and lines of the journal, as JSON can hold them.

    A pattern for ids became a pattern for what is kept of them when the orders were recorded.
    """
    document: dict[str, Any] = {"journal": [asdict(line) for line in journal]}
    if map_ is not None:
        explained = [{**asdict(entry), "reason": scrub(entry.reason)} for entry in map_.explained]
        models = [asdict(_recorded(model)) for model in map_.models]
        document["map"] = {"models": models, "explained": explained}
    return document


def read_trader_told(folder: AccountFolder, manifest: Manifest) -> TraderMap:
    """The last map, and every line of the journals once, by bar.

    Raises:
        AccountError: a cassette is missing, altered or unusable.
    """
    told = TraderMap()
    journal: dict[JournalLine, None] = {}
    for recording in manifest.recordings:
        document = folder.read(recording, "told")
        if document is None:
            continue
        try:
            journal |= dict.fromkeys(map(to_line, document["journal"]))
            if "map" in document:
                told = read_map(document["map"])
        except (KeyError, TypeError, ValueError, AttributeError):
            where = f"account {folder.path}, recording until {recording.until}"
            problem = "does not hold what the user said of the trader"
            raise AccountError(where, problem, "Record the account anew: modelgate watch") from None
    return replace(told, journal=tuple(sorted(journal, key=lambda line: (line.bar, line.model))))


def read_map(document: Mapping[str, Any]) -> TraderMap:
    """The map in such JSON.

    Raises:
        KeyError, TypeError: there is none.
    """
    models = (MappedModel(**{**entry, "symbols": tuple(entry["symbols"])}) for entry in document["models"])
    return TraderMap(tuple(models), tuple(Explained(**entry) for entry in document["explained"]))


def pattern_digest(map_: TraderMap | None) -> str:
    """Digest of what a map tells of ids; empty where it tells nothing."""
    patterns = _patterns(map_)
    return json_sha256(patterns) if patterns else ""


def owner_of(map_: TraderMap | None) -> Callable[[str], str | None]:
    """Tells the model whose pattern an id fits, None for none; SettingsError where it fits those of two."""
    patterns = {model: re.compile(pattern) for model, pattern in _patterns(map_).items()}

    def owner(text: str) -> str | None:
        owners = [model for model, pattern in patterns.items() if pattern.fullmatch(text)]
        if len(owners) > 1:
            problem = f"an order's id fits client_order_id of both {owners[0]} and {owners[1]}"
            raise SettingsError("--map", problem, "Write patterns of which one fits")
        return owners[0] if owners else None

    return owner


def _patterns(map_: TraderMap | None) -> dict[str, str]:
    return {model.id: model.client_order_id for model in map_.models if model.client_order_id} if map_ else {}


def _recorded(model: MappedModel) -> MappedModel:
    if model.client_order_id is None:
        return model
    escaped = model.id.replace(".", r"\.")
    return replace(model, client_order_id=rf"map\.{escaped}\.[0-9a-f]{{8}}")
