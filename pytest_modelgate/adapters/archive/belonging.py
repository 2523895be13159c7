"""Which model a file beside models belongs to, by its name, and which of these is a model's normaliser."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pytest_modelgate.core.training.run import Fault, TrainedModel
from pytest_modelgate.text import plain


def owner_of(name: str, stems: Collection[str]) -> str:
    """The longest of the models' names that a file's name begins with, before a dot or an underscore; empty for none.

    Args:
        stems: names of models, without the endings of their files.
    """
    ends = [place for place, letter in enumerate(name) if letter in "._"]
    return next((name[:end] for end in reversed(ends) if name[:end] in stems), "")


def with_normaliser(
    model: TrainedModel, members: Collection[str], stems: Collection[str], location: str
) -> TrainedModel:
    """A model with the member that is declared as its normaliser; with a fault where there is no such.

    Args:
        members: names of all files of the archive.
        stems: as of ``owner_of``.
        location: the archive, for messages.
    """
    checkpoint, name = model.checkpoint, model.declared.normaliser
    if checkpoint is None or name is None:
        return model
    where = f"{location}, model {model.id}, normaliser"
    if owner_of(name, stems) not in ("", checkpoint.stem):
        remedy = "Declare this model's own; statistics that several share are called by the name of none"
        return replace(model, fault=model.fault or Fault(where, f"is {plain(name)}, which is another model's", remedy))
    member = f"{checkpoint.member[: checkpoint.member.rfind('/') + 1]}{name}"
    if member in members and member != checkpoint.member:
        return replace(model, checkpoint=replace(checkpoint, normaliser=member))
    fault = Fault(
        where,
        f"is {plain(name)}, which does not lie beside it",
        f"Pack it as {plain(member)}, or correct the declaration",
    )
    return replace(model, fault=model.fault or fault)
