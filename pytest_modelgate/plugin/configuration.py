"""The configuration in force: that of the project, whatever the values of options look like.

pytest looks for its root folder and configuration before it loads a plugin, and then takes the value in
``--gate-output DIR`` for a test path. By the time it asks a plugin anything, it has applied ``addopts``, with ``-p``,
and ``pythonpath`` of what it found there; ``conftest.py`` and all other keys are still to come.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_modelgate.core.config.options import OPTIONS
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.plugin import pytest_privates
from pytest_modelgate.plugin.options import groups
from pytest_modelgate.plugin.suite import is_shipped

_PREFIX = "gate_"
_AT_ONCE = ("addopts", "minversion", "pythonpath", "required_plugins")  # keys that count before plugins are loaded
_HARMLESS = ("filterwarnings",)  # read for warnings that plugins raise while they are imported, and read again later


class Setup(NamedTuple):
    """What pytest derives from the paths on its command line.

    Attributes:
        values: of the configuration file, by key, in pytest's own wrapping.
    """

    root: Path
    file: Path | None
    values: Mapping[str, Any]

    @property
    def terms(self) -> dict[str, Any]:
        """What the file says about the gate."""
        return {key: value for key, value in self.values.items() if key.startswith(_PREFIX)}


class Misread(NamedTuple):
    """Value of an option that pytest took for a test path, and whether the option is one of the gate's."""

    option: str
    value: str
    ours: bool


@dataclass(frozen=True)
class CommandLine:
    """What pytest was called with, read with the options of all plugins.

    Attributes:
        words: of the environment and the command line.
        options: parsed.
        named: what stands for paths of tests.
        paths: those of them that say where the project lies, which tests of the shipped suite do not.
    """

    config: Any
    parser: Any

    @cached_property
    def words(self) -> list[str]:  # noqa: D102 - above
        given = self.config.invocation_params.args
        return [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, given)]

    @cached_property
    def _parsed(self) -> tuple[Any, list[str]]:
        return _parse(self.parser, self.words, self.config.option)

    @property
    def options(self) -> Any:  # noqa: ANN401, D102 - a namespace of any options
        return self._parsed[0]

    @property
    def named(self) -> list[str]:  # noqa: D102
        return self._parsed[1]

    @property
    def paths(self) -> list[str]:  # noqa: D102
        return [path for path in self.named if not is_shipped(path)]

    @property
    def overridden(self) -> set[str]:
        """Keys that ``-o`` sets."""
        return {override.partition("=")[0] for override in self.options.override_ini or ()}

    def setup(self, *further: str) -> Setup:
        """What pytest makes of the paths, were there these as well."""
        arguments = {
            "inifile": self.options.inifilename,
            "override_ini": self.options.override_ini,
            "args": [*self.paths, *further],
            "rootdir_cmd_arg": self.options.rootdir or None,
            "invocation_dir": self.config.invocation_params.dir,
        }
        return Setup(*pytest_privates.find_setup(arguments))

    def misread(self) -> Iterator[Misread]:
        """What pytest took for test paths as long as it knew no options but its own."""
        parser, options = pytest_privates.pristine_parser()
        left = list(self.named)
        ours = {name for group in groups(self.parser).values() for option in group.options for name in option.names()}
        for value in _parse(parser, self.words, options)[1]:
            if value in left:
                left.remove(value)
                continue
            option = next((name for name, following in pairwise(self.words) if following == value), "")
            yield Misread(option, value, option in ours)


