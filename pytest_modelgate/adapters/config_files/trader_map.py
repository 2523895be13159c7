"""Trader maps: what a user says of orders whose ids do not say whose they are, and of differences that are meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, get_args

from pytest_modelgate.adapters.config_files.toml import read_toml
from pytest_modelgate.core.watching.evidence import Mismatch
from pytest_modelgate.core.watching.records import Explained, MappedModel, TraderMap
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.text import shown

_REMEDY = "Write [[model]] with id, and symbols or client_order_id; [[explain]] with model, kind, from, until, reason"
_MODEL = re.compile(r"[A-Z0-9.]{1,20}_[0-9A-Za-z]{1,10}")
_SYMBOL = re.compile(r"[A-Z0-9.]{1,20}")
_LONGEST = 200  # characters of a pattern or a reason
_KINDS = tuple(kind for kind in get_args(Mismatch) if kind not in ("explained", "foreign"))


def read_trader_map(path: Path) -> TraderMap:
    """The map in a TOML file; without a journal.

    Raises:
        SettingsError: it cannot be read, or says something that is no such map.
    """
    where = f"map {path}"
    document = read_toml(path, where, ("Check the path and its permissions", _REMEDY)).document
    for name in sorted(set(document) - {"model", "explain"}):
        raise SettingsError(where, f"has {shown(name)}, which means nothing", _REMEDY)
    models = [_model(entry, f"{where}, [[model]] {n}") for n, entry in _entries(document, "model", where)]
    explained = [_explained(entry, f"{where}, [[explain]] {n}") for n, entry in _entries(document, "explain", where)]
    ids = [model.id for model in models]
    for model_id in ids:
        if ids.count(model_id) > 1:
            raise SettingsError(where, f"names {model_id} twice", "Write one [[model]] for each")
    return TraderMap(tuple(models), tuple(explained))


def _entries(document: Mapping[str, Any], name: str, where: str) -> list[tuple[int, Mapping[str, Any]]]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingsError(where, f"{name} is no list of tables", _REMEDY)
    return list(enumerate(entries, start=1))


def _model(entry: Mapping[str, Any], where: str) -> MappedModel:
    _only(entry, {"id", "symbols", "client_order_id"}, where)
    symbols = entry.get("symbols", [])
    if not isinstance(symbols, list) or not all(isinstance(name, str) for name in symbols):
        raise SettingsError(where, f'symbols is {shown(symbols)}, expected a list such as ["UNIUSD"]', _REMEDY)
    spelled = tuple(name.replace("/", "") for name in symbols)
    for name in spelled:
        if not _SYMBOL.fullmatch(name):
            raise SettingsError(where, f"{shown(name)} is no symbol", _REMEDY)
    pattern = entry.get("client_order_id")
    if pattern is not None:
        _check_pattern(_text(entry, "client_order_id", where), where)
    if not spelled and pattern is None:
        raise SettingsError(where, "tells neither symbols nor client_order_id", _REMEDY)
    return MappedModel(_id(entry, "id", where), spelled, pattern)


def _check_pattern(pattern: str, where: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        problem = "client_order_id is no regular expression"
        raise SettingsError(where, problem, "Correct it; all of an id must fit it") from None


def _explained(entry: Mapping[str, Any], where: str) -> Explained:
    _only(entry, {"model", "kind", "from", "until", "reason"}, where)
    kind = _text(entry, "kind", where)
    if kind not in _KINDS:
        raise SettingsError(where, f"kind is {shown(kind)}, expected one of {', '.join(_KINDS)}", _REMEDY)
    start, end = _moment(entry, "from", where), _moment(entry, "until", where)
    if start >= end:
        raise SettingsError(where, "from is not before until", "until is exclusive")
    return Explained(_id(entry, "model", where), kind, start, end, _text(entry, "reason", where))


def _only(entry: Mapping[str, Any], names: set[str], where: str) -> None:
    for name in sorted(set(entry) - names):
        raise SettingsError(where, f"has {shown(name)}, which means nothing", _REMEDY)


def _id(entry: Mapping[str, Any], name: str, where: str) -> str:
    text = _text(entry, name, where)
    if not _MODEL.fullmatch(text):
        raise SettingsError(where, f"{name} is {shown(text)}, expected SYMBOL_TIMEFRAME such as UNIUSD_1Hour", _REMEDY)
    return text


def _text(entry: Mapping[str, Any], name: str, where: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not (value.isascii() and value.isprintable()):
        problem = f"{name} is {shown(value)}, expected 1 to {_LONGEST} letters of ASCII"
        raise SettingsError(where, problem, _REMEDY)
    return value


def _moment(entry: Mapping[str, Any], name: str, where: str) -> int:
    """Seconds since 1970 UTC; a time without a zone is UTC, a day its beginning."""
    value = entry.get(name)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if not isinstance(value, datetime):
        problem = f"{name} is {shown(value)}, expected a date or a date and time, without quotes"
        raise SettingsError(where, problem, _REMEDY)
    return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
