"""What stands in one place only, and what the package must carry."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest_modelgate

ROOT = Path(__file__).parents[2]


def test_the_plugin_is_found_by_pytest() -> None:
    (entry,) = entry_points(group="pytest11", name="modelgate")

    assert entry.value == "pytest_modelgate.plugin"


def test_every_public_name_is_there() -> None:
    assert all(getattr(pytest_modelgate, name) for name in pytest_modelgate.__all__)


def test_tested_versions_satisfy_what_the_project_asks_for() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )

    for text in project["dependencies"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[requirement.name.lower().replace("_", "-")]), text
    assert pinned["torch"] == "2.13.0"
