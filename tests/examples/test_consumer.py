"""The example of a project that uses the gate: its own tests run, without an archive and beside the suite."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support import cheap_runs
from support.cheap_runs import TESTS_PER_MODEL, WAV, CheapRun
from support.installed import install, using

CONSUMER = Path(__file__).parents[2] / "examples" / "consumer"
THEIRS = 23
NAMED_ALIKE = '''
import pytest

@pytest.fixture
def metric() -> str:
    return "hit rate"

def test_the_report_names_its_metric(metric: str) -> None:
    """Once, and not once per training metric of each model."""
    assert metric == "hit rate"

@pytest.mark.parametrize("decision", ["buy", "hold"])
def test_orders(decision: str) -> None:
    """A parameter that is called as a fixture of the gate."""
    assert decision in {"buy", "hold", "sell"}
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With tests, in a file that the gate's suite has too, about things that are called as fixtures of the gate."""
    folder = Path(shutil.copytree(CONSUMER, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__")))
    (folder / "tests" / "test_gating.py").write_text(NAMED_ALIKE)
    return folder


@pytest.fixture
def cheap(project: Path) -> Callable[..., CheapRun]:
    return partial(cheap_runs.run, project)


def test_without_an_archive_its_own_tests_run(pytester: pytest.Pytester, project: Path) -> None:
    result = pytester.runpytest_subprocess(f"--rootdir={project}", f"-c{project / 'pytest.ini'}", project / "tests")

    result.assert_outcomes(passed=8, skipped=1)


@pytest.mark.long
def test_with_an_archive_the_suite_runs_beside_them(cheap: Callable[..., CheapRun], tmp_path: Path) -> None:
    run = cheap(cheap_runs.cheap_archive(tmp_path), "-n2")

    theirs = Counter(test.partition("[")[0] for test in run.outcomes if test.startswith("tests/"))
    assert theirs == {
        "tests/test_features.py::test_a_row_does_not_change_with_what_follows": 1,
        "tests/test_features.py::test_a_feature_is_finite_after_the_warm_up": 4,
        "tests/test_gating.py::test_the_report_names_its_metric": 1,
        "tests/test_gating.py::test_orders": 2,
        "tests/test_backtest.py::test_no_fold_loses_half": 15,
    }
    assert len(run.outcomes) == sum(theirs.values()) + 3 * cheap_runs.TESTS_PER_MODEL
    assert run.verdict["complete"] is True
    assert "model gate: feature set mine-v1 of " in run.text


@pytest.mark.long
def test_vs_code_lists_all_tests_and_runs_what_is_clicked(
    cheap: Callable[..., CheapRun], project: Path, tmp_path: Path
) -> None:
    """With the arguments of its scripts for discovery and for runs, and its plugin's way to name tests."""
    site = install(tmp_path / "environment")
    archive, environment = cheap_runs.cheap_archive(tmp_path), using(site, DRIVER_OUT=str(tmp_path / "driver.json"))
    called = ("-p", "support.vscode_driver", f"--rootdir={project}")

    def told() -> dict[str, Any]:
        document: dict[str, Any] = json.loads((tmp_path / "driver.json").read_text())
        return document

    assert cheap(archive, *called, "--collect-only", environment=environment).ret == 0
    listed, mine = told()["listed"], f"{project}/tests/"
    assert len([test for test in listed if test.startswith(mine)]) == THEIRS
    assert len(listed) == THEIRS + 3 * TESTS_PER_MODEL
    suite = site / "pytest_modelgate" / "model_tests" / "test_gating.py"
    clicked = [f"{suite}::test_classification[{WAV}]", f"{mine}test_gating.py::test_orders[buy]"]

    run = cheap(archive, *called, *clicked, environment=environment)

    assert set(clicked) < set(listed)
    assert told()["outcomes"] == dict.fromkeys(clicked, "passed")
    assert run.ret == 0


@pytest.mark.skipif(find_spec("teamcity") is None, reason="teamcity-messages is not installed; make plugins does")
def test_pycharm_hears_of_every_test_once(cheap: Callable[..., CheapRun], tmp_path: Path) -> None:
    """PyCharm and TeamCity read these messages."""
    run = cheap(cheap_runs.cheap_archive(tmp_path), "--teamcity", "-n0")

    began = Counter(re.findall(r"##teamcity\[testStarted .*? name='((?:[^'|]|\|.)*)'", run.text))
    ended = Counter(re.findall(r"##teamcity\[testFinished .*? name='((?:[^'|]|\|.)*)'", run.text))
    assert began == ended
    assert sum(began.values()) == len(began) == len(run.junit) == THEIRS + 3 * TESTS_PER_MODEL
    assert run.verdict["complete"] is True
