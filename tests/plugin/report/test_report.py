"""Terminal and HTML report."""

import json
import re
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.plugin_helpers import DROPPED, GOOD, GateResult, RunGate, pack

UNPROBED = replace(GOOD, parity_probe=None)


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
    result = run_gate(pack(tmp_path, UNPROBED, DROPPED), drawn=True)

    page = unescape((result.output / "report.html").read_text(encoding="utf-8"))
    rows = re.findall(r'<tr role="row" data-decision="(\w+)" data-name="(\w+)">', page)
    assert rows == [("PAPER", "wavusd_1hour"), ("DROP", "rndusd_1hour")]
    assert "parity with the trainer unproven" in page
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
        + ["test_not_degenerate", "test_parity", "test_precision", "test_weights_matter", "test_decision"]
    )


def test_the_report_is_one_file_without_links_to_others(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), drawn=True)

    assert {path.name for path in result.output.iterdir()} == {"report.html", "summary.md", "verdict.json", "evidence"}


def test_a_report_asked_for_elsewhere_is_written_there(run_gate: RunGate, tmp_path: Path) -> None:
    page = tmp_path / "mine.html"
    result = run_gate(pack(tmp_path, GOOD), f"--html={page}", "--self-contained-html", drawn=True)

    assert "WAVUSD_1Hour" in page.read_text(encoding="utf-8")
    assert not (result.output / "report.html").exists()


def test_a_run_keeps_no_more_than_figures_and_finds_the_rest_again(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        from pytest_modelgate.plugin.state import RUN

        def pytest_terminal_summary(terminalreporter, config):
            run = config.stash[RUN]
            for judgement in (run.judgements[0], run.in_full(run.judgements[0])):
                terminalreporter.line(f"kept: {sum(len(item.equity) for item in judgement.measured)}")
        """
    )

    result = run_gate(pack(tmp_path, GOOD))

    assert re.findall("kept: [0-9]+", result.text) == ["kept: 0", f"kept: {210 * 24 + 6}"]


def test_a_run_is_compared_with_the_verdict_that_it_replaces_or_that_is_named(
    run_gate: RunGate, tmp_path: Path
) -> None:
    archive = pack(tmp_path, DROPPED)

    def since(result: GateResult) -> list[str]:
        return re.findall(
            r'class="mg-since mg-since-(\w+)"', (result.output / "report.html").read_text(encoding="utf-8")
        )

    first = run_gate(archive, drawn=True)
    assert since(first) == []
    kept = tmp_path / "kept.json"
    kept.write_bytes((first.output / "verdict.json").read_bytes())
    assert since(run_gate(archive, drawn=True)) == ["same"]
    elsewhere = run_gate(archive, f"--gate-output={tmp_path / 'new'}", f"--gate-compare={kept}", drawn=True)
    assert 'mg-since-same"' in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert elsewhere.run.ret == 1
    refused = run_gate(archive, f"--gate-compare={tmp_path / 'none.json'}")
    assert (refused.run.ret, "none.json: cannot be read" in refused.text) == (4, True)


def whole_but_for_the_page(run_gate: RunGate, archive: Path, whole: GateResult) -> GateResult:
    """A run whose page is broken; all else is as it is with one."""
    result = run_gate(archive, drawn=True)

    assert (result.run.ret, result.verdict["digest"]) == (whole.run.ret, whole.verdict["digest"])
    assert "Traceback" not in result.text
    assert "INTERNALERROR" not in result.text
    result.run.stdout.fnmatch_lines(["verdict: *", "WAVUSD_1Hour*PAPER*"])
    assert "WAVUSD_1Hour" in (result.output / "summary.md").read_text(encoding="utf-8")
    return result


def test_a_page_that_cannot_be_drawn_costs_the_page_alone(
    run_gate: RunGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path, GOOD)
    whole = run_gate(archive)
    monkeypatch.setitem(sys.modules, "pytest_modelgate.plugin.report.page", None)

    result = whole_but_for_the_page(run_gate, archive, whole)

    told = "the HTML report lacks the models' cards and pictures (ModuleNotFoundError: "
    assert result.text.count(f"warning: {told}") == 1
    assert told in unescape((result.output / "report.html").read_text(encoding="utf-8"))


def test_a_page_that_pytest_html_cannot_write_costs_the_page_alone(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    archive = pack(tmp_path, GOOD)
    whole = run_gate(archive)
    (whole.output / "report.html").unlink()
    pytester.makeconftest("def pytest_html_results_summary(prefix):\n    raise ValueError('a broken plugin')\n")

    result = whole_but_for_the_page(run_gate, archive, whole)

    assert "warning: the HTML report was not written (ValueError: a broken plugin). Table, summary" in result.text
    assert not (result.output / "report.html").exists()
    assert "report:  " not in result.text


def test_a_page_without_room_for_the_models_says_so(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    archive = pack(tmp_path, GOOD)
    whole = run_gate(archive)
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_html_results_summary(prefix):
            prefix.clear()
        """
    )

    result = whole_but_for_the_page(run_gate, archive, whole)

    assert "warning: the HTML report lacks the models' cards and pictures (ValueError: another plugin" in result.text


