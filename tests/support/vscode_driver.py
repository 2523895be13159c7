"""What the plugin ``vscode_pytest`` of Visual Studio Code does, in short: tests are listed and run by their paths."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest

_OUT = Path(os.environ.get("DRIVER_OUT", "driver.json"))
_PATHS: dict[str, Path] = {}
_OUTCOMES: dict[str, str] = {}


def _absolute(nodeid: str, path: Path) -> str:
    """The id that the editor keeps, and passes back to run a test."""
    return "::".join([str(path), *nodeid.split("::")[1:]])


@pytest.hookimpl(trylast=True, wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    _PATHS[item.nodeid] = item.path
    return (yield)


@pytest.hookimpl(trylast=True, wrapper=True)
def pytest_report_teststatus(report: pytest.TestReport) -> Generator[None, object, object]:
    if report.when == "call" or (report.when == "setup" and report.skipped):
        _OUTCOMES[_absolute(report.nodeid, _PATHS.get(report.nodeid, Path.cwd()))] = report.outcome
    return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    listed = [_absolute(item.nodeid, item.path) for item in session.items]
    _OUT.write_text(json.dumps({"listed": listed, "outcomes": _OUTCOMES}), encoding="utf-8")
