"""Versions of feature sets: whatever their figures can depend on changes them."""

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from pytest_modelgate.adapters.feature_set_digest import UnfollowedCodeError, feature_set_version
from pytest_modelgate.core.features.feature_set import FeatureSet

PROJECT = {
    "__init__.py": "",
    "features.py": """
from functools import partial, wraps
import numpy as np
from . import smoothing
from project.base import Base
from project.deep.windows import LENGTH

def compute(bars, length=LENGTH):
    from project.lazy import later
    from project.spaced.inner import NAME
    return smoothing.mean(bars, length)

def bound_to(length):
    return lambda bars: smoothing.mean(bars, length)

def with_default(length):
    def compute(bars, length=length): return bars
    return compute

def decorated(length):
    def decorate(function):
        @wraps(function)
        def inner(bars): return function(bars)[:length]
        return inner
    return decorate(compute)

class Stateful:
    def __init__(self, length): self.length = length
    def __call__(self, bars): return bars

class Derived(Base):
    def one(self): return 1

method = Derived().compute

def handed(function): return lambda bars: function(bars)

def remembering():
    class Remembering:
        def __call__(self, bars): self.last = bars; return bars
    return Remembering()
""",
    "base.py": "class Base:\n    def compute(self, bars): return self.one()\n",
    "smoothing.py": "import pytest\nfrom .deep import windows\ndef mean(bars, length): return bars\n",
    "lazy.py": "raise RuntimeError  # a digest executes nothing\n",
    "spaced/inner.py": "",
    "deep/__init__.py": "",
    "deep/windows.py": "LENGTH = 5\n",
    "other.py": "import json\nclass Part:\n    pass\ndef scaled(bars): return bars\n",
    "warned.py": "PATTERN = '\\d'\ndef compute(bars): return bars\n",
    "unrelated.py": "",
    "dynamic.py": "import importlib\ndef compute(bars): return importlib.import_module('project.lazy')\n",
    "renamed.py": "from importlib import import_module as load\ndef compute(bars): return load('project.lazy')\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with features of its own, ready to be imported."""
    folder = tmp_path / "project"
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "project"]:
        del sys.modules[name]


def found(name: str) -> Any:
    """A function or class of the project, by module and name."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"project.{module}"), function)


def version_of(compute: Callable[..., Any]) -> str:
    return feature_set_version(FeatureSet("mine-1", ("a",), 5, compute))


@pytest.mark.parametrize("file", ["features.py", "smoothing.py", "lazy.py", "deep/windows.py", "spaced/inner.py"])
def test_a_feature_set_depends_on_what_it_imports_from_its_project(project: Path, file: str) -> None:
    before = version_of(found("features:compute"))
    with (project / file).open("a") as opened:
        opened.write("# another\n")

    assert version_of(found("features:compute")) != before


REACHED: dict[str, tuple[str, Callable[[], Any]]] = {
    "inherited by a method's class": ("base.py", lambda: found("features:method")),
    "derived from a method's class": ("features.py", lambda: found("features:method")),
    "handed to a partial": ("other.py", lambda: partial(found("features:handed"), found("other:scaled"))),
    "handed to a closure": ("other.py", lambda: found("features:handed")(found("other:scaled"))),
    "handed to an object": ("other.py", lambda: found("features:Stateful")(found("other:Part")())),
    "what a decorator wraps": ("smoothing.py", lambda: found("features:decorated")(5)),
}


@pytest.mark.parametrize("way", REACHED)
def test_code_that_is_reached_in_another_way_than_by_imports_counts(project: Path, way: str) -> None:
    file, make = REACHED[way]
    before = version_of(make())
    with (project / file).open("a") as opened:
        opened.write("# another\n")

    assert version_of(make()) != before


@pytest.mark.usefixtures("project")
def test_a_feature_set_depends_on_releases_of_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = version_of(found("features:compute"))
    monkeypatch.setattr("pytest_modelgate.adapters.feature_set_digest.version", lambda _: "9.9")

    assert version_of(found("features:compute")) != before


def test_a_package_that_bears_another_name_than_its_release_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (project / "deep/windows.py").open("a") as opened:
        opened.write("import yaml\n")
    before = version_of(found("features:compute"))
    monkeypatch.setattr(
        "pytest_modelgate.adapters.feature_set_digest.version",
        lambda name: "9.9" if name == "PyYAML" else version(name),
    )

    assert version_of(found("features:compute")) != before


def test_a_feature_set_depends_on_nothing_else(project: Path) -> None:
    before = version_of(found("features:compute"))
    (project / "unrelated.py").write_text("# another\n")

    assert version_of(found("features:compute")) == before


@pytest.mark.parametrize("change", [{"columns": ("b",)}, {"warmup": 6}], ids=str)
@pytest.mark.usefixtures("project")
def test_its_declaration_counts(change: dict[str, Any]) -> None:
    feature_set = FeatureSet("mine-1", ("a",), 5, found("features:compute"))

    assert feature_set_version(replace(feature_set, **change)) != feature_set_version(feature_set)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["bound_to", "Stateful", "with_default", "decorated"])
def test_a_feature_set_depends_on_values_it_is_bound_to(name: str) -> None:
    make = found(f"features:{name}")

    assert version_of(make(5)) == version_of(make(5))
    assert version_of(make(5)) != version_of(make(6))


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "bound", [lambda length: ((length,), {}), lambda length: ((), {"length": length})], ids=["place", "name"]
)
def test_a_partial_depends_on_its_arguments(bound: Callable[[int], tuple[tuple[int, ...], dict[str, int]]]) -> None:
    versions = set()
    for length in (5, 6):
        arguments, keywords = bound(length)
        versions.add(version_of(partial(found("features:compute"), *arguments, **keywords)))

    assert len(versions) == 2


@pytest.mark.usefixtures("project")
def test_a_warning_about_its_source_changes_nothing() -> None:
    with warnings.catch_warnings(action="ignore"):
        compute = found("warned:compute")

    assert version_of(compute) == version_of(compute)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("module", ["dynamic", "renamed"])
def test_imports_that_the_text_does_not_tell_are_not_followed(module: str) -> None:
    with pytest.raises(UnfollowedCodeError, match="does not tell"):
        version_of(found(f"{module}:compute"))


def test_code_without_a_file_is_not_followed() -> None:
    space: dict[str, Any] = {"__name__": "nowhere"}
    exec("def compute(bars): return bars", space)

    with pytest.raises(UnfollowedCodeError):
        version_of(space["compute"])
