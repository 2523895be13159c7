"""Ledger of all models ever tried on a stretch of the market: a file that only grows, each line sealing the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import SettingsError

_OPTION = "--gate-ledger"
_START = "0" * 64
_WAIT = 60.0  # seconds; a run holds the lock for milliseconds
_REMEDY = "Restore the file from a backup; a new one forgets the models tried so far, and is too kind to the next"


@dataclass(frozen=True)
class Trial:
    """One model judged on one stretch of the market.

    Attributes:
        model: its id, for readers.
        sha256: of its checkpoint; the same bytes are the same model.
        start, end: half-open range of bar starts of its walk-forward (ISO 8601, UTC).
    """

    model: str
    sha256: str
    start: str
    end: str

    def shares_market_with(self, other: Trial) -> bool:
        """Whether the shorter of both stretches lies in the other by half at least."""
        (start, end), (other_start, other_end) = self._span, other._span
        common = min(end, other_end) - max(start, other_start)
        return 2 * common >= min(end - start, other_end - other_start)

    @property
    def _span(self) -> tuple[datetime, datetime]:
        return datetime.fromisoformat(self.start), datetime.fromisoformat(self.end)


@dataclass(frozen=True)
class LedgerState:
    """State of a ledger: distinct models tried on the stretch asked for, and the seal of its last line."""

    trials: int
    head: str


def record_trials(path: Path, trials: Sequence[Trial]) -> LedgerState:
    """Enter what is not yet in the ledger, and count who was tried on the same stretch of the market.

    Several processes may do so at once. The file is replaced in one step by itself and the new lines, so a crash leaves
    it as it was. What is known already adds nothing: a run repeated sees the ledger it left.

    Args:
        path: the ledger; made when it does not exist.
        trials: the models of this run.

    Raises:
        SettingsError: the file cannot be read, written or locked, or is not an unbroken chain.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=_WAIT):
            text = path.read_text(encoding="ascii") if path.exists() else ""
            known, head = _read(text, path)
            fresh = [trial for trial in dict.fromkeys(trials) if trial not in set(known)]
            for trial in fresh:
                line, head = _seal(trial, head)
                text += line
            if fresh:
                write_atomically(path, text.encode("ascii"))
    except Timeout:
        problem = f"{path} is locked by another process for over {_WAIT:.0f} seconds"
        raise SettingsError(_OPTION, problem, "End that process, or wait for it") from None
    except UnicodeDecodeError:
        raise _broken(path, 1, "the file is not a ledger: it holds other than ASCII text") from None
    except OSError as error:
        problem = f"{path} cannot be used: {error.strerror}"
        raise SettingsError(_OPTION, problem, "Name a file that can be read and written") from error
    same = {trial.sha256 for trial in (*known, *fresh) if any(trial.shares_market_with(mine) for mine in trials)}
    return LedgerState(len(same), head)


def _seal(trial: Trial, previous: str) -> tuple[str, str]:
    """The line of an entry, and its seal: a digest of the entry and of the seal before it."""
    entry = {**asdict(trial), "previous": previous}
    seal = json_sha256(entry, spaced=True)
    return json.dumps({**entry, "seal": seal}) + "\n", seal


def _read(text: str, path: Path) -> tuple[list[Trial], str]:
    trials, head = [], _START
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        try:
            entry: dict[str, Any] = json.loads(line)
            trial = Trial(**{field.name: str(entry[field.name]) for field in fields(Trial)})
            sealed, seal = _seal(trial, head)
            if sealed != line or not trial.shares_market_with(trial):
                raise _broken(path, number, "the entry was altered, or entries before it were altered or taken out")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _broken(path, number, "the line is damaged") from None
        trials.append(trial)
        head = seal
    return trials, head


def _broken(path: Path, line: int, problem: str) -> SettingsError:
    return SettingsError(f"{_OPTION} {path}, line {line}", problem, _REMEDY)