@pytest.mark.parametrize(
    "hook",
    [
        pytest.param("pytest_html_results_table_row(cells): raise KeyError('col')", id="a row"),
        pytest.param("pytest_html_results_table_html(data): data.append(None)", id="a log"),
        pytest.param("pytest_html_results_summary(prefix): raise ValueError('x')", id="the end"),
        pytest.param("pytest_html_results_table_header(cells): raise ZeroDivisionError", id="the head"),
    ],
)
def test_whoever_breaks_the_page_costs_nothing_but_the_page(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester, hook: str
) -> None:
    pytester.makeconftest(f"def {hook}\n")

    result = run_gate(pack(tmp_path, DROPPED))

    assert result.run.ret == 1
    assert result.text.count("warning: the HTML report was not written (") == 1
    assert "RNDUSD_1Hour  DROP" in result.text
    assert result.decision("RNDUSD_1Hour") == "DROP"
    assert (result.output / "summary.md").exists()
    assert "INTERNALERROR" not in result.text


def test_without_its_metadata_there_is_no_page_and_a_sentence(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, DROPPED), "-p", "no:metadata")

    assert result.run.ret == 1
    assert "warning: the HTML report is not written: pytest-html needs the plugin metadata" in result.text
    assert not (result.output / "report.html").exists()


