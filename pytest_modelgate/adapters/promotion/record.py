"""Record of a promotion, ``promotion.json``: models in force, from which verdict, since when and by whom."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import PromotionError

SCHEMA = "modelgate.promotion/1"
NAME = "promotion.json"
_LATER = ("rule", "waivers", "meanings", "account_mode", "bar_origin", "normaliser", "normaliser_sha256", "since")
_ENDING = re.compile(r"(\.[A-Za-z0-9]{1,16}){1,3}")
_Sha256 = Field(pattern="^[0-9a-f]{64}$")
_ModelId = Field(pattern=r"^[A-Z0-9.]{1,20}_[0-9A-Za-z]{1,10}$")
_SetName = Field(pattern="^[0-9A-Za-z-]{1,64}$")


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Where a model comes from.

    Attributes:
        archive, archive_sha256: name and digest of the archive it was judged in.
        member: the archive's name for its checkpoint.
        verdict: digest of the verdict.
        written: when the verdict was written (ISO 8601, UTC).
        as_of: the moment up to which market data was judged (ISO 8601, UTC).
        profile: name of the thresholds.
        version: of pytest-modelgate.
        record: digest of the record of an account by which it may trade money; None where no record was asked, or it
            allowed less.
    """

    archive: str
    archive_sha256: str = _Sha256
    member: str
    verdict: str = _Sha256
    written: str
    as_of: str
    profile: str
    version: str
    record: str | None = Field(pattern="^[0-9a-f]{64}$", default=None)


class Waived(_Part):
    """A waiver that was in force for a model; ``expires`` is the last day on which it holds (UTC)."""

    check: str
    reason: str
    owner: str
    expires: date


class Promoted(_Part):
    """One model in force.

    Attributes:
        id: ``SYMBOL_TIMEFRAME``.
        file: its checkpoint, relative to the folder of ``promotion.json``; it never changes while a set is kept.
        sha256: of that file.
        decision: what the verdict decided.
        feature_set, activation: as it was judged.
        at, by: when (ISO 8601, UTC) and by whom it was promoted.
        rule: what it was decided by: ``proven``, or the ``table`` alone.
        waivers: in force for the model when it was judged. In a record older than these two fields both are None.
        meanings: version, lookback, actions and account features as judged, as an archive declares them; None in a
            record older than this field.
        account_mode: how account features were fed when it was judged; None in a record older than this field.
        bar_origin: when the first of its bars of a day begins (``03:00 UTC``), where that is not when Alpaca's do; else
            None.
        normaliser: name of the file beside it with the statistics of its observations; None where it has none.
        normaliser_sha256: of that file.
        since: moment (ISO 8601, UTC) from which these bytes have been in force without a break; None in a record older
            than this field, whose own moment is all that is known then.
    """

    id: str = _ModelId
    file: str
    sha256: str = _Sha256
    decision: Literal["LIVE", "PAPER"]
    feature_set: str | None
    activation: str | None
    source: Source
    at: str
    by: str
    rule: Literal["proven", "pooled", "table"] | None = None
    waivers: tuple[Waived, ...] | None = None
    meanings: dict[str, Any] | None = None
    account_mode: Literal["neutral", "tracked"] | None = None
    bar_origin: str | None = None
    normaliser: str | None = Field(pattern=r"^[A-Z0-9.]{1,20}_[0-9A-Za-z]{1,10}\.[A-Za-z0-9._-]{1,120}$", default=None)
    normaliser_sha256: str | None = Field(pattern="^[0-9a-f]{64}$", default=None)
    since: str | None = None

    @property
    def name(self) -> str:
        """Name of its file: its id, and the ending that it has in its archive."""
        base = self.source.member.rpartition("/")[2]
        ending = base.removeprefix(self.id) if base.startswith(self.id) else base[base.rfind(".") :]
        return f"{self.id}{ending if _ENDING.fullmatch(ending) else '.pt'}"

    @property
    def bytes_key(self) -> tuple[str, str, str | None]:
        """Its id, and the digests of all bytes that it is made of."""
        return self.id, self.sha256, self.normaliser_sha256

    @property
    def files(self) -> dict[str, str]:
        """Digests of all files that it is made of, by name."""
        files = {self.name: self.sha256}
        if self.normaliser and self.normaliser_sha256:
            files[self.normaliser] = self.normaliser_sha256
        return files


