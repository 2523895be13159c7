"""The folder a trader reads."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from pytest_modelgate.adapters.promotion.layout import (
    HOME,
    SETS,
    Copies,
    Links,
    checkpoints_in,
    choose_layout,
    kept_aside,
    sha256_of,
    sync_folder,
    temporary_in,
)
from pytest_modelgate.adapters.promotion.record import NAME, Promoted, Record, Withdrawn, read_record
from pytest_modelgate.errors import PromotionError

_PATIENCE = 60.0  # seconds; a promotion copies some gigabytes at most
_CHUNK = 1024 * 1024
_SET = re.compile(r"[0-9]{14}-[0-9a-f]{8}")


class Target:
    """A folder of ``SYMBOL_TIMEFRAME.pt`` files, and such of other formats, of which one set is in force.

    Args:
        folder: made when a set is installed.
        layout: how names are switched; chosen by what the folder allows.
    """

    def __init__(self, folder: Path, layout: Callable[[Path], Links | Copies] = choose_layout) -> None:
        self.folder: Path = folder
        self._choose = layout
        self._sets = folder / HOME / SETS

    def check_begun(self) -> None:
        """Refuse a folder that no promotion was ever begun in: a mistyped one is not to be made.

        Raises:
            PromotionError: it is none, or no folder at all.
        """
        if not os.path.lexists(self.folder / HOME) and self.record() is None:
            remedy = "Name the folder given to modelgate promote"
            raise PromotionError(str(self.folder), "nothing was promoted there", remedy)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the folder against other promotions while a block runs, and first finish what was cut off.

        Raises:
            PromotionError: the folder cannot be written, or another promotion is under way.
        """
        try:
            with _readable_by_all():
                self._sets.mkdir(parents=True, exist_ok=True)
                self._check_home()
                with FileLock(self.folder / HOME / "lock", timeout=_PATIENCE):
                    self._layout.settle()
                    yield
        except Timeout:
            problem = "another promotion is under way"
            raise PromotionError(str(self.folder), problem, "Wait for it to end, then try again") from None
        except OSError as error:
            problem = f"cannot be written: {error.strerror or error}"
            raise PromotionError(str(self.folder), problem, "Check permissions and free space, then again") from None

    def _check_home(self) -> None:
        """Refuse to keep sets, and clean them, anywhere but in the folder itself."""
        if self._sets.resolve() != self.folder.resolve() / HOME / SETS:
            problem = f"its {HOME}/{SETS} is a link to {self._sets.resolve()}, expected a folder"
            raise PromotionError(str(self.folder), problem, "Take the link away, then promote again")

    @property
    def _layout(self) -> Links | Copies:
        return self._choose(self.folder)

    def record(self) -> Record | None:
        """Record of the set in force; None when nothing was promoted yet.

        Raises:
            PromotionError: ``promotion.json`` is not as modelgate wrote it.
        """
        record = read_record(self.folder / NAME)
        for model in record.models if record else ():
            if record and model.file != self._file(record.set, model.name):
                problem = f"{model.id} lies in {model.file!r}, expected a file of set {record.set}"
                raise PromotionError(str(self.folder / NAME), problem, "Start over in an empty folder")
        return record

    def unjudged(self, record: Record | None) -> tuple[str, ...]:
        """Checkpoints in the folder that are not, byte for byte, what was promoted there."""
        known = record.files if record else {}
        return tuple(
            path.name
            for path in checkpoints_in(self.folder, known)
            if not (path.is_file() and path.name in known and sha256_of(path) == known[path.name])
        )

    def of_set(self, name: str) -> Record | None:
        """The record of a set that is still kept, its files verified; None when it is gone.

        Raises:
            PromotionError: a file of the set was altered.
        """
        record = read_record(self._sets / name / NAME)
        if record is None:
            return None
        for file, expected in record.files.items():
            path = self.folder / self._file(name, file)
            if record.set != name or not path.is_file() or sha256_of(path) != expected:
                problem = "was altered since it was promoted"
                raise PromotionError(str(path), problem, "Promote it anew from its archive and verdict")
        return record

    def names(self) -> tuple[str, ...]:
        """The files of the set in force and its records, relative to the folder; none where nothing was promoted.

        Raises:
            PromotionError: as of ``record``.
        """
        record = self.record()
        if record is None:
            return ()
        return (NAME, *(self._file(record.set, name) for name in (NAME, *sorted(record.files))))

    def path_of(self, model: Promoted) -> Path:
        """The file of a model in force."""
        return self.folder / model.file

    def paths_of(self, model: Promoted) -> dict[str, Path]:
        """All files of a model in force, by name."""
        return {name: self.path_of(model).with_name(name) for name in model.files}

    def install(
        self,
        models: Sequence[Promoted],
        sources: Mapping[str, Path],
        *,
        at: str,
        by: str,
        previous: str | None,
        rolled_back: str | None = None,
        withdrawn: Withdrawn | None = None,
    ) -> Record:
        """Put a set in force, all of it or nothing; to be called while ``changing``.

        Args:
            models: the whole set; where their files lie, and since when they are in force, is not looked at: bytes
                that are in force already keep their moment, all others are from now on.
            sources: the file to copy for each of the models' files, by name; its bytes are held against their sha256.
            withdrawn: what leaves for good; written down, as what left before, until its bytes are in force again.

        Returns:
            What is in force now.

        Raises:
            PromotionError: a source does not hold the promised bytes; the folder is as before.
            OSError: the folder cannot be written; likewise.
        """
        set_name = f"{''.join(letter for letter in at[:19] if letter.isdigit())}-{secrets.token_hex(4)}"
        current = self.record()
        since = {model.bytes_key: current.since_of(model) for model in current.models} if current else {}
        placed = tuple(
            model.model_copy(update={"file": self._file(set_name, model.name), "since": since.get(model.bytes_key, at)})
            for model in models
        )
        kept = previous if previous and (self._sets / previous).is_dir() else None
        gone = [*((current.withdrawn if current else None) or ()), *([withdrawn] if withdrawn else [])]
        back = {(model.id, model.sha256) for model in models}
        record = Record(
            set=set_name,
            previous=kept,
            rolled_back=rolled_back,
            at=at,
            by=by,
            models=placed,
            withdrawn=tuple(item for item in gone if (item.id, item.sha256) not in back) or None,
        ).sealed()
        self._put_in_force(record, sources)
        self._clean(record)
        return record

    def _put_in_force(self, record: Record, sources: Mapping[str, Path]) -> None:
        """Copy the files of a new set and switch to it; after an error a set that is not in force is removed."""
        folder = self._sets / record.set
        folder.mkdir()
        try:
            _write(folder / NAME, record.to_bytes(), temporary_in(self.folder / HOME))
            for name, expected in record.files.items():
                _copy(sources[name], folder / name, expected)
            sync_folder(folder)
            sync_folder(self._sets)
            self._check_names(record.files)
            self._layout.switch(record.set, record.files)
        except BaseException:
            if self.record() != record:
                with suppress(OSError):
                    _remove_set(folder)
            raise

    def kept_aside(self) -> tuple[Path, ...]:
        """Folders with what lay in the folder without having been promoted."""
        return tuple(kept_aside(self.folder))

    def _check_names(self, names: Collection[str]) -> None:
        """Refuse a folder or device that bears a checkpoint's name: it cannot be replaced."""
        for path in checkpoints_in(self.folder, names):
            if not path.is_file():
                problem = "is not a file, but bears the name of a checkpoint"
                raise PromotionError(str(path), problem, "Move it out of the folder")

    def _clean(self, record: Record) -> None:
        """Remove sets that no rollback can lead to."""
        keep = {record.set, record.previous, record.rolled_back}
        for folder in self._sets.iterdir():
            if folder.name not in keep:
                with suppress(OSError, PromotionError):  # whatever holds more than its record says stays
                    _remove_set(folder)

    @staticmethod
    def _file(set_name: str, name: str) -> str:
        return f"{HOME}/{SETS}/{set_name}/{name}"


def _copy(source: Path, target: Path, expected: str) -> None:
    digest = sha256()
    with source.open("rb") as read, target.open("xb") as write:
        while piece := read.read(_CHUNK):
            digest.update(piece)
            write.write(piece)
        write.flush()
        os.fsync(write.fileno())
    if digest.hexdigest() != expected:
        problem = f"holds bytes with sha256 {digest.hexdigest()[:12]}..., but {expected[:12]}... were judged"
        raise PromotionError(target.name, problem, "Judge and promote the same archive")


def _write(path: Path, content: bytes, temporary: Path) -> None:
    """Put a file in place, whole or not at all."""
    with temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _remove_set(folder: Path) -> None:
    """Remove a set: the files that its own record names, the record last, and the folder; nothing that is no set.

    Raises:
        OSError: something else is in it; that stays.
        PromotionError: its record cannot be read.
    """
    if not _SET.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
        return
    record = read_record(folder / NAME)
    if record is not None and record.set == folder.name:
        for name in (*record.files, NAME):
            (folder / name).unlink(missing_ok=True)
    folder.rmdir()


@contextmanager
def _readable_by_all() -> Iterator[None]:
    """Make files 0644 and folders 0755 whatever the umask: a trader reads them as another user, and nobody writes."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
