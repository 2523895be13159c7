"""What cannot be evaluated never counts in a model's favour, and never blocks its siblings."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support.model_factory import APPROVED, WINDOW, constant_policy, follow
from support.plugin_helpers import GOOD, GateResult, RunGate, model, pack

from pytest_modelgate import ModelArtifact
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.features.reference import REFERENCE

WIDTH = WINDOW * len(REFERENCE.columns)
POLICY = follow("momentum_24")


def assert_incomplete(result: GateResult, told: str) -> None:
    """RNDUSD could not be evaluated, WAVUSD was; the reason is told everywhere, without a traceback."""
    assert result.run.ret == 1
    assert result.decision("RNDUSD_1Hour") == "INCOMPLETE"
    assert result.decision("WAVUSD_1Hour") == "PAPER"
    assert (result.verdict["complete"], result.verdict["promotable"]) == (True, ["WAVUSD_1Hour"])
    assert "; cannot be judged: RNDUSD_1Hour)" in result.text
    assert told in result.of("RNDUSD_1Hour")["reasons"][0]
    assert told in result.text.replace("\n", " ")
    assert "Traceback" not in result.text
    assert "pytest_modelgate/" not in result.text.replace(str(result.output.parent), "")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        pytest.param(model("RNDUSD", APPROVED, POLICY, model_version="9.9.9"), "9.9.9", id="unknown version"),
        pytest.param(model("RNDUSD", APPROVED, POLICY, n_features=60), "60", id="wrong shape"),
        pytest.param(model("RNDUSD", APPROVED, POLICY, obs_dim=WIDTH + 1), str(WIDTH + 1), id="wrong observation"),
        pytest.param(
            model("RNDUSD", APPROVED, POLICY, action_meanings={0: "HOLD", 1: "SELL", 2: "BUY"}),
            "SELL",
            id="other order",
        ),
        pytest.param(
            ModelArtifact(symbol="RNDUSD", timeframe="1Hour", checkpoint=b"not a checkpoint", history=APPROVED),
            "RNDUSD_1Hour.pt",
            id="not a checkpoint",
        ),
    ],
)
def test_a_bad_checkpoint_leaves_its_own_model_incomplete(
    run_gate: RunGate, tmp_path: Path, broken: ModelArtifact, told: str
) -> None:
    assert_incomplete(run_gate(pack(tmp_path, GOOD, broken)), told)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        pytest.param({**APPROVED, "max_drawdown": [8.0, 12.0]}, "max_drawdown[0]: is 8.0", id="in percent"),
        pytest.param({"error": "CUDA out of memory"}, "the error 'CUDA out of memory'", id="an error"),
    ],
)
def test_an_odd_entry_leaves_its_own_model_incomplete(
    run_gate: RunGate, tmp_path: Path, entry: dict[str, Any], told: str
) -> None:
    archive = pack(tmp_path, GOOD, model("RNDUSD", APPROVED, POLICY))
    repacked(archive, lambda summary: summary["models"].update({"RNDUSD_1Hour": entry}))

    result = run_gate(archive)

    assert_incomplete(result, told)
    assert sum(result.run.parseoutcomes().get(kind, 0) for kind in ("errors", "failed")) == 21


def test_a_cause_that_keeps_a_model_from_being_judged_is_told_once(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    archive = pack(tmp_path, GOOD, model("RNDUSD", APPROVED, POLICY, model_version="9.9.9"))

    result = run_gate(archive, "--junitxml=junit.xml", "-ra")

    cause = result.of("RNDUSD_1Hour")["reasons"][0].removeprefix("INCOMPLETE: ")[:70]
    sections, _, end = result.text.partition("short test summary info")
    summary, _, closing = end.partition("model gate =")
    about = [line for line in summary.splitlines() if "RNDUSD" in line and "[RNDUSD" in line]
    assert (sections.count(cause), " ".join(summary.split()).count(cause)) == (1, 1)
    assert " ".join(closing.split()).count(cause) == 1
    assert about == []  # no line of a single test
    assert result.run.parseoutcomes()["errors"] > 10
    cases = list(ET.parse(pytester.path / "junit.xml").iter("testcase"))
    assert len(cases) == 42
    assert sum(case.find("error") is not None for case in cases) == result.run.parseoutcomes()["errors"]


def test_an_odd_sibling_is_named_and_spoils_nobody(run_gate: RunGate, tmp_path: Path) -> None:
    archive = pack(tmp_path, GOOD)
    repacked(archive, lambda summary: summary["models"].update(total={}), "models/rl_symbols/WAVUSD_1Hour_best.pt")

    result = run_gate(archive, drawn=True)

    assert result.run.ret == 0
    assert result.verdict["promotable"] == ["WAVUSD_1Hour"]
    for name in ("WAVUSD_1Hour_best.pt", "total"):
        assert any(f"'{name}' not judged" in warning for warning in result.verdict["archive"]["warnings"])
        for text in (result.text, *((result.output / file).read_text() for file in ("summary.md", "report.html"))):
            assert name.replace("_", "") in text.replace("_", "").replace("\\", "")


def repacked(archive: Path, change: Callable[[Any], object], *more: str) -> None:
    """The archive, its summary changed, with more members of one byte."""
    with zipfile.ZipFile(archive) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    summary = json.loads(members["training_summary_20241227_211819.json"])
    change(summary)
    members["training_summary_20241227_211819.json"] = json.dumps(summary).encode()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in {**members, **dict.fromkeys(more, b"x")}.items():
            packed.writestr(name, content)


def test_a_missing_cassette_names_the_command_that_records_it(run_gate: RunGate, tmp_path: Path) -> None:
    unknown = model("XYZUSD", APPROVED, POLICY)

    result = run_gate(pack(tmp_path, GOOD, unknown))

    assert result.decision("XYZUSD_1Hour") == "INCOMPLETE"
    assert result.decision("WAVUSD_1Hour") == "PAPER"
    assert "modelgate record" in result.of("XYZUSD_1Hour")["reasons"][0]
    assert "XYZ-USD" in result.text


def test_a_run_of_some_checks_leaves_the_verdict_incomplete(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-m", "gating")

    assert result.run.ret == 0
    assert result.decision("WAVUSD_1Hour") == "INCOMPLETE"
    assert "backtest was not evaluated in this run" in result.verdict["complete"]
    assert result.verdict["promotable"] == []


def test_a_decision_alone_gains_the_evidence_it_needs(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-m", "decision")

    assert result.run.parseoutcomes() == {"passed": 1, "deselected": 20}
    assert result.verdict["complete"] is True


def test_neither_runxfail_nor_an_edited_suite_makes_the_verdict_kinder(
    run_gate: RunGate, good_archive: Path, pytester: pytest.Pytester
) -> None:
    honest = run_gate(good_archive).verdict["digest"]
    suite = pytester.mkdir("model_tests")
    (suite / "test_decision.py").write_text(
        "import pytest\n\n@pytest.mark.decision\ndef test_decision(decision):\n    pass\n"
    )

    softened = run_gate(good_archive, "--runxfail")

    assert softened.run.ret == 0
    assert softened.verdict["digest"] == honest
    assert softened.verdict["promotable"] == ["WAVUSD_1Hour"]


@pytest.mark.long
def test_an_earlier_verdict_does_not_outlive_the_start_of_a_run(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    archive = pack(tmp_path, GOOD)
    assert run_gate(archive).verdict["promotable"] == ["WAVUSD_1Hour"]
    pytester.makepyfile(
        power_cut="""
        import os

        def pytest_runtest_setup(item):
            os._exit(9)
        """
    )

    result = run_gate(archive, "-p", "power_cut", subprocess=True)

    assert result.verdict["complete"] == "the run has not finished"
    assert result.verdict["promotable"] == []


def test_idle_and_absent_entries_are_told_apart(run_gate: RunGate, tmp_path: Path) -> None:
    import json
    import zipfile

    packed = pack(
        tmp_path, GOOD, model("RNDUSD", APPROVED, constant_policy("BUY_50")), model("ABCUSD", APPROVED, POLICY)
    )
    altered = tmp_path / "altered_20241227_211819.zip"
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(altered, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".json"):
                summary = json.loads(content)
                del summary["models"]["RNDUSD_1Hour"]
                content = json.dumps(summary).encode()
            if "ABCUSD" not in name:
                target.writestr(name, content)

    result = run_gate(altered)

    assert result.decision("WAVUSD_1Hour") == "PAPER"
    assert result.decision("RNDUSD_1Hour") == "INCOMPLETE"
    assert result.decision("ABCUSD_1Hour") == "INCOMPLETE"
    assert "the training summary has no entry for this checkpoint" in result.of("RNDUSD_1Hour")["reasons"][0]
    assert "there is no models/rl_symbols/ABCUSD_1Hour.pt" in result.of("ABCUSD_1Hour")["reasons"][0]


def test_a_warning_costs_no_evidence_where_warnings_are_errors(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import warnings
        from pytest_modelgate import REFERENCE, FeatureSet

        def compute(bars):
            warnings.warn("a library's", DeprecationWarning)
            return REFERENCE.compute(bars)

        def pytest_modelgate_feature_sets():
            return {"mine-1": FeatureSet("mine-1", REFERENCE.columns, REFERENCE.warmup, compute)}
        """
    )
    archive = pack(tmp_path, model("WAVUSD", APPROVED, POLICY), feature_set="mine-1")

    result = run_gate(archive, "-W", "error")

    assert result.verdict["complete"] is True
    result.run.stdout.fnmatch_lines(["*DeprecationWarning: a library's"])


def test_siblings_of_a_model_that_cannot_be_judged_are_promoted(run_gate: RunGate, tmp_path: Path) -> None:
    archive = pack(tmp_path, GOOD, model("RNDUSD", APPROVED, POLICY, model_version="9.9.9"))
    result = run_gate(archive)
    words = [
        str(result.output / "verdict.json"),
        "--archive",
        str(archive),
        "--minimum",
        "paper",
        "--max-age",
        "36500d",
    ]

    assert main(["promote", *words, "--to", str(tmp_path / "all"), "--all-or-nothing"]) == 1
    assert main(["promote", *words, "--to", str(tmp_path / "fit")]) == 0

    assert sorted(path.name for path in (tmp_path / "fit").glob("*.pt")) == ["WAVUSD_1Hour.pt"]
