"""Any order, any number of workers: the same verdict, every window evaluated once, and no end that only looks green."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cheap_gate import artifact
from support.cheap_runs import BAD, RND, TESTS_PER_MODEL, WAV, WINDOWS, CheapRun
from support.model_factory import APPROVED
from support.plugin_helpers import pack

Cheap = Callable[..., CheapRun]
ONCE = Counter(f"{model}.{window}" for model in (RND, WAV) for window in WINDOWS)
KILLED = f"{WAV}.fold2of5"


def assert_only_wav_is_incomplete(run: CheapRun) -> None:
    assert run.ret == 1
    assert run.decisions == {WAV: "INCOMPLETE", RND: "DROP", BAD: "DROP"}
    assert run.verdict["promotable"] == []
    assert run.outcomes[f"model_tests/test_decision.py::test_decision[{WAV}]"] == "FAILED"
    assert "Traceback" not in run.text
    assert "INTERNALERROR" not in run.text


def test_a_worker_killed_inside_a_fold_fails_that_fold_and_its_decision_alone(
    cheap: Cheap, reference: CheapRun
) -> None:
    run = cheap("-n2", mishap={KILLED: "kill"})

    assert_only_wav_is_incomplete(run)
    changed = {test for test, outcome in run.outcomes.items() if outcome != reference.outcomes[test]}
    assert changed == {
        f"model_tests/test_walk_forward.py::test_fold[{WAV}-fold2of5]",
        f"model_tests/test_walk_forward.py::test_spread[{WAV}]",
        f"model_tests/test_decision.py::test_decision[{WAV}]",
    }
    assert Counter(run.evaluations) == ONCE
    assert run.junit.keys() == run.html.keys() == reference.junit.keys()
    assert len(run.junit) == 3 * TESTS_PER_MODEL
    assert run.junit[f"test_fold[{WAV}-fold2of5]"] == "failure"
    assert run.html[f"test_fold[{WAV}-fold2of5]"] == "Failed"
    assert f"worker 'gw0' crashed while running 'model_tests/test_walk_forward.py::test_fold[{WAV}-fold2of5]'" in (
        run.text.replace("gw1", "gw0")
    )


@pytest.mark.long
def test_a_worker_killed_after_its_fold_gained_evidence_is_no_better(cheap: Cheap) -> None:
    assert_only_wav_is_incomplete(cheap("-n2", mishap={KILLED: "body"}))


@pytest.mark.long
def test_without_restarts_what_never_ran_is_an_error_everywhere(cheap: Cheap, reference: CheapRun) -> None:
    run = cheap("-n2", "--max-worker-restart=0", mishap={KILLED: "exit"})

    assert run.ret == 1
    assert run.verdict["promotable"] == []
    assert run.junit.keys() == run.html.keys() == reference.junit.keys()
    assert run.html[f"test_decision[{WAV}]"] == "Error"
    assert "it was collected, and then no worker was left to run it" in run.text


@pytest.mark.long
def test_a_crash_that_is_to_be_run_again_without_a_worker_left_does_not_end_green(cheap: Cheap) -> None:
    """Where a plugin turns a crash into a rerun, no test of a run that broke off is red."""
    options = ("-n1", "--max-worker-restart=0", "--reruns=1", "-k", WAV)
    run = cheap(*options, plugins=("rerunfailures",), mishap={KILLED: "exit"})

    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.junit[f"test_fold[{WAV}-fold2of5]"] == "error"


def test_a_cold_decision_is_one_test_and_its_folds_spread_over_the_workers(cheap: Cheap, reference: CheapRun) -> None:
    sleep = {f"{WAV}.{window}": 0.3 for window in WINDOWS}
    run = cheap("-n2", "-k", "WAVUSD and decision", sleep=sleep)

    assert run.ret == 0
    assert run.outcomes.keys() == {f"model_tests/test_decision.py::test_decision[{WAV}]"}
    assert list(run.junit) == list(run.html) == [f"test_decision[{WAV}]"]
    assert "1 passed" in run.text
    assert Counter(run.evaluations) == Counter(f"{WAV}.{window}" for window in WINDOWS)
    assert len(run.processes) == 2
    assert _model(run, WAV) == _model(reference, WAV)


@pytest.mark.long
def test_a_crash_in_a_fold_that_nobody_selected_fails_the_decision_that_needs_it(cheap: Cheap) -> None:
    run = cheap("-n2", "-k", "WAVUSD and decision", mishap={KILLED: "kill"})

    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.junit == {f"test_decision[{WAV}]": "failure"}
    assert "came to a sudden end" in run.text


@pytest.mark.long
def test_a_time_limit_in_a_fold_that_nobody_selected_fails_the_decision_that_needs_it(cheap: Cheap) -> None:
    run = cheap("-n2", "-k", "WAVUSD and decision", mishap={KILLED: "interrupt"})

    assert run.ret == 1
    assert run.junit == {f"test_decision[{WAV}]": "failure"}
    assert "INTERNALERROR" not in run.text


@pytest.mark.long
def test_worksteal_works_from_evidence_alone(cheap: Cheap, reference: CheapRun) -> None:
    run = cheap("-n2", "--dist=worksteal")

    assert (run.digest, run.outcomes) == (reference.digest, reference.outcomes)
    assert Counter(run.evaluations) == ONCE


@pytest.mark.parametrize("mode", ["each", "loadfile", "loadgroup", "loadscope"])
def test_ways_to_distribute_that_lose_tests_are_refused(cheap: Cheap, mode: str) -> None:
    run = cheap("-n2", f"--dist={mode}")

    assert run.ret == 4
    assert f"ERROR: --dist {mode}: " in run.text
    assert "use --dist load or --dist worksteal" in run.text


def test_running_again_until_all_is_green_is_no_judgement(cheap: Callable[..., CheapRun]) -> None:
    run = cheap("--looponfail")

    assert run.ret == 4
    assert "ERROR: --looponfail: xdist would run a part of the tests" in run.text
    assert not run.output.exists()


def test_collecting_shows_nothing_internal(cheap: Cheap, reference: CheapRun) -> None:
    run = cheap("-n2", "--collect-only", "-q", "-q")

    assert {line for line in run.text.splitlines() if "::" in line} == reference.outcomes.keys()
    assert "end-of-session" not in run.text
    assert not run.output.exists()


@pytest.mark.long
def test_nothing_internal_is_reported_by_workers_either(cheap: Cheap, reference: CheapRun) -> None:
    run = cheap("-n2", "-k", "decision or spread", "-rA", "--durations=0")

    names = {name for name in reference.junit if "decision" in name or "spread" in name}
    assert run.junit.keys() == run.html.keys() == names
    assert "end-of-session" not in run.text


@pytest.mark.long
def test_a_file_of_other_peoples_tests_stays_on_one_worker_and_its_fixtures_last(cheap: Cheap, tmp_path: Path) -> None:
    (tmp_path / "model_tests").symlink_to(Path(__file__).parents[3] / "model_tests")
    (tmp_path / "test_others.py").write_text(
        "import os, pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def costly(): yield os.getpid()\n"
        "@pytest.fixture(scope='session')\n"
        "def leaky():\n"
        "    yield\n"
        "    raise RuntimeError('the session leaks')\n"
        "seen = []\n"
        "@pytest.mark.parametrize('number', range(5))\n"
        "def test_one(costly, number):\n"
        "    seen.append(costly)\n"
        "    assert seen == [os.getpid()] * (number + 1)\n"
        "def test_two(leaky): pass\n"
    )
    run = cheap("-n2", ".")

    others = {test: outcome for test, outcome in run.outcomes.items() if "test_others" in test}
    assert set(others.values()) == {"PASSED"}
    assert len(others) == 6
    assert run.ret == 1
    assert "the session leaks" in run.text
    assert run.verdict["complete"] is True


def test_workers_that_collect_other_tests_are_told_apart(cheap: Cheap, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import os\n"
        "def pytest_collection_modifyitems(items):\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw1': del items[3:]\n"
    )
    run = cheap("-n2")

    assert run.ret == 1
    assert "Different tests were collected between gw" in run.text
    assert run.verdict["promotable"] == []


def test_a_worker_that_would_judge_another_archive_refuses(cheap: Cheap, tmp_path: Path, cheap_archive: Path) -> None:
    archive = tmp_path / cheap_archive.name
    archive.write_bytes(cheap_archive.read_bytes())
    (tmp_path / "conftest.py").write_text(
        "import pathlib\n"
        "def pytest_xdist_setupnodes(config):\n"
        f"    pathlib.Path({str(archive)!r}).write_bytes(pathlib.Path('other.zip').read_bytes())\n"
    )
    models = [artifact(symbol, APPROVED, "macd") for symbol in ("WAVUSD", "RNDUSD", "BADUSD")]
    (tmp_path / "other").mkdir()
    pack(tmp_path / "other", *models).rename(tmp_path / "other.zip")

    run = cheap("-n2", archive=archive)

    assert run.ret == 1
    assert "the archive is not the one that the run began with" in run.text
    assert run.verdict["promotable"] == []


def _model(run: CheapRun, name: str) -> dict[str, object]:
    (found,) = (model for model in run.verdict["models"] if model["id"] == name)
    return dict(found)