class Withdrawn(_Part):
    """Bytes that were taken out of force, and are to stay so unless newer evidence or a person says otherwise.

    Attributes:
        sha256: of the model's file.
        decision: what the verdict decided of them, less than they were in force with.
        verdict: its digest.
        written: when that verdict was written (ISO 8601, UTC).
        at, by: when (ISO 8601, UTC) and by whom they were taken out.
    """

    id: str = _ModelId
    sha256: str = _Sha256
    decision: Literal["PAPER", "RETRAIN", "DROP"]
    verdict: str = _Sha256
    written: str
    at: str
    by: str


class Record(_Part):
    """What is in force.

    Attributes:
        set: name of the set of models.
        previous: the set before it, to which a rollback leads; None when there is none.
        rolled_back: the set that this one took the place of in a rollback.
        at, by: when (ISO 8601, UTC) and by whom this set was put in force.
        withdrawn: bytes taken out of force in this folder that have not come back, oldest first; None without any.
        digest: sha256 of the canonical JSON of all the rest.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True
    )
    schema_name: Literal["modelgate.promotion/1"] = Field(alias="schema", default="modelgate.promotion/1")
    set: str = _SetName
    previous: str | None = Field(pattern="^[0-9A-Za-z-]{1,64}$")
    rolled_back: str | None = Field(pattern="^[0-9A-Za-z-]{1,64}$")
    at: str
    by: str
    models: tuple[Promoted, ...]
    withdrawn: tuple[Withdrawn, ...] | None = None
    digest: str = Field(pattern="^[0-9a-f]{64}$", default="0" * 64)

    def sealed(self) -> Record:
        """The same with its digest."""
        content = {key: value for key, value in self._document().items() if key != "digest"}
        return self.model_copy(update={"digest": json_sha256(content)})

    def to_bytes(self) -> bytes:
        """The file's content."""
        return (json.dumps(self._document(), indent=2, ensure_ascii=True) + "\n").encode()

    def _document(self) -> dict[str, Any]:
        """What is written; an older record is spelled as it was, without the fields that came later."""
        document = self.model_dump(mode="json")
        if document["withdrawn"] is None:
            del document["withdrawn"]
        for model in document["models"]:
            for name in _LATER:
                if model[name] is None:
                    del model[name]
            if model["source"]["record"] is None:
                del model["source"]["record"]
        return document

    def since_of(self, model: Promoted) -> str:
        """Moment (ISO 8601, UTC) from which a model's bytes have certainly been in force without a break."""
        return model.since or self.at

    def withdrawn_among(self, models: Iterable[Promoted]) -> tuple[Withdrawn, ...]:
        """Which of some models were taken out of force here."""
        bytes_of = {(model.id, model.sha256) for model in models}
        return tuple(item for item in self.withdrawn or () if (item.id, item.sha256) in bytes_of)

    @property
    def files(self) -> dict[str, str]:
        """Digests of all files, by name."""
        return {name: sha256 for model in self.models for name, sha256 in model.files.items()}


def read_record(path: Path) -> Record | None:
    """The record in a file; None when there is none.

    Raises:
        PromotionError: it cannot be read, or was altered.
    """
    remedy = "Put back the file as modelgate wrote it, or start over in an empty folder"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        problem = "is a file, expected a folder"
        raise PromotionError(str(path.parent), problem, "Name the folder given to modelgate promote") from None
    except OSError as error:
        raise PromotionError(str(path), f"cannot be read: {error.strerror}", remedy) from None
    try:
        record = Record.model_validate_json(raw)
    except (ValidationError, ValueError):
        raise PromotionError(str(path), "is not a record of a promotion", remedy) from None
    if record.sealed() != record or record.to_bytes() != raw:
        raise PromotionError(str(path), "was altered since modelgate wrote it", remedy)
    return record


def record_json_schema() -> str:
    """The published JSON Schema of ``promotion.json``, as text."""
    return json.dumps(Record.model_json_schema(mode="serialization"), indent=2) + "\n"
