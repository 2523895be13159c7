"""The example of a project that uses the gate: its own tests run, without an archive and beside the suite."""

import shutil
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support import cheap_runs
from support.cheap_runs import CheapRun

CONSUMER = Path(__file__).parents[2] / "examples" / "consumer"
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