def test_an_error_of_another_plugin_is_not_taken_for_the_pages(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest("def pytest_sessionfinish():\n    raise ValueError('a broken plugin')\n")

    result = run_gate(pack(tmp_path, GOOD))

    assert "the HTML report" not in result.text
    assert "ValueError: a broken plugin" in result.text


@pytest.mark.long
@pytest.mark.parametrize("plugin", ["html", "xdist"])
def test_the_gate_runs_without_its_companions(run_gate: RunGate, tmp_path: Path, plugin: str) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-p", f"no:{plugin}", subprocess=True)

    assert result.run.ret == 0
    assert result.verdict["complete"] is True


def test_the_terminal_closes_with_a_table_of_at_most_100_columns(
    run_gate: RunGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    result = run_gate(pack(tmp_path, GOOD, DROPPED))

    result.run.stdout.fnmatch_lines(
        [
            "model gate: Alpaca_trading_trained_20241227_211819.zip, 2 models; profile 2.4.5, decision proven*",
            "model gate: as of 2024-12-27 21:18 UTC; backtest 30 days, 5 folds over 180 days; replaying *",
            "warning: folds that are not shown to be out-of-sample count in the decision on WAVUSD_1Hour",
            "verdict: *verdict.json (complete, promotable: WAVUSD_1Hour)",
            "report: *report.html",
            "model * decision  table  training  backtest * folds  spread    capped by",
            "RNDUSD_1Hour  DROP      -      DROP * training",
            "WAVUSD_1Hour  PAPER     LIVE   APPROVED * 5/5 * low * unseen data",
        ]
    )
    lines = result.run.outlines
    first = next(number for number, line in enumerate(lines) if line.startswith("model  "))
    last = next(number for number, line in enumerate(lines) if line.startswith("0 LIVE: "))
    assert max(map(len, lines[first:last])) <= 100
    assert sum(line.startswith("WAVUSD_1Hour") for line in lines[first:last]) == 1
    assert not any(line.startswith("    ") and "Not proven" in line for line in lines)


@pytest.mark.parametrize(("option", "told"), [("-q", False), ("-v", True)])
def test_quiet_and_verbose_runs_close_with_the_same_table(
    run_gate: RunGate, tmp_path: Path, option: str, *, told: bool
) -> None:
    result = run_gate(pack(tmp_path, GOOD), option, "--no-header", "--color=no")

    result.run.stdout.fnmatch_lines(["verdict: *", "report: *report.html", "WAVUSD_1Hour  PAPER     LIVE   APPROVED*"])
    assert ("    Not proven, " in result.text) is told
    assert ("warning: folds that are not shown" in result.text) is told
    assert "model gate: as of" not in result.text
    assert "\x1b[" not in result.text


def test_a_narrow_terminal_gets_a_table_that_fits(
    run_gate: RunGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    result = run_gate(pack(tmp_path, GOOD), "--no-header")

    lines = result.run.outlines
    first = next(number for number, line in enumerate(lines) if line.startswith("model  "))
    last = next(number for number, line in enumerate(lines) if line.startswith("0 LIVE: "))
    assert lines[first + 1].startswith("WAVUSD_1Hour  PAPER")
    assert max(map(len, lines[first:last])) <= 40


@pytest.mark.long
def test_a_windows_console_can_show_all_of_it(
    run_gate: RunGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252:strict")
    archive = pack(tmp_path, GOOD)
    result = run_gate(archive.rename(tmp_path / "\u6a21\u578b_20241227_211819.zip"), "-v", subprocess=True)

    assert result.run.ret == 0
    result.run.stdout.fnmatch_lines(["model gate: *u6a21*u578b_20241227_211819.zip, 1 model;*"])


def test_on_github_a_run_tells_in_annotations_and_in_the_summary_of_its_step(
    run_gate: RunGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "step.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    result = run_gate(pack(tmp_path, GOOD, DROPPED), "-q")

    commands = [line for line in result.run.outlines if line.startswith("::")]
    assert [line.partition("::The")[0] for line in commands if "error" in line] == [
        "::error title=Model gate%3A RNDUSD_1Hour DROP"
    ]
    assert [line for line in commands if line.startswith("::warning title=Model gate%3A WAVUSD_1Hour PAPER::")]
    text = (result.output / "summary.md").read_text()
    assert page.read_text() == f"before\n{text}\n"
    assert "| RNDUSD_1Hour | **DROP** | - | DROP | - | - | - | training |" in text
    assert re.search(r"### WAVUSD_1Hour: PAPER\n\n1\. ", text)


def test_properties_of_every_test_reach_junit(run_gate: RunGate, tmp_path: Path) -> None:
    run_gate(pack(tmp_path, GOOD), f"--junitxml={tmp_path / 'junit.xml'}")

    found = {
        str(case.get("name")): {str(item.get("name")): item.get("value") for item in case.iter("property")}
        for case in ET.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    }
    assert all(facts["model"] == "WAVUSD_1Hour" and facts["stage"] for facts in found.values())
    fitness = found["test_threshold[WAVUSD_1Hour-fitness]"]
    assert (fitness["metric"], fitness["value"], fitness["band"]) == ("fitness_score", "0.8", "APPROVED")
    fold = found["test_fold[WAVUSD_1Hour-fold2of5]"]
    assert (fold["window"], fold["sample"]) == ("fold2of5", "unknown")
    assert float(fold["return"] or 0) > 0
    assert found["test_sanity[WAVUSD_1Hour-30d]"]["status"] == "pass"
    decision = found["test_decision[WAVUSD_1Hour]"]
    assert (decision["decision"], decision["table_decision"]) == ("PAPER", "LIVE")


def test_the_terminal_stays_within_ascii(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, DROPPED))

    section = result.text.partition("model gate =")[2]
    assert section.isascii()


def test_a_tolerated_check_shows_its_reason_and_no_code(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, UNPROBED))

    parser = _Blob()
    parser.feed((result.output / "report.html").read_text(encoding="utf-8"))
    (row,) = parser.tests["model_tests/test_integrity.py::test_parity[WAVUSD_1Hour]"]
    assert row["log"] == "unproven: the archive holds no parity probe"
