"""What pytest does not publish, and the gate cannot do without: no other file touches pytest's privates.

``make lowest`` and ``make newest`` try both ends of the range. A pytest that has changed any of it ends the run with a
sentence, before a model is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import pytest


def pristine_parser() -> tuple[Any, Any]:
    """The parser of a pytest that knows no options but its own, and the options it begins with."""
    from _pytest.config import get_config

    config: Any = get_config()
    return _private(config, "_parser"), config.option


def find_setup(arguments: Mapping[str, Any]) -> tuple[Path, Path | None, Mapping[str, Any]]:
    """Root folder, configuration file and its values, by key in pytest's own wrapping, as pytest finds them.

    Args:
        arguments: of ``determine_setup``; those that this pytest does not know are left out.
    """
    from _pytest.config import findpaths

    find = _private(findpaths, "determine_setup")
    known = signature(find).parameters  # before pytest 9, overrides were applied elsewhere
    root, file, values, *_ = find(**{name: value for name, value in arguments.items() if name in known})
    return root, file, values


def values_of(config: pytest.Config) -> Any:  # noqa: ANN401 - a dict of pytest's own
    """The values of the configuration file in force, by key; changes count."""
    return _private(config, "_inicfg", "inicfg")  # renamed by pytest 9


def asked_for(config: pytest.Config) -> Iterable[str]:
    """Keys that pytest and its plugins have asked for already."""
    return tuple(_private(config, "_inicache"))


def put_in_force(config: pytest.Config, root: Path, file: Path | None, values: Mapping[str, Any]) -> None:
    """Replace root folder and configuration, from which nothing was derived yet."""
    for name, value in (("_rootpath", root), ("_inipath", file)):
        _private(config, name)
        setattr(config, name, value)
    current = values_of(config)
    current.clear()
    current.update(values)
    _private(config, "_inicache").clear()


def check_requirements(config: pytest.Config) -> None:
    """Check ``minversion`` and ``required_plugins`` of the configuration in force, as pytest does."""
    _private(config, "_checkversion")()
    _private(config, "_validate_plugins")()


def fixtures_of(metafunc: pytest.Metafunc) -> Any:  # noqa: ANN401 - pytest's FuncFixtureInfo
    """Fixtures of a test: those it names, those in force for it, and their definitions.

    In public pytest tells all names that it ever saw, no more.
    """
    return _private(metafunc.definition, "_fixtureinfo")


def parameters_of(metafunc: pytest.Metafunc) -> frozenset[str]:
    """Names that a test was parametrized with so far."""
    return frozenset(name for call in _private(metafunc, "_calls") for name in call.params)


def tear_down(session: pytest.Session) -> None:
    """Tear down what the session's fixtures set up, as pytest does at its end."""
    _private(session, "_setupstate").teardown_exact(None)


def _private(owner: object, *names: str) -> Any:  # noqa: ANN401 - nothing of it has a published type
    """An attribute, under the first of its names that this pytest knows."""
    for name in names:
        if hasattr(owner, name):
            return getattr(owner, name)
    raise pytest.UsageError(
        f"pytest {pytest.__version__} has no {names[0]} where pytest-modelgate looks for it: another version of one of "
        "the two is needed. Upgrade pytest-modelgate, or install the pytest that its release was tried with."
    )
