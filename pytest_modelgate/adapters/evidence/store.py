"""Evidence on disk: one file per piece of evidence, written whole or not at all, and claims on what is at work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from pytest_modelgate.adapters.evidence.parsed import ParsedRecords
from pytest_modelgate.adapters.evidence.record import Body, crash, file_name, packed, parsed_records, unpacked
from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.core.evidence.agreement import agree
from pytest_modelgate.core.evidence.records import Evidence, WindowFailure
from pytest_modelgate.errors import GateError, SettingsError

LOCKS = "locks"


class EvidenceConflictError(GateError):
    """Two valid records of the same evidence differ; nobody can tell from here which of them is right."""


class HolderGoneError(Exception):
    """Raised within a claim that is held for another process: that one came to a sudden end."""


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
    _parsed: ParsedRecords[Body] = field(default_factory=parsed_records, init=False, repr=False, compare=False)

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
        self.put(evidence.model, evidence.window, packed(evidence, key))

    def put(self, model: str, window: str, record: bytes) -> None:
        """Put a packed record in place; as of ``write``."""
        with _explained(self.root):
            write_atomically(self.folder / file_name(model, window), record, durable=False)

    def fail(self, failure: WindowFailure, key: str = "") -> None:
        """Record a failure; where that cannot be written, nothing is on record: what was there no longer counts."""
        try:
            self.write(failure, key)
        except SettingsError:
            with suppress(OSError):  # then the verdict cannot be written either, and says that the run has not finished
                (self.folder / file_name(failure.model, failure.window)).unlink(missing_ok=True)

    def read(self, model: str, window: str) -> Evidence | None:
        """This run's record of a window; None when there is none.

        A damaged or altered record is a failure, never a figure; so is a window whose evaluation, or whose test, took
        its process with it, whatever was recorded before that.
        """
        if self.crashed(model, window):
            return crash(model, window)
        body = self._read(self.folder / file_name(model, window), model, window)
        return body.evidence if isinstance(body, Body) else body

    def content(self, model: str, window: str) -> bytes | None:
        """The bytes of this run's record, whatever they say; None where there are none, empty if unreadable."""
        try:
            return (self.folder / file_name(model, window)).read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            return b""

    def digest(self, model: str, window: str) -> str:
        """Of the bytes of this run's record, whatever they say; empty where there is none, or it does not count."""
        content = self.content(model, window)
        return hashlib.sha256(content).hexdigest() if content and not self.crashed(model, window) else ""

    def reusable(self, model: str, window: str, key: str) -> Evidence | None:
        """Evidence of other runs under the same key.

        Returns:
            Valid evidence if any run has it. Else why one of them has none: it failed, or its record is damaged.

        Raises:
            EvidenceConflictError: two valid records differ.
        """
        reason: WindowFailure | None = None
        first: tuple[Path, Evidence] | None = None
        for path in self._elsewhere(file_name(model, window)):
            body = self._read(path, model, window)
            if not isinstance(body, Body):
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
        others = (folder for folder in self.root.glob("*/") if folder != self.folder)  # ours may hold thousands
        return bool(self._index) or any(True for folder in others for _ in folder.glob("*.json"))

    def has_other(self, model: str, window: str) -> bool:
        """Whether any other run left a record of a window, whatever it says."""
        return any(True for _ in self._elsewhere(file_name(model, window)))

    @contextmanager
    def claim(self, model: str, window: str, patience: float = -1) -> Iterator[None]:
        """Evaluate a window, or run its test, as the only one in this run; waits for whoever is at it.

        A claim within a claim of the same process is part of it. A stale claim goes on record as a failure.

        Args:
            patience: seconds to wait; negative ones are without end.

        Raises:
            SettingsError: the claim cannot be written.
            Timeout: somebody was at it longer than that.
        """
        name = f"{model}.{window}"
        if name in self._claimed:
            yield
            return
        attempt, lock = self.folder / f"{name}.attempt", FileLock(self.folder / f"{name}.lock")
        with _explained(self.root):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=patience)
        abandoned = False
        try:
            if attempt.exists():
                self.fail(crash(model, window))
            with _explained(self.root):
                attempt.touch()
            self._claimed.add(name)
            yield
        except HolderGoneError:
            abandoned = True
            raise
        finally:
            self._claimed.discard(name)
            with suppress(OSError):  # a claim that stays behind is taken for a crash
                if not abandoned:
                    attempt.unlink(missing_ok=True)
            lock.release()

    def forget(self, model: str, window: str) -> None:
        """Take back that a window failed or crashed in this run: its test is run again. Valid evidence stays."""
        if f"{model}.{window}" not in self._claimed:
            (self.folder / f"{model}.{window}.attempt").unlink(missing_ok=True)
        path = self.folder / file_name(model, window)
        body = self._read(path, model, window)
        if not isinstance(body, Body) or isinstance(body.evidence, WindowFailure):
            path.unlink(missing_ok=True)

    @contextmanager
    def computing(self, key: str, patience: float = -1) -> Iterator[None]:
        """Compute the evidence of a key as the only one among all runs that write to this place.

        Args:
            patience: as of ``claim``; so is what is raised.
        """
        folder = self.root / LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock", timeout=patience):
            yield

    def _read(self, path: Path, model: str, window: str) -> Body | WindowFailure | None:
        """A record; a failure when it is damaged, altered, foreign or about another window, None when there is none."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            content = b""  # like every other damage
        return unpacked(content, model, window, self._parsed)

    def crashed(self, model: str, window: str) -> bool:
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
    except Timeout:
        raise
    except OSError as error:
        problem = f"evidence cannot be written to {root}: {error.strerror}"
        raise SettingsError("--gate-output", problem, "Make room, or name a folder that can be written") from None


def _conflict(one: Path, other: Path) -> EvidenceConflictError:
    problem = f"differs from {other}, though both are evidence of the same model, bars and options"
    remedy = "Find out which machine went wrong and delete what it left, or delete both to measure it anew"
    return EvidenceConflictError(f"evidence {one}", problem, remedy)
