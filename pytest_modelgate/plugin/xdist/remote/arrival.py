"""A worker's arrival: where it sees the run's folders it uses them, elsewhere it has what it needs sent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from filelock import BaseFileLock, FileLock, Timeout

from pytest_modelgate.adapters.archive import Archive, Listing, open_listing
from pytest_modelgate.adapters.evidence.remote_store import RemoteStore
from pytest_modelgate.core.config.profiles import MarketDataLimits
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.errors import MarketDataError, SettingsError
from pytest_modelgate.plugin.state import WORKER_KEY
from pytest_modelgate.plugin.xdist.remote.link import Link
from pytest_modelgate.services.market_data import MarketSeries, load_series, needed_recordings

_LOCK = "worker.lock"


@dataclass(frozen=True)
class Elsewhere:
    """What a worker has that sees none of the run's folders.

    Attributes:
        link: to the process that reports.
        scratch: private folder for what is sent; removed at the end.
        surroundings: what it should have besides.
    """

    link: Link
    scratch: Path
    surroundings: Mapping[str, str]
    _lock: BaseFileLock
    _listing: Listing
    _record_command: str
    _cassettes: str

    @property
    def store(self) -> RemoteStore:
        """Evidence of the run."""
        return RemoteStore(self.link.ask)

    def archive(self, suffixes: tuple[str, ...]) -> Archive:
        """The archive, of which members come when they are asked for; as of ``open_archive``."""
        return open_listing(self._listing, lambda name: self.link.fetch("member", name), suffixes=suffixes)

    def settings(self, settings: Settings) -> Settings:
        """Settings that speak to users of what they have, and not of copies."""
        return replace(settings, record_command=self._record_command)

    def read_market(
        self,
        request: MarketRequest,
        timeframe: Timeframe,
        windows: Sequence[Window],
        limits: MarketDataLimits,
        settings: Settings,
    ) -> MarketSeries:
        """As ``load_series``, once the cassettes that it reads are here."""
        try:
            for name in needed_recordings(request, timeframe, settings):
                _place(self.link, ("cassette", name), settings.cassettes, name)
            return load_series(request, timeframe, windows, limits, settings)
        except MarketDataError as error:  # which names copies
            copies = str(settings.cassettes)
            said = (part.replace(copies, self._cassettes) for part in (error.where, error.problem, error.remedy))
            raise MarketDataError(*said) from None

    def close(self) -> None:
        """End the connection, and remove what was sent."""
        self.link.close()
        self._lock.release()
        shutil.rmtree(self.scratch, ignore_errors=True)


def arrive(config: pytest.Config) -> Elsewhere | None:
    """Let a worker take part from wherever it is, with the options that the run was called with.

    Returns:
        None where it sees the run's folders, and in the process that reports.

    Raises:
        SettingsError: what it needs cannot be had or written.
    """
    shared = getattr(config, "workerinput", {}).get(WORKER_KEY, {})
    if "channel" not in shared:
        return None
    link = Link(shared["channel"])
    if all(_found(Path(mark)) == shared["secret"] for mark in shared["marks"]):
        link.close()
        _adopt(config, {**shared["options"], **shared["here"], "gate_evidence": shared["evidence"]})
        return None
    try:
        scratch, lock = _make_scratch(shared["run_id"])
    except OSError as error:
        raise _unwritable(error) from None
    elsewhere = Elsewhere(
        link,
        scratch,
        shared["surroundings"],
        lock,
        Listing(*shared["listing"]),
        shared["record_command"],
        shared["here"]["gate_cassettes"],
    )
    try:
        for number, name in enumerate(shared["files"]):
            _place(link, ("file", number), scratch, name)
    except BaseException as error:
        elsewhere.close()
        if isinstance(error, OSError):
            raise _unwritable(error) from None
        raise
    there = {key: str(scratch / name) for key, name in shared["there"].items()}
    _adopt(config, {**shared["options"], **there, "gate_evidence": [str(scratch)]})  # an empty list leaves it to a file
    return elsewhere


def _unwritable(error: OSError) -> SettingsError:
    problem = f"what a worker needs cannot be written to {tempfile.gettempdir()}: {error.strerror}"
    return SettingsError("worker", problem, "Make room there, or name another folder in TMPDIR")


def _adopt(config: pytest.Config, options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        setattr(config.option, key, value)


def _found(mark: Path) -> str:
    try:
        return mark.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _place(link: Link, errand: tuple[str, str | int], folder: Path, name: str) -> None:
    """Put what is fetched under its name, unless it lies there.

    Raises:
        GateError: as of ``Link.fetch``.
        OSError: it cannot be written.
    """
    parts = PurePosixPath(name).parts
    if ".." in parts or PurePosixPath(name).is_absolute():
        raise SettingsError(f"file {name}", "leads out of its folder", "Give it another name")
    path = folder.joinpath(*parts)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        with partial.open("wb") as file:
            file.writelines(link.fetch(*errand))
        partial.replace(path)


def _make_scratch(run_id: str) -> tuple[Path, BaseFileLock]:
    """Make a private folder, and remove those that workers of this run left that were killed.

    It bears its name once it is locked, so that nobody removes it before.
    """
    prefix = f"modelgate-{run_id}-"
    made = Path(tempfile.mkdtemp(prefix="modelgate-"))
    lock = FileLock(made / _LOCK)
    lock.acquire()
    for left in made.parent.glob(f"{prefix}*"):
        with suppress(Timeout, OSError), FileLock(left / _LOCK, timeout=0):
            shutil.rmtree(left, ignore_errors=True)
    scratch = made.with_name(prefix + made.name.removeprefix("modelgate-"))
    with suppress(OSError):  # Windows moves no folder with an open file
        made.rename(scratch)
    return (scratch if scratch.exists() else made), lock
