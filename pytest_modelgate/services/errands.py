"""Errands: what this process does with its files for a worker on another machine, which sees none of them.

The worker evaluates, so its evidence is believed as that of any worker. Beyond that nothing it says is: a name is
looked up among those that are known here, and never becomes a path; everything else has a type and a size.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from filelock import Timeout

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.cassettes.files import cassette_bytes
from pytest_modelgate.adapters.evidence.record import packed, parsed_records, unpacked
from pytest_modelgate.adapters.evidence.store import EvidenceStore, HolderGoneError
from pytest_modelgate.core.evidence.records import WindowFailure
from pytest_modelgate.core.planning.plan import Plan

Plain = str | bytes | bool | None
_MOST_RECORD = 64 << 20  # bytes; a year of 1-minute bars takes some 20 million
_PIECE = 1 << 20
_PATIENCE = 0.1  # seconds between looks whether the worker still waits
_KEY = re.compile(r"[0-9a-f]{64}")
_RELEASE, _COMPUTED = "release", "computed"


class UnfitErrandError(Exception):
    """No worker of this run asks for that."""


class Errands:
    """The errands of one worker. They are asked for by name, one after the other.

    Args:
        plan: what there may be evidence of.
        store: of this run; it is only looked at for where that lies.
        archive, cassettes: whose members, and which folder's recordings, are given away.
        files: given away by number.
        gone: whether the worker has left; it is asked while the worker waits.
    """

    def __init__(
        self,
        plan: Plan,
        store: EvidenceStore,
        archive: Archive,
        cassettes: Path,
        *,
        files: Sequence[Path],
        gone: Callable[[], bool],
    ) -> None:
        self._known = frozenset((item.model.id, work.name) for item in plan.models for work in item.conceivable)
        self._store = EvidenceStore(store.root, store.run_id, store.others)  # claims are a worker's own
        self._archive, self._cassettes, self._files, self._gone = archive, cassettes, files, gone
        self._held: dict[tuple[str, ...], AbstractContextManager[None]] = {}
        self._pieces: Iterator[Plain] = iter(())
        self._errands: dict[str, tuple[Callable[..., Plain], tuple[type, ...]]] = {
            "write": (self._write, (str, str, bytes)),
            "fail": (self._fail, (str, str, bytes)),
            "read": (self._read, (str, str, bytes)),
            "digest": (lambda *work: self._store.digest(*self._work(*work)), (str, str)),
            "reusable": (self._reusable, (str, str, str)),
            "has_others": (lambda: self._store.has_others, ()),
            "has_other": (lambda *work: self._store.has_other(*self._work(*work)), (str, str)),
            "forget": (lambda *work: self._store.forget(*self._work(*work)), (str, str)),
            "claim": (self._claim, (str, str)),
            _RELEASE: (lambda *work: self._let_go(self._work(*work)), (str, str)),
            "compute": (self._compute, (str,)),
            _COMPUTED: (lambda key: self._let_go((_key(key),)), (str,)),
            "member": (lambda name: self._begin(self._archive.member(name)), (str,)),
            "cassette": (lambda name: self._begin(_cut(cassette_bytes(self._cassettes, name))), (str,)),
            "file": (self._file, (int,)),
            "piece": (lambda: next(self._pieces, None), ()),
        }

    def do(self, name: object, arguments: object) -> Plain:
        """Do one errand.

        Raises:
            GateError: it cannot be done, which the worker is to be told.
            UnfitErrandError: it is none.
        """
        errand, types = self._errands.get(name, (None, ())) if isinstance(name, str) else (None, ())
        if errand is None or not isinstance(arguments, tuple) or tuple(map(type, arguments)) != types:
            raise UnfitErrandError
        return errand(*arguments)

    def abandon(self) -> None:
        """The worker is gone: what it held is let go of, and a claim stays behind as one of a process that crashed."""
        for name, held in self._held.items():
            error = HolderGoneError(*name)
            with suppress(HolderGoneError):
                held.__exit__(HolderGoneError, error, None)
        self._held.clear()

    def _write(self, model: str, window: str, record: bytes) -> None:
        self._check(record)
        self._store.put(*self._work(model, window), record)

    def _fail(self, model: str, window: str, record: bytes) -> None:
        self._check(record)
        said = unpacked(record, *self._work(model, window), parsed_records())
        if isinstance(said, WindowFailure):
            self._store.fail(said)
        elif isinstance(said.evidence, WindowFailure):
            self._store.fail(said.evidence, said.key)
        else:
            raise UnfitErrandError

    def _read(self, model: str, window: str, digest: bytes) -> Plain:
        """Bytes of the record; True where they are those of the digest, False after a crash, None without a record."""
        work = self._work(model, window)
        if self._store.crashed(*work):
            return False
        content = self._store.content(*work)
        return True if content and digest and hashlib.sha256(content).digest() == digest else content

    def _reusable(self, model: str, window: str, key: str) -> bytes | None:
        evidence = self._store.reusable(*self._work(model, window), _key(key))
        return None if evidence is None else packed(evidence, key)

    def _claim(self, model: str, window: str) -> None:
        work = self._work(model, window)
        self._hold(work, lambda: self._store.claim(*work, patience=_PATIENCE))

    def _compute(self, key: str) -> None:
        self._hold((_key(key),), lambda: self._store.computing(key, patience=_PATIENCE))

    def _hold(self, name: tuple[str, ...], take: Callable[[], AbstractContextManager[None]]) -> None:
        """Take hold of something as soon as nobody else has it, unless the worker leaves before."""
        while name not in self._held and not self._gone():
            held = take()
            with suppress(Timeout):
                held.__enter__()
                if self._gone():  # it has not begun, so nothing has crashed
                    held.__exit__(None, None, None)
                else:
                    self._held[name] = held

    def _let_go(self, name: tuple[str, ...]) -> None:
        """Let go of something; of what is not held, since waiting for it was cut short, too."""
        held = self._held.pop(name, None)
        if held is not None:
            held.__exit__(None, None, None)

    def _file(self, number: int) -> None:
        if not 0 <= number < len(self._files):
            raise UnfitErrandError
        self._begin(_read(self._files[number]))

    def _begin(self, pieces: Iterable[bytes]) -> None:
        """Give a content away, piece by piece, and its sha256 at the end."""

        def with_digest() -> Iterator[Plain]:
            digest = hashlib.sha256()
            for piece in pieces:
                digest.update(piece)
                yield piece
            yield digest.hexdigest()

        self._pieces = with_digest()

    def _work(self, model: str, window: str) -> tuple[str, str]:
        if (model, window) not in self._known:
            raise UnfitErrandError
        return model, window

    @staticmethod
    def _check(record: bytes) -> None:
        if len(record) > _MOST_RECORD:
            raise UnfitErrandError


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise UnfitErrandError
    return key


def _cut(content: bytes) -> Iterator[bytes]:
    return (content[at : at + _PIECE] for at in range(0, len(content), _PIECE))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
