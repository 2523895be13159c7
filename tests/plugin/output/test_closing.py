"""What a run says last: whole reasons, the table, and a command that works as pasted."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.plugin_helpers import DROPPED, GOOD, RunGate, pack

ODD = "it's & $HOME; \u00fc"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_the_table_comes_last_and_reasons_are_grouped(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, DROPPED), "-ra")

    lines = result.run.outlines
    stats = next(place for place, line in enumerate(lines) if " failed" in line and " passed" in line)
    table = next(place for place, line in enumerate(lines) if line.startswith("model  "))
    assert stats < table
    assert [line.split()[:2] for line in lines[table + 1 :]] == [
        ["RNDUSD_1Hour", "DROP"],
        ["WAVUSD_1Hour", "PAPER"],
        ["0", "LIVE:"],
    ]
    assert sum(line.startswith("SKIPPED") for line in lines) == 1
    assert any(line.startswith("SKIPPED [15] RNDUSD_1Hour: not evaluated") for line in lines)
    assert sum("short test summary info" in line for line in lines) == 1
    dropped = "FAILED model_tests/test_decision.py::test_decision[RNDUSD_1Hour] - DROP (PAPER required): profit_factor"
    assert any(line.startswith(dropped) and "REVIEW needs" in line for line in lines)
    assert max(len(line) for line in lines[stats:] if "modelgate promote" not in line) <= 200


def test_other_plugins_and_counts_see_every_report(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        def pytest_terminal_summary(terminalreporter):
            print("seen", len(terminalreporter.stats["skipped"]), len(terminalreporter.stats["failed"]))
        """
    )
    pytester.makepyfile("import pytest\ndef test_mine(): pytest.skip('mine')")

    result = run_gate(pack(tmp_path, GOOD, DROPPED), "-rs")

    counts = result.run.parseoutcomes()
    assert f"seen {counts['skipped']} {counts['failed']}" in result.text
    assert "SKIPPED [1] test_other_plugins_and_counts_see_every_report.py:2: mine" in result.text
    assert result.text.count("short test summary info") == 1


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="for a POSIX shell; what cmd.exe reads is tried in test_text.py")
@pytest.mark.parametrize("folder", ["plain", ODD])
def test_the_command_works_as_pasted(run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester, folder: str) -> None:
    (tmp_path / folder).mkdir()
    archive = pack(tmp_path / folder, GOOD)

    result = run_gate(archive, f"--gate-output=results of {folder}")

    last = result.run.outlines[-1]
    sentence, _, command = last.partition(": modelgate ")
    assert sentence == "0 LIVE: nothing here may trade money. 1 may trade on paper"
    shell = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    pasted = subprocess.run(
        ["bash", "-c", f"modelgate {command}"],
        cwd=pytester.path,
        env=shell,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (pasted.returncode, pasted.stderr) == (0, "")
    assert (pytester.path / "models/paper/WAVUSD_1Hour.pt").exists()


def test_a_verdict_that_is_not_complete_offers_no_command(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-m", "integrity")

    assert "modelgate promote" not in result.text
    assert "The verdict is not complete: nothing here may trade, neither money nor on paper." in result.text
    assert result.run.outlines[-1].startswith("model gate: the exit status says nothing about")


def test_paper_models_of_a_run_that_requires_live_are_not_offered(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "--gate-require=live")

    assert "modelgate promote" not in result.text
    assert result.run.outlines[-1].endswith("1 may trade on paper, but --gate-require=live was asked.")


def test_models_that_may_trade_money_go_where_paper_does_not(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "--gate-decision=table")

    words = shlex.split(result.run.outlines[-1])
    assert words[:6] == ["1", "LIVE", "may", "trade", "money:", "modelgate"]
    assert words[words.index("--to") + 1] == "models/live"
