"""Cassettes of trading accounts on disk: gzipped JSON, and the sealed manifest that vouches for all of it.

cassettes/paper/ACCOUNT8/orders|activities|portfolio|told/FROM_UNTIL.json.gz     snapshot/UNTIL.json.gz
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.core.watching.moments import parse_moment, write_moment
from pytest_modelgate.core.watching.records import AccountKind
from pytest_modelgate.digest import canonical_json, json_sha256
from pytest_modelgate.errors import AccountError

MANIFEST = "manifest.json"
SCHEMA = "modelgate.account/1"
Part = Literal["orders", "activities", "portfolio", "snapshot", "told"]
_MOST_TEXT, _MOST_MANIFEST = 256 << 20, 64 << 20  # bytes; a recording takes about 1500 of the manifest
_RESTORE = "Restore the folder from version control, or remove it and record the account anew: modelgate watch"
_ACCOUNT8 = re.compile("[0-9a-f]{8}")
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_FileName = Annotated[
    str, Field(pattern=r"^(orders|activities|portfolio|snapshot|told)/[0-9]{4}-[0-9T_-]{11,40}\.json\.gz$")
]


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class Promoted(_Part):
    """The promotion in force when an account was recorded: its digest, and its models' sha256 by id."""

    digest: _Sha256
    models: dict[str, str]


class Recording(_Part):
    """One recording.

    Attributes:
        first, until: the half-open stretch that it holds (RFC 3339, UTC, whole seconds).
        promotion: in force at its end.
        files: digests by name, relative to the account's folder.
        map_sha256: digest of the trader's map that the orders were recorded with; empty without one.
        alpaca_py: version of the client.
    """

    first: str = Field(alias="from")
    until: str
    promotion: Promoted
    files: dict[_FileName, _Sha256]
    map_sha256: str = Field(pattern="^([0-9a-f]{64})?$", default="")
    alpaca_py: str = ""

    @property
    def span(self) -> tuple[int, int]:
        """The same as moments."""
        return parse_moment(self.first), parse_moment(self.until)

    def name_of(self, part: Part) -> str | None:
        """Name of the file with one part; None where it has none."""
        return next((name for name in self.files if name.partition("/")[0] == part), None)


class Manifest(_Part):
    """What is recorded of one account, oldest first; ``digest`` is the sha256 of the canonical JSON of the rest."""

    schema_name: Literal["modelgate.account/1"] = Field(alias="schema", default="modelgate.account/1")
    account: str
    kind: AccountKind
    recordings: tuple[Recording, ...] = ()
    digest: str = ""

    def sealed(self) -> Manifest:
        """The same with its digest."""
        return self.model_copy(update={"digest": json_sha256(self._content())})

    def to_bytes(self) -> bytes:
        """The file's content."""
        document = {**self._content(), "digest": self.digest}
        return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode()

    def _content(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude={"digest"})


