"""The table of benchmarks: rows follow from what was measured, and what was not measured says so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import gate_runs
import pytest
import rows
import table
from table import BEGIN, END, Part


def part(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str, limit: float = 30.0) -> Part:
    monkeypatch.setattr(table, "HERE", folder / "benchmarks")
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "made_up.py").write_text(body)
    return Part("made_up", "a made-up part", limit)


def test_ratio_and_distance_follow_from_what_was_measured() -> None:
    row = rows.make_row("x", "s", 2.0, opponent=10.0, bound=0.5)

    assert (row["ratio"], row["distance"]) == (5.0, 4.0)


def test_rows_that_were_yielded_before_an_end_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "def rows():\n    yield {'name': 'first'}\n    raise ImportError('no opponent')\n"

    first, missing = table.run(part(tmp_path, monkeypatch, body))

    assert first == {"name": "first"}
    assert (missing["name"], missing["ours"]) == ("a made-up part", None)
    assert missing["note"] == "not measured: ImportError: no opponent"


def test_the_checkout_is_measured_and_not_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pytest_modelgate").mkdir()
    (tmp_path / "pytest_modelgate" / "__init__.py").write_text("NAME = 'of the checkout'\n")
    body = "import pytest_modelgate\n\ndef rows():\n    yield {'name': pytest_modelgate.NAME}\n"

    (row,) = table.run(part(tmp_path, monkeypatch, body))

    assert row == {"name": "of the checkout"}


def test_whole_runs_are_of_the_checkout_too(tmp_path: Path) -> None:
    shown = gate_runs.python(tmp_path, "-c", "import pytest_modelgate; print(pytest_modelgate.__file__)")

    assert Path(shown.text.strip()).is_relative_to(gate_runs.ROOT)


def test_whole_runs_load_plugins_by_the_names_that_the_report_asks_for(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "def pytest_report_header(config):\n"
        "    return ' '.join(f'has-{name}' for name in ('html', 'metadata') if config.pluginmanager.hasplugin(name))\n"
    )
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")

    shown = gate_runs.python(tmp_path, "-m", "pytest", *gate_runs.PLUGINS, "--collect-only", "test_a.py")

    assert "has-html has-metadata" in shown.text


def test_the_table_says_of_which_commit_it_is() -> None:
    assert re.fullmatch(r"(commit [0-9a-f]{7,}(, changed)?|of no commit)", table.machine()["pytest-modelgate"])
    assert "pytest-modelgate" in table.text_table({"machine": table.machine(), "rows": []}).splitlines()[0]


def test_a_part_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "import time\n\ndef rows():\n    yield {'name': 'first'}\n    time.sleep(60)\n"

    found = table.run(part(tmp_path, monkeypatch, body, limit=1.0))

    assert found[-1]["note"] == "not measured: it took more than 1 s"


def test_a_part_that_is_not_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "HERE", tmp_path)

    (row,) = table.run(Part("engine", "folds", 1.0))

    assert row["note"] == "not measured: there is no benchmarks/engine.py"


def test_measuring_one_part_keeps_the_rows_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "out" / "bench.json"
    table.keep(path, "gpu", [{"name": "on a GPU"}])
    table.keep(path, "engine", [{"name": "old"}])
    table.keep(path, "engine", [{"name": "new"}])

    assert [row["name"] for row in json.loads(path.read_text())["rows"]] == ["new", "on a GPU"]


def test_the_page_gets_the_table_between_its_marks(tmp_path: Path) -> None:
    page, out = tmp_path / "page.md", tmp_path / "bench.json"
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    table.keep(out, "engine", [{**rows.make_row("a fold", "s", 0.02, opponent=3.5, bound=0.016)}])

    for _ in range(2):
        table.write_page(page, table.read(out))

    text = page.read_text()
    assert "| a fold | s | 0.02 | 3.5 | 175x | 0.016 | 1.25x |  |" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count(BEGIN) == 1
    assert "stale" not in text
