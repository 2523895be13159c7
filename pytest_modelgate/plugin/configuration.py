"""The configuration in force: that of the project, whatever the values of options look like.

pytest looks for its root folder and configuration before it loads a plugin, and then takes the value in
``--gate-output DIR`` for a test path. By the time it asks a plugin anything, it has applied ``addopts``, with ``-p``,
and ``pythonpath`` of what it found there; ``conftest.py`` and all other keys are still to come.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.config import get_config
from _pytest.config.findpaths import determine_setup

from pytest_modelgate.errors import SettingsError

_SHIPPED = Path(__file__).resolve().parents[1]
_AT_ONCE = ("addopts", "minversion", "pythonpath", "required_plugins")  # keys that count before plugins are loaded


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
        return {key: value for key, value in self.values.items() if key.startswith("gate_")}


class Misread(NamedTuple):
    """Value of an option that pytest took for a test path, and whether the option is one of the gate's."""

    option: str
    value: str
    ours: bool


def keep_configuration(config: pytest.Config, parser: pytest.Parser) -> None:
    """Let root folder and configuration be those that ``--option=VALUE`` gives, before any ``conftest.py`` is loaded.

    Raises:
        SettingsError: pytest has acted on another configuration already.
    """
    command = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, config.invocation_params.args)]
    asked, unknown = _parse(parser, command, config.option)
    paths = [path for path in (*asked.file_or_dir, *_free(unknown)) if not _is_shipped(path)]
    wanted, actual = _setup(config, asked, paths), Setup(config.rootpath, config.inipath, _values(config))
    if wanted[:2] == actual[:2]:
        return
    misread = list(_misread(parser, command, [*asked.file_or_dir, *_free(unknown)]))
    blamed = [value for value in misread if _setup(config, asked, [*paths, value.value])[:2] != wanted[:2]] or misread
    if not any(value.ours for value in blamed) and wanted.terms == actual.terms:
        return  # what other plugins' options do to their run is between them and pytest
    overridden = {override.partition("=")[0] for override in asked.override_ini or ()}
    acted_on = {*_AT_ONCE, *_read_before(config)} - overridden
    if acted_on & {*wanted.values, *actual.values}:
        raise _refusal(blamed, wanted, actual)
    _put_in_force(config, wanted, cut=asked.confcutdir is None)


def _parse(parser: Any, command: Sequence[str], option: Any) -> tuple[Any, list[str]]:  # noqa: ANN401 - pytest's privates
    namespace, unknown = parser.parse_known_and_unknown_args(command, namespace=copy(option))
    return namespace, unknown


def _free(unknown: Iterable[str]) -> list[str]:
    """What pytest makes test paths of, among arguments that it does not know."""
    return [argument for argument in unknown if not argument.startswith("-")]


def _is_shipped(path: str) -> bool:
    """Whether a test is one of the shipped suite, which says nothing about where the project lies."""
    return Path(path.partition("::")[0]).resolve().is_relative_to(_SHIPPED)


def _setup(config: pytest.Config, asked: Any, paths: Sequence[str]) -> Setup:  # noqa: ANN401 - a namespace of any options
    """What pytest makes of test paths."""
    arguments = {
        "inifile": asked.inifilename,
        "override_ini": asked.override_ini,
        "args": paths,
        "rootdir_cmd_arg": asked.rootdir or None,
        "invocation_dir": config.invocation_params.dir,
    }
    known = signature(determine_setup).parameters  # before pytest 9, overrides were applied elsewhere
    root, file, values, *_ = determine_setup(**{name: value for name, value in arguments.items() if name in known})
    return Setup(root, file, values)


def _misread(parser: Any, command: Sequence[str], paths: Sequence[str]) -> Iterator[Misread]:  # noqa: ANN401
    """What pytest took for test paths as long as it knew no options but its own."""
    pristine = get_config()
    early, unknown = _parse(pristine._parser, command, pristine.option)  # noqa: SLF001 - there is no public way
    left = list(paths)
    ours = {name for option in parser.getgroup("modelgate").options for name in option.names()}
    for value in (*early.file_or_dir, *_free(unknown)):
        if value in left:
            left.remove(value)
            continue
        before = (name for name, following in pairwise(command) if following == value)
        option = next(before, "")
        yield Misread(option, value, option in ours)


def _values(config: Any) -> Any:  # noqa: ANN401 - a dict of pytest's own
    return config._inicfg if hasattr(config, "_inicfg") else config.inicfg  # noqa: SLF001 - renamed by pytest 9


def _read_before(config: Any) -> Iterable[str]:  # noqa: ANN401
    """Keys that pytest and its plugins have asked for already."""
    return config._inicache  # type: ignore[no-any-return]  # noqa: SLF001 - there is no public way


def _put_in_force(config: Any, setup: Setup, *, cut: bool) -> None:  # noqa: ANN401
    """Replace what nothing was derived from yet."""
    config._rootpath, config._inipath = setup.root, setup.file  # noqa: SLF001 - there is no public way
    values = _values(config)
    values.clear()
    values.update(setup.values)
    config._inicache.clear()  # noqa: SLF001
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
