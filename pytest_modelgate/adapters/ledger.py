"""Ledger of all looks at models, and of when their bytes were known: a file that only grows, each line sealing all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.core.planning.looks import Trial, count_trials
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import SettingsError

_OPTION = "--gate-ledger"
_START = "0" * 64
_WAIT = 60.0  # seconds; a run holds the lock for milliseconds
_REMEDY = "Restore the file from a backup; a new one forgets the models tried so far, and is too kind to the next"


@dataclass(frozen=True)
class Registration:
    """Moment at which an archive's bytes were known: no model in it can have been trained on a later bar.

    Attributes:
        archive: sha256 of the zip or folder.
        checkpoints: sha256 of each checkpoint in it, sorted.
        registered: the moment (ISO 8601, UTC).
    """

    archive: str
    checkpoints: tuple[str, ...]
    registered: str

    @property
    def entry(self) -> dict[str, object]:
        """Fields as they stand in the file."""
        return {**asdict(self), "checkpoints": list(self.checkpoints)}


Entry = Trial | Registration


@dataclass(frozen=True)
class LedgerState:
    """State of a ledger.

    Attributes:
        trials: independent looks at distinct models on the stretch asked for.
        head: seal of the last line.
        registered: when the bytes of each model asked for were first registered, by its id; nothing for the others.
    """

    trials: int
    head: str
    registered: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def record_trials(path: Path, trials: Sequence[Trial]) -> LedgerState:
    """Enter what is not yet in the ledger, and count who was tried on the same stretch of the market.

    Several processes may do so at once. The file is replaced in one step by itself and the new lines, so a crash leaves
    it as it was. What is known already adds nothing: a run repeated sees the ledger it left.

    Args:
        path: the ledger; made when it does not exist.
        trials: the looks of this run.

    Raises:
        SettingsError: the file cannot be read, written or locked, or is not an unbroken chain.
    """
    with _open(path) as chain:
        known = set(chain.trials)
        for trial in dict.fromkeys(trials):
            if trial not in known:
                chain.append(trial)
    first: dict[str, str] = {}
    for item in chain.registrations:
        for sha256 in item.checkpoints:
            first.setdefault(sha256, item.registered)
    registered = {trial.model: first[trial.sha256] for trial in trials if trial.sha256 in first}
    return LedgerState(count_trials(chain.trials, trials), chain.head, registered)


def register(path: Path, archive: str, checkpoints: Iterable[str], clock: Callable[[], datetime]) -> Registration:
    """Enter an archive as known from now on; one that is there already keeps the moment it has.

    Args:
        path: the ledger; made when it does not exist.
        archive, checkpoints: sha256 of each.
        clock: gives the present moment, with a zone; read once nobody else can enter anything.

    Returns:
        The registration in force.

    Raises:
        SettingsError: as ``record_trials``, or the ledger holds a later moment.
    """
    with _open(path) as chain:
        now = clock()
        for known in chain.registrations:
            if known.archive == archive:
                return known
            if datetime.fromisoformat(known.registered) > now:
                problem = f"the clock says {now.isoformat()}, {path} holds {known.registered} already"
                raise SettingsError("modelgate register", problem, "Set the clock: an earlier moment proves too much")
        registration = Registration(archive, tuple(sorted(set(checkpoints))), now.isoformat())
        chain.append(registration)
    return registration


class _Chain:
    """Entries of a ledger, and its text."""

    def __init__(self, text: str, path: Path) -> None:
        self.text, self.head = "", _START
        self.trials: list[Trial] = []
        self.registrations: list[Registration] = []
        for number, line in enumerate(text.splitlines(keepends=True), start=1):
            try:
                self.append(_parse(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise _broken(path, number, "the line is damaged") from None
            if self.text[-len(line) :] != line:
                raise _broken(path, number, "the entry was altered, or entries before it were altered or taken out")

    def append(self, entry: Entry) -> None:
        """Add an entry, and its seal: a digest of the entry and of the seal before it."""
        sealed = {**entry.entry, "previous": self.head}
        self.head = json_sha256(sealed, spaced=True)
        self.text += json.dumps({**sealed, "seal": self.head}) + "\n"
        if isinstance(entry, Trial):
            self.trials.append(entry)
        else:
            self.registrations.append(entry)


def _parse(line: dict[str, Any]) -> Entry:
    """An entry of any kind; what else the line holds shows when it is sealed anew.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    if "registered" in line:
        item = Registration(str(line["archive"]), tuple(map(str, line["checkpoints"])), str(line["registered"]))
        if datetime.fromisoformat(item.registered).tzinfo is None:
            raise ValueError("a moment without a zone")
        return item
    texts = {key: str(line[key]) for key in ("model", "sha256", "start", "end")}
    trial = Trial(**texts, folds=int(line.get("folds", 0)), terms=str(line.get("terms", "")))
    if not trial.shares_market_with(trial) or (trial.terms and trial.folds < 1):
        raise ValueError("a stretch that ends before it starts, or without folds")
    return trial


@contextmanager
def _open(path: Path) -> Iterator[_Chain]:
    """The ledger under its lock; what was appended is written when the block ends well."""
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=_WAIT):
            text = path.read_text(encoding="ascii") if path.exists() else ""
            chain = _Chain(text, path)
            yield chain
            if chain.text != text:
                write_atomically(path, chain.text.encode("ascii"))
    except Timeout:
        problem = f"{path} is locked by another process for over {_WAIT:.0f} seconds"
        raise SettingsError(_OPTION, problem, "End that process, or wait for it") from None
    except UnicodeDecodeError:
        raise _broken(path, 1, "the file is not a ledger: it holds other than ASCII text") from None
    except OSError as error:
        problem = f"{path} cannot be used: {error.strerror}"
        raise SettingsError(_OPTION, problem, "Name a file that can be read and written") from error


def _broken(path: Path, line: int, problem: str) -> SettingsError:
    return SettingsError(f"{_OPTION} {path}, line {line}", problem, _REMEDY)