@dataclass(frozen=True)
class AccountFolder:
    """One account's cassettes: ``cassettes/KIND/ACCOUNT8``."""

    path: Path
    kind: AccountKind
    account: str

    @classmethod
    def within(cls, cassettes: Path, kind: AccountKind, account: str) -> AccountFolder:
        """Folder of an account beneath that of all cassettes."""
        return cls(cassettes / kind / account, kind, account)

    def manifest(self) -> Manifest:
        """What is recorded; nothing where the folder is new.

        Raises:
            AccountError: it cannot be read, was altered, or is of another account.
        """
        path = self.path / MANIFEST
        where = f"manifest {path}"
        try:
            with path.open("rb") as file:
                raw = file.read(_MOST_MANIFEST + 1)
        except FileNotFoundError:
            return Manifest(account=self.account, kind=self.kind)
        except OSError as error:
            raise AccountError(where, f"cannot be read: {error.strerror}", "Check its permissions") from None
        try:
            manifest = Manifest.model_validate_json(raw[: _MOST_MANIFEST + 1])
            spans = [recording.span for recording in manifest.recordings]
        except (ValidationError, ValueError):
            raise AccountError(where, f"is not a manifest of schema {SCHEMA}", _RESTORE) from None
        if manifest.sealed() != manifest or manifest.to_bytes() != raw:
            raise AccountError(where, "was altered since modelgate wrote it", _RESTORE)
        if (manifest.kind, manifest.account) != (self.kind, self.account):
            problem = f"is of {manifest.kind} account {manifest.account[:8]}, but lies where another belongs"
            raise AccountError(where, problem, _RESTORE)
        if any(first >= until for first, until in spans) or spans != sorted(spans, key=lambda span: span[1]):
            raise AccountError(where, "its recordings are not in the order of time", _RESTORE)
        return manifest

    def read(self, recording: Recording, part: Part) -> Any:  # noqa: ANN401 - any JSON
        """What one file of a recording holds, once the manifest vouches for its bytes; None where there is none.

        Raises:
            AccountError: it is missing, altered, or not gzipped JSON.
        """
        name = recording.name_of(part)
        if name is None:
            return None
        where = f"cassette {self.path / name}"
        content = self._vouched(name, recording.files[name], where)
        try:
            with gzip.open(BytesIO(content)) as packed:
                text = packed.read(_MOST_TEXT + 1)
            if len(text) > _MOST_TEXT:
                raise ValueError
            return json.loads(text)
        except (OSError, EOFError, zlib.error, ValueError, RecursionError):
            raise AccountError(where, "is not gzipped JSON of an account", _RESTORE) from None

    def _vouched(self, name: str, sha256: str, where: str) -> bytes:
        found = None
        for path in (self.path / name, _staged(self.path / name)):
            try:
                with path.open("rb") as file:
                    content = file.read(_MOST_TEXT + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise AccountError(where, f"cannot be read: {error.strerror}", "Check its permissions") from None
            found = hashlib.sha256(content).hexdigest()
            if found == sha256:
                return content
        if found is None:
            raise AccountError(where, f"is missing, though {MANIFEST} lists it", _RESTORE)
        problem = f"was altered: its sha256 is {found[:12]}..., the manifest says {sha256[:12]}..."
        raise AccountError(where, problem, _RESTORE)

    def write(self, manifest: Manifest, recording: Recording, parts: Mapping[Part, str]) -> Manifest:
        """Add a recording, of which the manifest is written last: before it the former state holds, after it this one.

        Args:
            manifest: what there is.
            recording: without its files.
            parts: text of each, by kind.

        Returns:
            What there is then.

        Raises:
            AccountError: the folder cannot be written; what was recorded before is as it was.
        """
        packed = {self._name(part, recording): gzip.compress(text.encode(), mtime=0) for part, text in parts.items()}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(packed.items())}
        added = recording.model_copy(update={"files": digests})
        document = manifest.model_copy(update={"recordings": (*manifest.recordings, added)}).sealed()
        try:
            for name, content in packed.items():
                write_atomically(_staged(self.path / name), content)
            write_atomically(self.path / MANIFEST, document.to_bytes())
            self.settle(document)
        except OSError as error:
            remedy = "Check the folder's permissions and the free space; nothing recorded before is lost"
            raise AccountError(f"folder {self.path}", f"cannot be written: {error.strerror}", remedy) from None
        return document

    def settle(self, manifest: Manifest) -> None:
        """Finish what a killed process left: what the manifest vouches for takes its place, the rest is removed.

        Raises:
            OSError: the folder cannot be written.
        """
        listed = {name for recording in manifest.recordings for name in recording.files}
        for part in get_args(Part):
            for staged in (self.path / part).glob(".*.new"):
                name = f"{part}/{staged.name.removeprefix('.').removesuffix('.new')}"
                if name in listed:
                    staged.replace(self.path / name)
                else:
                    staged.unlink()
        for left in (*self.path.glob(".*.tmp"), *self.path.glob("*/.*.tmp")):
            left.unlink()

    def _name(self, part: Part, recording: Recording) -> str:
        first, until = (text[:19].replace(":", "") for text in (recording.first, recording.until))
        return f"{part}/{until if part == 'snapshot' else f'{first}_{until}'}.json.gz"


def account_folders(cassettes: Path) -> list[AccountFolder]:
    """Every account that has a manifest, in the order of kind and name."""
    return [
        AccountFolder(path.parent, kind, path.parent.name)
        for kind in get_args(AccountKind)
        for path in sorted((cassettes / kind).glob(f"*/{MANIFEST}"))
        if _ACCOUNT8.fullmatch(path.parent.name)
    ]


def recording_of(first: int, until: int, **facts: Any) -> Recording:  # noqa: ANN401 - fields of ``Recording``
    """A recording without files; moments of whole seconds."""
    return Recording.model_validate({"from": write_moment(first), "until": write_moment(until), "files": {}, **facts})


def to_text(content: object) -> str:
    """What a cassette says: one spelling for one content."""
    return canonical_json(content)


def _staged(path: Path) -> Path:
    """Where a cassette lies before the manifest vouches for it, and until it is put in place."""
    return path.with_name(f".{path.name}.new")
