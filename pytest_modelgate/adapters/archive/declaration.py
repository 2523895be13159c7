"""``SYMBOL_TIMEFRAME.json`` beside a checkpoint: what it declares, and its agreement with the training summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_modelgate.adapters.archive.entries import utc, validated
from pytest_modelgate.adapters.archive.limits import DEFAULT_LIMITS, Limits
from pytest_modelgate.adapters.archive.schema import POLICY_SCHEMA, PolicyDeclaration
from pytest_modelgate.adapters.archive.strict_json import read_json, read_object
from pytest_modelgate.adapters.meanings import declared_meanings, plain_fact
from pytest_modelgate.core.training.run import Declared, Fault, TrainedModel
from pytest_modelgate.errors import ArchiveError


def policy_json_schema() -> str:
    """The published JSON Schema of such a file, as text."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Policy"}
    return json.dumps(head | PolicyDeclaration.model_json_schema(), indent=2) + "\n"


def written_declaration(facts: Mapping[str, Any], location: str) -> tuple[bytes, Declared]:
    """Such a file, and what it declares.

    Args:
        facts: by the names of its fields; actions may be ``Order`` and ``Target``.

    Raises:
        ArchiveError: a fact that the schema does not describe.
    """
    document = {"schema": POLICY_SCHEMA, **{name: plain_fact(value) for name, value in facts.items()}}
    text = (json.dumps(document, indent=1) + "\n").encode()
    return text, declared_beside(text, Declared(), location, DEFAULT_LIMITS)


def beside(checkpoint: Path) -> bytes | None:
    """The file beside a checkpoint that may declare what it means; None where there is none."""
    file = checkpoint.with_suffix(".json")
    return file.read_bytes() if file.is_file() else None


def declared_together(facts: Mapping[str, Any], raw: bytes | None, location: str) -> dict[str, Any]:
    """What a training script and the file beside a checkpoint declare together, as a summary's entry has it.

    Args:
        facts: of the script, by the names of a summary's fields.
        raw: the file, None where there is none; one that names no schema of ours is something else of the trainer's.

    Raises:
        ArchiveError: the file cannot be used, or says something else than the script.
    """
    said = {name: value for name, value in facts.items() if (name, value) != ("schema", POLICY_SCHEMA)}
    if raw is None or POLICY_SCHEMA.partition("/")[0].encode() not in raw:
        return said
    shared = {name: value for name, value in said.items() if name in PolicyDeclaration.model_fields}
    declared_beside(raw, written_declaration(shared, location)[1], location, DEFAULT_LIMITS)
    theirs = read_object(raw, location, DEFAULT_LIMITS)
    return {name: value for name, value in theirs.items() if name != "schema" and value is not None} | said


def declare(model: TrainedModel, raw: bytes, location: str, limits: Limits) -> TrainedModel | None:
    """A model with what the file beside its checkpoint declares; with a fault where that cannot be used.

    Args:
        raw: the file.

    Returns:
        None for a file that names no schema: it is something else of the trainer's.
    """
    try:
        if "schema" not in read_json(raw, location, limits):
            return None
        return replace(model, declared=declared_beside(raw, model.declared, location, limits))
    except ArchiveError as error:
        return replace(model, fault=model.fault or Fault.of(error))


def declared_beside(raw: bytes, declared: Declared, location: str, limits: Limits) -> Declared:
    """What summary and file declare together.

    Args:
        raw: the file.
        declared: by the summary.

    Raises:
        ArchiveError: the file is none that the schema describes, or says something else than the summary.
    """
    part = validated(PolicyDeclaration, read_object(raw, location, limits), location)
    said: dict[str, Any] = declared_meanings(part)
    said |= {name: getattr(part, name) for name in ("feature_set", "account_mode", "activation")}
    said["bar_origin"] = None if part.bar_origin is None else utc(part.bar_origin)
    said = {name: value for name, value in said.items() if value is not None}
    for name, value in said.items():
        if getattr(declared, name) not in (None, value):
            problem = "is declared otherwise in the training summary"
            raise ArchiveError(f"{location}, {name}", problem, "Find out which is right, and take the other one out")
    return replace(declared, **said)
