"""What a format of model files is: how an archive's file becomes a policy, whoever wrote it.

The built-in ones are ``adapters/formats``; a project registers its own with the hook ``pytest_modelgate_policies``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from pytest_modelgate.core.policy.mlp import Policy
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import shown


@dataclass(frozen=True)
class PolicyFile:
    """A model's file, opened safely, and what is said of it.

    Attributes:
        path: a private copy that nobody else changes; its name says nothing.
        name: of the file in its archive, such as ``UNIUSD_1Hour.zip``: text for messages, no path to open.
        location: the file, for the ``where`` of errors.
        declared: what training summary and ``SYMBOL_TIMEFRAME.json`` declare together.
        siblings: private copies of the files beside it that are declared to belong to it, by name: the normaliser.
        beside: names of other files beside it that begin with its own, without its ending, and a dot, or that may keep
            statistics of observations and are no other model's; a few.
        activation, feature_set, model_version: what the user's options say; None leaves it to file and declaration.
        trainer_packages: top-level packages of whose classes a pickle may speak.
    """

    path: Path
    name: str
    location: str
    declared: Declared = field(default_factory=Declared)
    siblings: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    beside: tuple[str, ...] = ()
    activation: str | None = None
    feature_set: str | None = None
    model_version: str | None = None
    trainer_packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy and what its file said; sizes, actions and account features are the policy's own.

    Attributes:
        policy: an ``MlpPolicy`` where its layers are known, which makes it certified, and lets weights be shuffled,
            disturbed, run in float32 and on a GPU.
        feature_set: name of the market features.
        activation: between the layers; None where they are not known.
        model_version: the trainer's generation; None where there is none.
        min_trader_version: shown to the reader, not compared with anything.
        layers: names in the order in which they apply, fit for messages.
        hidden: sizes of the hidden layers.
        notes: sentences on what was inferred, shown as warnings of the model.
        certified: its actions are the same on every machine. If not, PAPER is the most it may reach.
        probabilities: its outputs are logits of probabilities, of which a profile may demand a least confidence.
    """

    policy: Policy
    feature_set: str
    activation: str | None = None
    model_version: str | None = None
    min_trader_version: str | None = None
    layers: tuple[str, ...] = ()
    hidden: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    certified: bool = True
    probabilities: bool = True


@runtime_checkable
class PolicyFormat(Protocol):
    """A format of model files.

    Attributes:
        name: as ``SYMBOL_TIMEFRAME.json`` says it under ``format``.
        version: changes when the same file is read as another function: evidence gained before is not used again.
        suffixes: endings of its files, small letters with their dot.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - above

    @property
    def version(self) -> str: ...  # noqa: D102

    @property
    def suffixes(self) -> tuple[str, ...]: ...  # noqa: D102

    def read(self, file: PolicyFile) -> LoadedPolicy:
        """Read a model's file, which is an attacker's: nothing that it says may be imported or run.

        Raises:
            CheckpointError: it cannot be read as the very function that was trained.
        """
        ...


def suffixes_of(formats: Sequence[PolicyFormat]) -> tuple[str, ...]:
    """Endings of all files that formats read, each once, in their order."""
    return tuple(dict.fromkeys(suffix for item in formats for suffix in item.suffixes))


def choose_format(formats: Sequence[PolicyFormat], name: str, declared: Declared, location: str) -> PolicyFormat:
    """The format that reads a file: the declared one, else the first that has its ending.

    Of an ending that none has it is the first of all, which says what the file is.

    Args:
        name: of the file.
        location: the file, for messages.

    Raises:
        CheckpointError: the declared one is unknown, or reads no files of such names.
    """
    fitting = [item for item in formats if name.endswith(item.suffixes)]
    if declared.format is None:
        return (*fitting, *formats)[0]
    where = f"{location}, format"
    known = ", ".join(f"{item.name} ({', '.join(item.suffixes)})" for item in formats)
    for item in formats:
        if item.name == declared.format:
            if item in fitting:
                return item
            problem = f"{item.name} is declared, which reads files that end in {' or '.join(item.suffixes)}"
            raise CheckpointError(where, problem, "Correct the declaration, or the file's name")
    problem = f"{shown(declared.format)} is declared, known are {known}"
    remedy = "Correct the declaration, or register the format in conftest.py with the hook pytest_modelgate_policies"
    raise CheckpointError(where, problem, remedy)


def read_policy(formats: Sequence[PolicyFormat], file: PolicyFile) -> LoadedPolicy:
    """A model's file, read by the format that is its own.

    Raises:
        CheckpointError: see ``choose_format`` and ``PolicyFormat.read``.
    """
    return choose_format(formats, file.name, file.declared, file.location).read(file)
