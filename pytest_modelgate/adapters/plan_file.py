"""The plan of a run as a file: what ``--gate-plan`` writes, and a pipeline deals out to its machines."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.errors import SettingsError

_REMEDY = "Write it anew with pytest --model-archive=X.zip --gate-plan=FILE"


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class PlannedModel(_Part):
    """One model of the archive.

    Attributes:
        classification: by its training metrics; None where nothing is known of them.
        work: names of the evidence it has to show; empty for one that training metrics drop, unless its folds are to be
            shown all the same.
    """

    id: str
    classification: str | None
    work: tuple[str, ...]


class PlanFile(_Part):
    """What a run would have to show.

    Attributes:
        archive: its name.
        sha256: of the archive.
        as_of: moment up to which market data would be judged (ISO 8601, UTC).
        models: sorted by id.
        missing: series that have work to serve, and are not recorded, in words.
        recording: options of ``modelgate record`` that record what the run replays.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True
    )
    schema_name: Literal["modelgate.plan/1"] = Field(alias="schema", default="modelgate.plan/1")
    archive: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    as_of: str
    models: tuple[PlannedModel, ...]
    missing: tuple[str, ...]
    recording: tuple[str, ...]

    @property
    def judged(self) -> tuple[str, ...]:
        """Ids of the models that have something to show."""
        return tuple(model.id for model in self.models if model.work)

    @property
    def pieces(self) -> int:
        """How many pieces of evidence there are to gain."""
        return sum(len(model.work) for model in self.models)

    def write(self, path: Path) -> None:
        """Put it in a file.

        Raises:
            SettingsError: the file cannot be written.
        """
        try:
            write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode(), durable=False)
        except OSError as error:
            raise SettingsError(f"plan {path}", f"cannot be written: {error.strerror}", "Name another file") from None


def read_plan(path: Path) -> PlanFile:
    """Read what ``PlanFile.write`` wrote.

    Raises:
        SettingsError: it cannot be read, or is no plan of this version.
    """
    try:
        return PlanFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"plan {path}", f"cannot be read: {error.strerror}", _REMEDY) from None
    except ValidationError:
        raise SettingsError(f"plan {path}", "is no plan of this version", _REMEDY) from None