def keep_configuration(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Let root folder and configuration be those that ``--option=VALUE`` gives, before any ``conftest.py`` is loaded.

    Tests of the shipped suite, which editors name by their path, say nothing about where the project lies either.

    Args:
        args: what pytest is about to parse; options that the right configuration adds are put before it.

    Raises:
        SettingsError: pytest has acted on another configuration already.
    """
    line = CommandLine(config, parser)
    wanted, actual = line.setup(), Setup(config.rootpath, config.inipath, pytest_privates.values_of(config))
    if wanted[:2] != actual[:2]:
        misread = list(line.misread())
        blamed = [value for value in misread if line.setup(value.value)[:2] != wanted[:2]]
        if line.paths != line.named or any(value.ours for value in blamed) or wanted.terms != actual.terms:
            _refuse_what_cannot_be_mended(line, blamed, wanted, actual)
            _put_in_force(config, wanted, cut=line.options.confcutdir is None)
            _act_on(line, args, wanted)
        # else what other plugins' options do to their run is between them and pytest
    known = config.known_args_namespace
    known.file_or_dir = [path for path in known.file_or_dir if not is_shipped(path)]  # no conftest.py above these


def refuse_unknown_keys(config: pytest.Config) -> None:
    """Let no misspelt key leave a threshold at its default: pytest warns of it, at the end, and goes on.

    Raises:
        SettingsError: a key begins as the gate's do, and no plugin knows it.
    """
    overridden = {override.partition("=")[0] for override in config.getoption("override_ini") or ()}
    for key in sorted({*pytest_privates.values_of(config), *overridden}):
        if key.replace("-", "_").startswith(_PREFIX) and not _is_known(config, key):
            meant = get_close_matches(key.replace("-", "_"), [option.key for option in OPTIONS], 1, 0.8)
            remedy = f"Write {meant[0]}" if meant else "Take it out: pytest --help lists all keys"
            raise SettingsError(f"ini key {key}", "is unknown", remedy)


def _is_known(config: pytest.Config, key: str) -> bool:
    try:
        config.getini(key)
    except (TypeError, ValueError, pytest.UsageError) as error:  # also of a value that is none, which is told later
        return "unknown configuration value" not in str(error)
    return True


def _refuse_what_cannot_be_mended(line: CommandLine, blamed: Sequence[Misread], wanted: Setup, actual: Setup) -> None:
    """Something was made of a configuration that is not the project's, or others have missed the project's."""
    others = {*pytest_privates.asked_for(line.config)} - {*_AT_ONCE, *_HARMLESS}
    if (({*_AT_ONCE, *others} & {*actual.values}) | (others & {*wanted.values})) - line.overridden:
        raise _refusal(blamed, wanted, actual)


def _act_on(line: CommandLine, args: list[str], setup: Setup) -> None:
    """Do what pytest does with a configuration before it asks any plugin; it had none to act on."""
    config = line.config
    if "addopts" not in line.overridden and (added := config.getini("addopts")):
        args[:] = [*added, *args]
        config.pluginmanager.consider_preparse(args)
        config.known_args_namespace = line.parser.parse_known_args(args, namespace=copy(config.option))
        _put_in_force(config, setup, cut=config.known_args_namespace.confcutdir is None)
    sys.path[:0] = [path for path in map(str, config.getini("pythonpath")) if path not in sys.path]
    pytest_privates.check_requirements(config)


def _parse(parser: Any, words: Sequence[str], option: Any) -> tuple[Any, list[str]]:  # noqa: ANN401 - pytest's privates
    """Options, and what pytest makes test paths of, among arguments that it does not know too."""
    options, unknown = parser.parse_known_and_unknown_args(words, namespace=copy(option))
    return options, [*options.file_or_dir, *(argument for argument in unknown if not argument.startswith("-"))]


def _put_in_force(config: Any, setup: Setup, *, cut: bool) -> None:  # noqa: ANN401
    """Replace what nothing was derived from yet."""
    pytest_privates.put_in_force(config, *setup)
    if cut:
        config.known_args_namespace.confcutdir = str(setup.file.parent if setup.file else setup.root)


def _refusal(blamed: Sequence[Misread], wanted: Setup, actual: Setup) -> SettingsError:
    read, overlooked = actual.file or "no configuration", wanted.file or "none"
    if not blamed:
        problem = f"pytest looked for its configuration above them, and read {read} instead of {overlooked}"
        return SettingsError("the named tests", problem, f"Add -c {overlooked}")
    problem = f"pytest took it for a test path, and read {read} instead of {overlooked}"
    joined = shlex.join(f"{option}={value}" for option, value, _ in blamed)
    named = shlex.join(part for option, value, _ in blamed for part in (option, value))
    return SettingsError(named, problem, f"Write {joined}, with an equals sign")
