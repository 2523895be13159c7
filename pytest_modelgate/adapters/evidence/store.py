"""Evidence on disk: one file per piece of evidence, written whole or not at all, and claims on what is at work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from pytest_modelgate.adapters.evidence.columns import PackedColumns, pack, unpack
from pytest_modelgate.adapters.evidence.parsed import ParsedRecords
from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.core.evidence.agreement import agree
from pytest_modelgate.core.evidence.records import Evidence, WindowEvidence, WindowFailure
from pytest_modelgate.errors import GateError, SettingsError
from pytest_modelgate.text import plain

_SCHEMAS = "modelgate.evidence/"
SCHEMA = f"{_SCHEMAS}5"
LOCKS = "locks"
_DAMAGED = "the record is damaged or was altered"


class EvidenceConflictError(GateError):
    """Two valid records of the same evidence differ; nobody can tell from here which of them is right."""


class _Body(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="strings", extra="forbid")
    key: str
    evidence: Evidence
    columns: PackedColumns | None = None


@dataclass(frozen=True)
class EvidenceStore:
    """Evidence of one run; several processes, of this run and of others, may be at work in the same folder.

    Decisions of a run rest on the records in its own folder. A file is put in place by one rename, so a reader sees a
    whole record or none. Whoever evaluates a window claims it first: the others of the run wait, and a stale claim,
    which outlives its process, tells that the evaluation crashed.

    Attributes:
        root: evidence of all runs that write to this place; what earlier ones found is used again.
        run_id: names the folder of this run.
        others: folders with evidence of runs elsewhere, searched before ``root``, at any depth.
    """

    root: Path
    run_id: str
    others: tuple[Path, ...] = ()
    _claimed: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    _parsed: ParsedRecords[_Body] = field(
        default_factory=lambda: ParsedRecords(_parse), init=False, repr=False, compare=False
    )

    @property
    def folder(self) -> Path:
        """Folder of this run's records."""
        return self.root / self.run_id

    def write(self, evidence: Evidence, key: str = "") -> None:
        """Put a record in place, atomically. It outlives its process; a loss of power costs the measuring of it.

        Args:
            key: its content key (``core.evidence.content_key``); empty where that could not be found out.

        Raises:
            SettingsError: it cannot be written; a record that was there is as it was.
        """
        path = self.folder / _file_name(evidence.model, evidence.window)
        with _explained(self.root):
            write_atomically(path, record_bytes(evidence, key), durable=False)

    def fail(self, failure: WindowFailure, key: str = "") -> None:
        """Record a failure; where that cannot be written, nothing is on record: what was there no longer counts."""
        try:
            self.write(failure, key)
        except SettingsError:
            with suppress(OSError):  # then the verdict cannot be written either, and says that the run has not finished
                (self.folder / _file_name(failure.model, failure.window)).unlink(missing_ok=True)

    def read(self, model: str, window: str) -> Evidence | None:
        """This run's record of a window; None when there is none.

        A damaged or altered record is a failure, never a figure; so is a window whose evaluation, or whose test, took
        its process with it, whatever was recorded before that.
        """
        if self._crashed(model, window):
            return _crash(model, window)
        body = self._read(self.folder / _file_name(model, window), model, window)
        return body.evidence if isinstance(body, _Body) else body

    def digest(self, model: str, window: str) -> str:
        """Of the bytes of this run's record, whatever they say; empty where there is none, or it does not count."""
        try:
            content = (self.folder / _file_name(model, window)).read_bytes()
        except OSError:
            return ""
        return "" if self._crashed(model, window) else hashlib.sha256(content).hexdigest()

    def reusable(self, model: str, window: str, key: str) -> Evidence | None:
        """Evidence of other runs under the same key.

        Returns:
            Valid evidence if any run has it. Else why one of them has none: it failed, or its record is damaged.

        Raises:
            EvidenceConflictError: two valid records differ.
        """
        reason: WindowFailure | None = None
        first: tuple[Path, Evidence] | None = None
        for path in self._elsewhere(_file_name(model, window)):
            body = self._read(path, model, window)
            if not isinstance(body, _Body):
                reason = reason or body
            elif body.key == key and not isinstance(body.evidence, WindowFailure):
                first = first or (path, body.evidence)
                if first[1] is not body.evidence and not agree(first[1], body.evidence):
                    raise _conflict(first[0], path)
            elif body.key in (key, "") and isinstance(body.evidence, WindowFailure):
                reason = reason or body.evidence
        return first[1] if first else reason

    @property
    def has_others(self) -> bool:
        """Whether any other run left evidence that could be used again."""
        return bool(self._index) or any(path.parent != self.folder for path in self.root.glob("*/*.json"))

    def has_other(self, model: str, window: str) -> bool:
        """Whether any other run left a record of a window, whatever it says."""
        return any(True for _ in self._elsewhere(_file_name(model, window)))

    @contextmanager
    def claim(self, model: str, window: str) -> Iterator[None]:
        """Evaluate a window, or run its test, as the only one in this run; waits for whoever is at it.

        A claim within a claim of the same process is part of it. A stale claim goes on record as a failure.

        Raises:
            SettingsError: the claim cannot be written.
        """
        name = f"{model}.{window}"
        if name in self._claimed:
            yield
            return
        attempt, lock = self.folder / f"{name}.attempt", FileLock(self.folder / f"{name}.lock")
        with _explained(self.root):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            if attempt.exists():
                self.fail(_crash(model, window))
            with _explained(self.root):
                attempt.touch()
            self._claimed.add(name)
            yield
        finally:
            self._claimed.discard(name)
            with suppress(OSError):  # a claim that stays behind is taken for a crash
                attempt.unlink(missing_ok=True)
            lock.release()

    def forget(self, model: str, window: str) -> None:
        """Take back that a window failed or crashed in this run: its test is run again. Valid evidence stays."""
        if f"{model}.{window}" not in self._claimed:
            (self.folder / f"{model}.{window}.attempt").unlink(missing_ok=True)
        path = self.folder / _file_name(model, window)
        body = self._read(path, model, window)
        if not isinstance(body, _Body) or isinstance(body.evidence, WindowFailure):
            path.unlink(missing_ok=True)

    @contextmanager
    def computing(self, key: str) -> Iterator[None]:
        """Compute the evidence of a key as the only one among all runs that write to this place."""
        folder = self.root / LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            yield

    def _read(self, path: Path, model: str, window: str) -> _Body | WindowFailure | None:
        """A record; a failure when it is damaged, altered, foreign or about another window, None when there is none."""
        problem = _DAMAGED
        try:
            body = self._parsed.of(path.read_bytes())
            if (body.evidence.model, body.evidence.window) == (model, window):
                return body
        except FileNotFoundError:
            return None
        except _UnfitError as error:
            problem = str(error)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass  # reported below, like every other damage
        return WindowFailure(model, window, f"evidence {path.name}", problem, "Run the gate again to measure it anew")

    def _crashed(self, model: str, window: str) -> bool:
        """Whether there is a stale claim, left by a process that is gone."""
        name = f"{model}.{window}"
        attempt = self.folder / f"{name}.attempt"
        if name in self._claimed or not attempt.exists():
            return False
        try:
            with FileLock(self.folder / f"{name}.lock", timeout=0):
                return attempt.exists()  # or else its process has just let go of it
        except Timeout:
            return False
        except OSError:
            return True  # nobody can tell

    def _elsewhere(self, name: str) -> Iterator[Path]:
        """Records of a window in other runs' folders."""
        yield from self._index.get(name, ())
        for path in sorted(self.root.glob(f"*/{name}")):
            if path.parent != self.folder:
                yield path

    @cached_property
    def _index(self) -> dict[str, list[Path]]:
        paths: dict[str, list[Path]] = {}
        for folder in self.others:
            for path in sorted(folder.rglob("*.json")):
                if path.parent != self.folder:
                    paths.setdefault(path.name, []).append(path)
        return paths


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Say in a sentence why nothing can be written."""
    try:
        yield
    except OSError as error:
        problem = f"evidence cannot be written to {root}: {error.strerror}"
        raise SettingsError("--gate-output", problem, "Make room, or name a folder that can be written") from None


def record_bytes(evidence: Evidence, key: str = "") -> bytes:
    """A record as it is written, and can be sent: all of it, in one piece."""
    columns = None
    if isinstance(evidence, WindowEvidence):
        evidence, columns = pack(evidence)
    body = _Body(key=key, evidence=evidence, columns=columns).model_dump_json()
    record = {"schema": SCHEMA, "sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}
    return (json.dumps(record) + "\n").encode()


def _file_name(model: str, window: str) -> str:
    return f"{model}.{window}.json"


class _UnfitError(ValueError):
    """A record is not one of this version, or not what was written."""


def _parse(content: bytes) -> _Body:
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
    body = _Body.model_validate_json(text)
    if isinstance(body.evidence, WindowEvidence) and body.columns is not None:
        return _Body(key=body.key, evidence=unpack(body.evidence, body.columns))
    if isinstance(body.evidence, WindowEvidence) or body.columns is not None:
        raise _UnfitError(_DAMAGED)
    return body


def _conflict(one: Path, other: Path) -> EvidenceConflictError:
    problem = f"differs from {other}, though both are evidence of the same model, bars and options"
    remedy = "Find out which machine went wrong and delete what it left, or delete both to measure it anew"
    return EvidenceConflictError(f"evidence {one}", problem, remedy)


def _crash(model: str, window: str) -> WindowFailure:
    problem = "the process that evaluated it came to a sudden end"
    remedy = "Run the gate again; if it happens again, look for what ends processes, such as too little memory"
    return WindowFailure(model, window, f"{model} {window}", problem, remedy)
