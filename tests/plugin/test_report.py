"""Terminal and HTML report."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from plugin_helpers import DROPPED, GOOD, RunGate, pack


class _Blob(HTMLParser):
    """Finds pytest-html's data."""

    def __init__(self) -> None:
        super().__init__()
        self.tests: dict[str, list[dict[str, object]]] = {}

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        blob = dict(attrs).get("data-jsonblob")
        if blob:
            self.tests = json.loads(blob)["tests"]


def test_the_report_opens_with_every_model_and_its_reasons(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, DROPPED))

    page = unescape((result.output / "report.html").read_text(encoding="utf-8"))
    assert re.search(r'WAVUSD_1Hour</th>\s*<td class="word PAPER">PAPER\s*<br><small>table alone: LIVE', page)
    assert re.search(r'RNDUSD_1Hour</th>\s*<td class="word DROP">DROP', page)
    assert "Parity with the trainer is unproven" in page
    assert result.verdict["archive"]["sha256"] in page


def test_rows_stand_in_one_group_per_model_in_the_order_of_the_checks(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, DROPPED))

    parser = _Blob()
    parser.feed((result.output / "report.html").read_text(encoding="utf-8"))
    ids = list(parser.tests)
    models = [re.search(r"\[([A-Z]+)_", nodeid)[1] for nodeid in ids]  # type: ignore[index]  # every id names a model
    assert models == sorted(models)
    assert [nodeid.split("::")[1].split("[")[0] for nodeid in ids[: len(ids) // 2]] == (
        ["test_classification"]
        + ["test_threshold"] * 4
        + ["test_sanity"]
        + ["test_fold"] * 5
        + ["test_spread", "test_account_skew", "test_accounting", "test_causality", "test_feasible_at_alpaca"]
        + ["test_not_degenerate", "test_parity", "test_weights_matter", "test_decision"]
    )


def test_the_report_is_one_file_without_links_to_others(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD))

    assert {path.name for path in result.output.iterdir()} == {"report.html", "verdict.json", "evidence"}


def test_a_report_asked_for_elsewhere_is_written_there(run_gate: RunGate, tmp_path: Path) -> None:
    page = tmp_path / "mine.html"
    result = run_gate(pack(tmp_path, GOOD), f"--html={page}", "--self-contained-html")

    assert "WAVUSD_1Hour" in page.read_text(encoding="utf-8")
    assert not (result.output / "report.html").exists()


@pytest.mark.parametrize("plugin", ["html", "xdist"])
def test_the_gate_runs_without_its_companions(run_gate: RunGate, tmp_path: Path, plugin: str) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-p", f"no:{plugin}", subprocess=True)

    assert result.run.ret == 0
    assert result.verdict["complete"] is True


def test_the_terminal_closes_with_a_table_of_at_most_100_columns(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, DROPPED))

    result.run.stdout.fnmatch_lines(
        [
            "model gate: Alpaca_trading_trained_20241227_211819.zip, 2 models; profile 2.4.5, decision proven*",
            "model gate: as of 2024-12-27 21:18 UTC; backtest 30 days, 5 folds over 180 days; replaying *",
            "model * training * backtest * folds * spread * decision",
            "RNDUSD_1Hour * DROP * DROP",
            "WAVUSD_1Hour * APPROVED * 5/5 * PAPER (table: LIVE)",
            "warning: folds that are not shown to be out-of-sample count in the decision on WAVUSD_1Hour",
            "verdict: *verdict.json (complete, promotable: WAVUSD_1Hour)",
            "report: *report.html",
        ]
    )
    lines = result.run.outlines
    first = next(number for number, line in enumerate(lines) if line.startswith("model  "))
    last = next(number for number, line in enumerate(lines) if line.startswith("verdict: "))
    assert max(map(len, lines[first:last])) <= 100


def test_the_terminal_stays_within_ascii(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, DROPPED))

    section = result.text.partition("model gate =")[2]
    assert section.isascii()


def test_a_tolerated_check_shows_its_reason_and_no_code(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD))

    parser = _Blob()
    parser.feed((result.output / "report.html").read_text(encoding="utf-8"))
    (row,) = parser.tests["model_tests/test_integrity.py::test_parity[WAVUSD_1Hour]"]
    assert row["log"] == "unproven: the archive holds no parity probe"
