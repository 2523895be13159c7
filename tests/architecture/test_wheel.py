"""The built wheel works in an empty folder."""

import os
import re
import subprocess
import sys
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

from pytest_modelgate.services.scaffolding import repository

ROOT = Path(__file__).parents[2]


def test_the_wheel_carries_what_the_gate_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "pytest_modelgate/py.typed",
        "pytest_modelgate/profiles/2.4.5.toml",
        "pytest_modelgate/schemas/verdict.schema.json",
        "pytest_modelgate/schemas/promotion.schema.json",
        "pytest_modelgate/schemas/training_summary.schema.json",
        "pytest_modelgate/report/templates/report.css",
        "pytest_modelgate/report/templates/report.html.j2",
        "pytest_modelgate/report/templates/sheet.html.j2",
        "pytest_modelgate/report/templates/market.html.j2",
        "pytest_modelgate/report/templates/report.js",
        "pytest_modelgate/model_tests/test_decision.py",
    } <= names
    assert not any(name.startswith(("tests/", "examples/", "cassettes/")) for name in names)


def test_the_wheel_carries_what_init_and_demo_write(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = {name.partition("/")[2] for name in archive.namelist()}

    for name, path in repository().items():
        assert archive.read(f"pytest_modelgate/consumer/{name}") == path.read_bytes(), name
    shipped = {name.removeprefix("consumer/") for name in names if name.startswith("consumer/")}
    assert shipped == repository().keys()
    for name in ("demo_archive.zip", "demo_ledger.jsonl", "record_demo_cassettes.py", "marketsim/generator.py"):
        assert archive.read(f"pytest_modelgate/demo/{name}") == (ROOT / "examples" / name).read_bytes(), name


def test_the_wheel_is_no_burden(wheel: Path) -> None:
    assert wheel.stat().st_size < 1_250_000


@pytest.mark.long
def test_the_installed_demo_ends_as_documented_and_its_page_can_be_had_again(site: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def modelgate(*words: str) -> str:
        command = [sys.executable, "-m", "pytest_modelgate.cli.main", *words]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    assert "1 LIVE may trade money" in modelgate("demo")
    for made in (tmp_path / "modelgate-demo/cassettes").rglob("*.gz"):
        assert made.read_bytes() == (ROOT / made.relative_to(tmp_path / "modelgate-demo")).read_bytes(), made.name
    results = tmp_path / "modelgate-demo/gate-report"
    page = (results / "report.html").read_bytes()
    (results / "report.html").unlink()
    ledger = ["--ledger", "modelgate-demo/demo_ledger.jsonl", "--cassettes", "modelgate-demo/cassettes"]
    modelgate("report", "modelgate-demo/gate-report/verdict.json", *ledger)
    assert len((results / "report.html").read_bytes()) == pytest.approx(len(page), rel=0.01)


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


def test_the_page_on_pypi_links_to_files_of_this_version(wheel: Path) -> None:
    metadata = BytesParser().parsebytes(_content(wheel, ".dist-info/METADATA"))
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL", ()))
    text = metadata.get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)]+)\)", text)

    files = f"{urls['Homepage']}/blob/v{metadata['Version']}/"
    assert len(links) > 20
    pages = [link.partition("#")[0] for link in links]
    assert [page for page in pages if not (page.startswith(files) and (ROOT / page.removeprefix(files)).exists())] == []
    raw = files.replace("https://github.com/", "https://raw.githubusercontent.com/").replace("/blob/", "/")
    pictures = re.findall(r'(?:src|srcset)="([^"]+)"', text)
    assert len(pictures) == 4
    assert [picture for picture in pictures if not (ROOT / picture.removeprefix(raw)).is_file()] == []
    assert all(picture.startswith(raw) for picture in pictures)


@pytest.mark.parametrize(("name", "status"), [("write_archive", 0), ("write_archiv", 1)])
def test_type_checkers_see_the_public_names_of_the_wheel(site: Path, tmp_path: Path, name: str, status: int) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "trainer.py").write_text(f"from pytest_modelgate import {name}\n")

    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=skip", "trainer.py"]
    environment = {**os.environ, "MYPYPATH": str(site)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert run.returncode == status, run.stdout + run.stderr
    assert (f'has no attribute "{name}"' in run.stdout) == (status == 1)


def _content(wheel: Path, ending: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(ending))
        return archive.read(name)


def _where(environment: dict[str, str], folder: Path) -> str:
    """Where the package is imported from."""
    code = "import pytest_modelgate; print(pytest_modelgate.__file__)"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
