"""What is heavy is imported by whoever needs it: not to collect, and not by the process that only hands out work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.archives import pack_unopened
from support.model_factory import APPROVED

from pytest_modelgate import ModelArtifact

ROOT = Path(__file__).parents[2]
HEAVY = (*("alpaca", "exchange_calendars", "requests", "scipy", "torch", "unittest.mock", "vcr"),)
OF_THE_CONTROLLER = tuple(
    f"pytest_modelgate.{name}"
    for name in (
        "adapters.promotion",
        "adapters.verdict.schema",
        "plugin.report",
        "services.champions",
        "services.recording",
    )
)
PROBE = f"""
import json, os, sys
import pytest

def note(what, names={HEAVY!r}):
    with open("imported", "a") as file:
        file.write(json.dumps([what, sorted(set(names) & set(sys.modules))]) + "\\n")

def pytest_collection_finish(session):
    note("collected" if len(session.items) > 4 else "lost some")

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):  # before the report is drawn
    if hasattr(session.config, "workerinput"):
        note("worker", {HEAVY + OF_THE_CONTROLLER!r})
    else:
        note("controller")
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its checkpoint is none: who reads it finds out, and who collects does not."""
    path = tmp_path_factory.mktemp("archives") / "Alpaca_trading_trained_20241227_211819.zip"
    from datetime import UTC, datetime

    model = ModelArtifact(symbol="UNIUSD", timeframe="1Hour", checkpoint=b"nothing", history=APPROVED)
    return pack_unopened(path, [model], trained_at=datetime(2024, 12, 27, 21, 18, 19, tzinfo=UTC))


def imported(folder: Path, archive: Path, *options: str) -> list[Any]:
    (folder / "probe.py").write_text(PROBE)
    arguments = [f"--model-archive={archive}", "-p", "probe", "-p", "no:randomly", "-p", "no:cacheprovider", *options]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return [json.loads(line) for line in (folder / "imported").read_text().splitlines()]


def test_collecting_imports_nothing_heavy(archive: Path, tmp_path: Path) -> None:
    assert imported(tmp_path, archive, "-n0", "--collect-only") == [["collected", []], ["controller", []]]


def test_importing_the_schemas_of_files_builds_none() -> None:
    """Each is built when the first file is read; what stands only within another one is never built by itself."""
    schemas = ("adapters.archive.schema", "adapters.evidence.record", "adapters.verdict.schema")
    imports = "\n".join(f"import pytest_modelgate.{name}" for name in schemas)
    code = f"""{imports}
from pydantic import BaseModel
models = [BaseModel]
for model in models:
    models += model.__subclasses__()
ours = [model for model in models if model.__module__.startswith("pytest_modelgate")]
print(len(ours) > 20, [model.__name__ for model in ours if model.__pydantic_complete__])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert run.stdout.strip() == "True []"


def test_usual_recordings_are_replayed_without_vcrpy_and_alpacas_client(tmp_path: Path) -> None:
    options = (f"--gate-cassettes={ROOT / 'cassettes'}", "-n0", "-k", "UNIUSD or AAPL")
    found = imported(tmp_path, ROOT / "examples" / "demo_archive.zip", *options)

    assert found == [["collected", []], ["controller", ["exchange_calendars"]]]


@pytest.mark.long
def test_neither_controller_nor_workers_import_what_they_do_not_use(archive: Path, tmp_path: Path) -> None:
    found = imported(tmp_path, archive, "-n1", "-m", "gating")

    assert sorted(map(str, found)) == ["['collected', []]", "['controller', []]", "['worker', []]"]
