"""Evidence of a run on disk: one file per model and window, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_modelgate.adapters.atomic import write_atomically
from pytest_modelgate.core.evidence import Evidence, WindowFailure

SCHEMA = "modelgate.evidence/1"


class _Record(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings", extra="forbid")
    evidence: Evidence


@dataclass(frozen=True)
class EvidenceStore:
    """The evidence folder of one run; several processes may write to it at once.

    Two processes that measure the same window write the same bytes, and a file is put in place by one rename, so a
    reader sees a whole record or none.
    """

    folder: Path

    def write(self, evidence: Evidence) -> None:
        """Put a record in place, atomically and durably."""
        body = _Record(evidence=evidence).model_dump_json()
        record = {"schema": SCHEMA, "sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}
        write_atomically(self._path(evidence.model, evidence.window), (json.dumps(record) + "\n").encode())

    def read(self, model: str, window: str) -> Evidence | None:
        """The record of a window; None when there is none. A damaged or altered record is a failure, never a figure."""
        path = self._path(model, window)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            record = json.loads(text)
            body = record["body"]
            if record["schema"] != SCHEMA or hashlib.sha256(body.encode()).hexdigest() != record["sha256"]:
                return self._damaged(model, window, path)
            evidence = _Record.model_validate_json(body).evidence
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
            return self._damaged(model, window, path)
        if (evidence.model, evidence.window) != (model, window):
            return self._damaged(model, window, path)
        return evidence

    def _path(self, model: str, window: str) -> Path:
        return self.folder / f"{model}.{window}.json"

    @staticmethod
    def _damaged(model: str, window: str, path: Path) -> WindowFailure:
        problem = "the record is damaged or was altered"
        return WindowFailure(model, window, f"evidence {path.name}", problem, "Run the gate again to measure it anew")
