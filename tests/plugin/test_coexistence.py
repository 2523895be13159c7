"""The gate next to what else people run: other plugins, other options, other tests, and without its companions."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cheap_runs import BAD, RND, WAV, WINDOWS, CheapRun

Cheap = Callable[..., CheapRun]
FOLD, SPREAD = "model_tests/test_walk_forward.py::test_fold[{}-{}]", "model_tests/test_walk_forward.py::test_spread[{}]"
DECISION = "model_tests/test_decision.py::test_decision[{}]"
BROKEN = f"{WAV}.fold2of5"


@pytest.mark.long
def test_a_random_order_of_another_plugin(cheap: Cheap, reference: CheapRun) -> None:
    run = cheap("-n2", "-p", "randomly", "-p", "no:cacheprovider", plugins=("randomly",))

    assert "Using --randomly-seed" in run.text
    assert (run.digest, run.outcomes) == (reference.digest, reference.outcomes)


@pytest.mark.long
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_rerun_gets_another_try(cheap: Cheap, reference: CheapRun, workers: str) -> None:
    options = (workers, "-k", WAV, "--reruns=1")
    run = cheap(*options, plugins=("rerunfailures",), mishap={BROKEN: "setup once"})

    assert run.ret == 0
    assert "1 rerun" in run.text
    assert run.decisions[WAV] == reference.decisions[WAV]


def test_a_rerun_that_fails_again_leaves_its_model_incomplete(cheap: Cheap) -> None:
    run = cheap("-n0", "-k", WAV, "--reruns=1", plugins=("rerunfailures",), mishap={BROKEN: "raise"})

    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert Counter(run.evaluations)[BROKEN] == 2


@pytest.mark.long
def test_a_crash_that_is_rerun_on_another_worker_is_decided_afterwards(cheap: Cheap, reference: CheapRun) -> None:
    options = ("-n2", "-k", WAV, "--reruns=1")
    run = cheap(*options, plugins=("rerunfailures",), mishap={BROKEN: "kill once"})

    assert run.ret == 0
    assert Counter(run.evaluations)[BROKEN] == 2
    assert run.decisions[WAV] == reference.decisions[WAV]
    assert run.outcomes[DECISION.format(WAV)] == "PASSED"


@pytest.mark.long
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_time_limit_ends_one_fold_and_leaves_its_model_incomplete(cheap: Cheap, workers: str) -> None:
    run = cheap(workers, "--timeout=6", "--timeout-method=signal", plugins=("timeout",), sleep={BROKEN: 60})

    assert run.ret == 1
    assert run.outcomes[FOLD.format(WAV, "fold2of5")] == "ERROR"
    assert run.decisions == {WAV: "INCOMPLETE", RND: "DROP", BAD: "DROP"}
    assert "INTERNALERROR" not in run.text


@pytest.mark.long
def test_coverage_is_measured_in_workers_too(cheap: Cheap, reference: CheapRun) -> None:
    options = ("-n2", "--cov=pytest_modelgate.core.backtest.metrics", "--cov-report=term", "-p", "no:cacheprovider")
    run = cheap(*options, plugins=("pytest_cov",))

    assert (run.digest, run.outcomes) == (reference.digest, reference.outcomes)
    measured = re.search(r"core/backtest/metrics\.py +\d+ +\d+ +(\d+)%", run.text)
    assert measured
    assert int(measured[1]) > 0


@pytest.mark.long
def test_failed_first_and_stepwise_choose_as_usual(cheap: Cheap) -> None:
    broken = cheap("-n0", "-k", WAV, "--sw", mishap={BROKEN: "setup"})
    assert broken.ret == 2
    assert list(broken.outcomes.values()).count("ERROR") == 1
    assert DECISION.format(WAV) not in broken.outcomes
    assert broken.decisions[WAV] == "INCOMPLETE"

    resumed = cheap("-n0", "-k", WAV, "--sw")
    assert resumed.ret == 0
    assert resumed.decisions[WAV] == "PAPER"

    first = cheap("-n0", "-k", f"{WAV} or {RND}", "--ff")
    assert first.decisions[WAV] == "PAPER"


@pytest.mark.long
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_maxfail_stops_and_decides_nothing_that_is_not_settled(cheap: Cheap, workers: str) -> None:
    mishap = {f"{WAV}.backtest": "setup", BROKEN: "setup"}
    run = cheap(workers, "--maxfail=2", "-k", f"{WAV} and (backtest or walk_forward or decision)", mishap=mishap)

    assert run.ret in (1, 2)
    assert "stopping after 2 failures" in run.text
    assert run.decisions[WAV] == "INCOMPLETE"


@pytest.mark.long
def test_a_marker_and_a_keyword_choose_as_usual(cheap: Cheap) -> None:
    run = cheap("-n2", "-m", "walk_forward", "-k", f"{WAV} and fold")

    assert run.outcomes.keys() == {FOLD.format(WAV, f"fold{number}of5") for number in range(1, 6)}
    assert Counter(run.evaluations) == Counter(f"{WAV}.{window}" for window in WINDOWS if "fold" in window)


@pytest.mark.long
def test_other_peoples_tests_run_along(cheap: Cheap, reference: CheapRun, tmp_path: Path) -> None:
    (tmp_path / "model_tests").symlink_to(Path(__file__).parents[2] / "model_tests")
    (tmp_path / "test_mine.py").write_text(
        "import pytest\n"
        "def test_plain(): pass\n"
        "@pytest.mark.xfail\n"
        "def test_tolerated(): assert False\n"
        "def test_of_each_fold(fold_result): assert fold_result.metrics.bars > 0\n"
        "def test_of_each_model(evidence, trained_model): assert len(evidence) == 6\n"
    )
    run = cheap("-n2", ".")

    mine = {test: outcome for test, outcome in run.outcomes.items() if test.startswith("test_mine.py")}
    assert Counter(mine.values()) == Counter({"PASSED": 1 + 10 + 2, "XFAIL": 1, "SKIPPED": 5 + 1})
    assert run.digest == reference.digest
    assert len(run.evaluations) == 2 * len(WINDOWS)
    assert len(run.html) == len(run.outcomes)


def without(tmp_path: Path, *missing: str) -> dict[str, str]:
    """An interpreter that has some packages not; pytest finds no plugin by itself there."""
    from support import cheap_gate

    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {missing!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    folders = f"{site}:{Path(cheap_gate.__file__).parents[1]}"
    return {"PYTHONPATH": folders, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("missing", "others"),
    [
        pytest.param(("xdist", "execnet"), ("metadata", "html"), id="xdist"),
        pytest.param(("pytest_html", "pytest_metadata"), ("xdist",), id="pytest-html"),
        pytest.param(("xdist", "execnet", "pytest_html", "pytest_metadata"), (), id="both"),
    ],
)
def test_without_a_companion_installed(
    cheap: Cheap, reference: CheapRun, tmp_path: Path, missing: tuple[str, ...], others: tuple[str, ...]
) -> None:
    plugins = [part for name in (*others, "modelgate") for part in ("-p", name)]
    run = cheap(*plugins, environment=without(tmp_path, *missing))

    assert (run.digest, run.outcomes) == (reference.digest, reference.outcomes)
    assert (run.output / "report.html").exists() == ("pytest_html" not in missing)


def test_with_xdist_switched_off(cheap: Cheap, reference: CheapRun) -> None:
    run = cheap("-p", "no:xdist")

    assert (run.digest, run.outcomes) == (reference.digest, reference.outcomes)
