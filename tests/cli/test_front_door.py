"""What a user meets first: a repository written, and a report written again."""

import html
import json
import os
from pathlib import Path

import pytest
from support import cheap_gate, cheap_runs
from support.cheap_runs import WAV, CheapRun

from pytest_modelgate.cli.main import main
from pytest_modelgate.cli.report import page_naming
from pytest_modelgate.services.scaffolding import BESIDES, CONSUMER, demonstration, lay_out, repository
from pytest_modelgate.text import shell_command

ROOT = Path(__file__).parents[2]


def example() -> dict[str, bytes]:
    """What a clone holds of the repository that is written."""
    folder = ROOT / CONSUMER
    tracked = {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in tracked}
    return files | {name: (ROOT / at).read_bytes() for name, at in BESIDES.items()}


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_init_writes_the_example_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "new")]) == 0

    assert written(tmp_path / "new") == example()
    assert {"conftest.py", "train.py", "cassettes/README.md", ".github/workflows/gate.yml"} <= example().keys()
    told = capsys.readouterr().out
    assert f"wrote {tmp_path / 'new' / 'train.py'}" in told
    assert told.index("modelgate check") < told.index("modelgate record") < told.index("modelgate promote")


def test_init_leaves_alone_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conftest.py").write_text("mine")
    (tmp_path / "train.py").symlink_to("nowhere.py")

    assert main(["init"]) == 0

    assert (tmp_path / "conftest.py").read_text() == "mine"
    assert not (tmp_path / "nowhere.py").exists()
    assert written(tmp_path).keys() == example().keys() - {"train.py"}
    assert "2 of these files were there already" in capsys.readouterr().out


def test_a_folder_that_is_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".github").write_text("")

    assert main(["init", str(tmp_path)]) == 1

    assert "cannot be written" in capsys.readouterr().err


def test_the_demo_is_laid_out_once(tmp_path: Path) -> None:
    first, second = list(lay_out(demonstration(), tmp_path)), list(lay_out(demonstration(), tmp_path))

    assert [name for name, new in first if new] == [name for name, new in second if not new]
    assert (tmp_path / "demo_archive.zip").read_bytes() == (ROOT / "examples/demo_archive.zip").read_bytes()


def test_what_is_written_has_one_source() -> None:
    assert all(path.is_relative_to(ROOT) for path in repository().values())
    assert not [path for path in repository().values() if path.is_relative_to(ROOT / "pytest_modelgate")]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> CheapRun:
    folder = tmp_path_factory.mktemp("judged")
    return cheap_runs.run(folder, cheap_runs.cheap_archive(folder))


@pytest.fixture
def _cheaply(judged: CheapRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that the command starts read the evidence of cheap folds, where the run was started."""
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_PLUGINS", "support.cheap_gate")
    monkeypatch.setenv("PYTHONPATH", str(Path(cheap_gate.__file__).parents[1]))
    monkeypatch.setenv(cheap_gate.INSTRUCTIONS, str(judged.folder / "run.told.json"))
    monkeypatch.chdir(judged.folder)


@pytest.mark.usefixtures("_cheaply")
def test_a_report_is_written_again_and_nothing_else(judged: CheapRun, tmp_path: Path) -> None:
    before, evaluated = written(judged.output), judged.evaluations

    assert main(["report", str(judged.output / "verdict.json"), "--out", str(tmp_path / "page.html")]) == 0

    assert f"{WAV}" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert written(judged.output) == before
    assert judged.evaluations == evaluated


def test_a_page_written_again_names_the_verdict_that_was_given(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"modelgate promote {tmp_path / 'verdict.json'} --archive X.zip", encoding="utf-8")

    told = page_naming(Path("gate report", "verdict.json"), page).decode()

    verdict = html.escape(shell_command([str(Path("gate report", "verdict.json"))]))
    assert told == f"modelgate promote {verdict} --archive X.zip"


@pytest.mark.usefixtures("_cheaply")
def test_a_report_that_would_say_another_thing_is_not_written(
    judged: CheapRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "verdict.json").write_bytes((judged.output / "verdict.json").read_bytes())
    (tmp_path / "evidence").mkdir()

    assert main(["report", str(tmp_path / "verdict.json")]) == 1

    told = capsys.readouterr().err
    assert "its evidence does not lead to it again" in told
    assert not (tmp_path / "report.html").exists()


@pytest.mark.usefixtures("_cheaply")
def test_an_archive_that_is_not_there_is_asked_for(
    judged: CheapRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "verdict.json").write_bytes((judged.output / "verdict.json").read_bytes())

    assert main(["report", "far/verdict.json"]) == 1

    assert "Name it with --archive" in capsys.readouterr().err


def test_an_altered_verdict_gives_no_report(judged: CheapRun, tmp_path: Path) -> None:
    verdict = json.loads((judged.output / "verdict.json").read_text())
    verdict["promotable"] = []
    (tmp_path / "verdict.json").write_text(json.dumps(verdict))

    assert main(["report", str(tmp_path / "verdict.json"), "--archive", str(judged.folder)]) == 1
