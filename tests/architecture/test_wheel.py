"""The built wheel works in an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_carries_what_the_gate_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "pytest_modelgate/py.typed",
        "pytest_modelgate/profiles/2.4.5.toml",
        "pytest_modelgate/schemas/verdict.schema.json",
        "pytest_modelgate/schemas/promotion.schema.json",
        "pytest_modelgate/schemas/training_summary.schema.json",
        "pytest_modelgate/plugin/report/templates/report.css",
        "pytest_modelgate/plugin/report/templates/report.html.j2",
        "pytest_modelgate/plugin/report/templates/model.html.j2",
        "pytest_modelgate/plugin/report/templates/market.html.j2",
        "pytest_modelgate/model_tests/test_decision.py",
    } <= names
    assert not any(name.startswith(("tests/", "examples/", "cassettes/")) for name in names)


def test_the_installed_wheel_judges_the_demo_in_an_empty_folder(site: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = [f"--model-archive={ROOT / 'examples/demo_archive.zip'}", f"--gate-cassettes={ROOT / 'cassettes'}"]
    environment = {**os.environ, "PYTHONPATH": str(site)}

    command = [sys.executable, "-m", "pytest", "-v", *arguments]
    run = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)

    assert run.returncode == 1, run.stdout
    assert f"{site}" in _where(environment, empty)
    assert "model_tests/test_decision.py::test_decision[AAPL_1Hour] PASSED (PAPER)" in run.stdout
    assert "model_tests/test_decision.py::test_decision[LINKUSD_1Hour] FAILED" in run.stdout
    assert sorted(path.name for path in (empty / "gate-report").iterdir()) == [
        "evidence",
        "report.html",
        "summary.md",
        "verdict.json",
    ]


def _where(environment: dict[str, str], folder: Path) -> str:
    """Where the package is imported from."""
    code = "import pytest_modelgate; print(pytest_modelgate.__file__)"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
