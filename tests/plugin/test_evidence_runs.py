"""What one run left to the next: used again where it is sound, never to cover up what went wrong since."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support import cheap_runs
from support.cheap_runs import BAD, RND, WAV, WINDOWS, CheapRun

Cheap = Callable[..., CheapRun]
ONCE = Counter(f"{model}.{window}" for model in (RND, WAV) for window in WINDOWS)
ALL = len(ONCE)
FOLD, DECISION = "model_tests/test_walk_forward.py::test_fold[{}-{}]", "model_tests/test_decision.py::test_decision[{}]"


def record(run: CheapRun, name: str) -> Path:
    """The one record of a window that a folder holds."""
    (path,) = run.output.glob(f"evidence/*/{name}.json")
    return path


@pytest.mark.long
def test_twenty_random_orders_give_one_verdict(tmp_path: Path, cheap_archive: Path, reference: CheapRun) -> None:
    code = (
        "import json, os, sys, pytest\n"
        "told = os.environ['CHEAP_GATE']\n"
        "for seed in range(20):\n"
        "    with open(told, 'w') as file: json.dump({'shuffle': seed, 'log': f'{seed}.log'}, file)\n"
        "    pytest.main([*sys.argv[1:], '-n0', '-q', f'--gate-output=order{seed}'])\n"
    )
    cheap_runs.run(tmp_path, cheap_archive, command=("-c", code))

    verdicts = [json.loads((tmp_path / f"order{seed}" / "verdict.json").read_text()) for seed in range(20)]
    assert {verdict["digest"] for verdict in verdicts} == {reference.digest}
    logs = [(tmp_path / f"{seed}.log").read_text().split()[2::3] for seed in range(20)]
    assert all(Counter(log) == ONCE for log in logs)
    assert len({tuple(log) for log in logs}) > 10


@pytest.mark.long
def test_what_an_interrupted_run_gained_is_not_computed_again(cheap: Cheap, reference: CheapRun) -> None:
    broken = cheap("-n0", mishap={f"{WAV}.fold3of5": "kill"})
    assert broken.verdict["complete"] == "the run has not finished"
    done = broken.evaluations[:-1]

    resumed = cheap("-n2")

    assert Counter(resumed.evaluations) == ONCE - Counter(done)
    assert f"{ALL} windows, {len(done)} known from earlier evidence, {ALL - len(done)} to compute" in resumed.text
    assert resumed.digest == reference.digest


@pytest.mark.long
def test_last_failed_picks_an_errored_fold_and_its_decision(cheap: Cheap, reference: CheapRun) -> None:
    first = cheap("-n0", "-k", WAV, mishap={f"{WAV}.fold2of5": "raise"})
    assert first.ret == 1
    assert first.decisions[WAV] == "INCOMPLETE"
    assert "the evaluation crashed with RuntimeError" in first.text

    second = cheap("-n0", "-k", WAV, "--lf")

    assert second.ret == 0
    assert second.outcomes == {
        FOLD.format(WAV, "fold2of5"): "PASSED",
        f"model_tests/test_walk_forward.py::test_spread[{WAV}]": "PASSED",
        DECISION.format(WAV): "PASSED",
    }
    assert second.evaluations == [f"{WAV}.fold2of5"]
    assert second.decisions[WAV] == reference.decisions[WAV]


@pytest.mark.long
@pytest.mark.parametrize(("workers", "mishap"), [("-n0", "setup"), ("-n2", "setup"), ("-n2", "body")])
def test_an_older_good_record_does_not_cover_up_an_error(cheap: Cheap, workers: str, mishap: str) -> None:
    cheap("-n0", "-k", WAV)

    run = cheap(workers, "-k", WAV, mishap={f"{WAV}.fold2of5": mishap})

    assert run.ret == 1
    assert run.evaluations == []
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.outcomes[DECISION.format(WAV)] == "FAILED"
    assert run.verdict["promotable"] == []


def test_an_error_after_its_decision_was_made_takes_the_verdict_back(cheap: Cheap) -> None:
    """In an order in which the decision comes first, its test passes at first; it rests on nothing in the end."""
    order = next(seed for seed in range(100) if _comes_first(seed))
    run = cheap("-n0", "-k", f"{WAV} and (decision or fold2of5)", shuffle=order, mishap={f"{WAV}.fold2of5": "setup"})

    assert list(run.outcomes.values()) == ["ERROR", "ERROR"]
    assert "the evidence that it rested on is not there at the end" in run.text
    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"


def _comes_first(seed: int) -> bool:
    import random

    tests = ["fold", "decision"]
    random.Random(seed).shuffle(tests)
    return tests[0] == "decision"


@pytest.mark.long
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_stopping_at_the_first_failure_decides_nothing_from_partial_evidence(cheap: Cheap, workers: str) -> None:
    cheap("-n0")

    run = cheap(workers, "-x", "-k", "not gating", mishap={f"{WAV}.backtest": "setup"})

    assert run.ret in (1, 2)
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.verdict["complete"] is not True
    assert run.outcomes.get(DECISION.format(WAV)) in (None, "FAILED")
    assert "no worker was left" not in run.text


@pytest.mark.long
def test_a_run_of_some_checks_is_completed_by_what_is_known(cheap: Cheap, reference: CheapRun) -> None:
    cheap("-n0")

    run = cheap("-n0", "-m", "gating")

    assert run.digest == reference.digest
    assert run.evaluations == []


@pytest.mark.long
@pytest.mark.parametrize("damage", ["truncated", "edited"])
def test_a_record_that_is_damaged_during_the_run_leaves_its_model_incomplete(
    cheap: Cheap, tmp_path: Path, damage: str
) -> None:
    change = {"truncated": "text[:len(text) // 2]", "edited": "text.replace('bars', 'BARS', 1)"}[damage]
    (tmp_path / "damage.py").write_text(
        "import pathlib\n"
        "def pytest_runtest_logreport(report):\n"
        f"    if report.when == 'teardown' and '{WAV}-fold2of5' in report.nodeid:\n"
        f"        (path,) = pathlib.Path('gate-report').glob('evidence/*/{WAV}.fold2of5.json')\n"
        "        text = path.read_text()\n"
        f"        path.write_text({change})\n"
    )
    run = cheap("-n0", "-p", "damage")

    assert run.ret == 1
    assert run.decisions == {WAV: "INCOMPLETE", RND: "DROP", BAD: "DROP"}
    assert run.outcomes[DECISION.format(WAV)] == "FAILED"
    assert f"evidence {WAV}.fold2of5.json: the record is damaged or was altered" in run.text


@pytest.mark.long
def test_a_damaged_record_of_an_earlier_run_is_measured_anew(cheap: Cheap, reference: CheapRun) -> None:
    first = cheap("-n0")
    path = record(first, f"{WAV}.fold2of5")
    path.write_text(path.read_text().replace("0.0", "0.1", 1))

    run = cheap("-n0")

    assert run.evaluations == [f"{WAV}.fold2of5"]
    assert run.digest == reference.digest


def test_evidence_on_other_terms_is_not_used(cheap: Cheap) -> None:
    cheap("-n0", "-k", f"{WAV} and fold2of5")

    run = cheap("-n0", "-k", f"{WAV} and fold2of5", "--gate-capital=5000")

    assert run.evaluations == [f"{WAV}.fold2of5"]
    assert f"{ALL} windows to compute" in run.text


@pytest.mark.long
def test_two_runs_in_one_folder_share_the_work_and_agree(
    tmp_path: Path, cheap_archive: Path, reference: CheapRun
) -> None:
    sleep = dict.fromkeys(ONCE, 0.1)
    runs = [cheap_runs.start(tmp_path, cheap_archive, "-n0", name=name, sleep=sleep) for name in ("first", "second")]
    first, second = (cheap_runs.end(*started) for started in runs)

    assert first.ret == second.ret == reference.ret
    assert first.digest == second.digest == reference.digest
    assert first.outcomes == second.outcomes == reference.outcomes
    assert Counter(first.evaluations + second.evaluations) == ONCE


SHARDS = ("1/3", "2/3", "3/3")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, cheap_archive: Path) -> list[CheapRun]:
    """The windows, shared by three machines."""
    folder = tmp_path_factory.mktemp("shards")
    return [
        cheap_runs.run(folder, cheap_archive, "-n0", f"--gate-shard={shard}", name=shard[0], output=f"shard{shard[0]}")
        for shard in SHARDS
    ]


def evidence_of(shards: list[CheapRun]) -> list[str]:
    return [f"--gate-evidence={shard.output / 'evidence'}" for shard in shards]


@pytest.mark.long
def test_shards_share_the_windows_and_decide_nothing(shards: list[CheapRun]) -> None:
    assert Counter(name for shard in shards for name in shard.evaluations) == ONCE
    assert all(shard.evaluations for shard in shards)
    for number, shard in enumerate(shards, start=1):
        assert shard.verdict["promotable"] == []
        assert f"this was shard {number}/3" in shard.verdict["complete"]
        assert f"shard {number}/3, {len(shard.evaluations)} windows to compute" in shard.text
        assert not any("decision" in test or "gating" in test for test in shard.outcomes)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_merged_shards_equal_a_single_run(
    cheap: Cheap, shards: list[CheapRun], reference: CheapRun, workers: str
) -> None:
    run = cheap(workers, "--gate-merge", *evidence_of(shards))

    assert (run.digest, run.outcomes) == (reference.digest, reference.outcomes)
    assert run.evaluations == []
    assert f"merging, evidence of {ALL} of {ALL} windows is there, nothing is computed" in run.text


def test_a_missing_file_fails_its_model_alone(cheap: Cheap, shards: list[CheapRun], tmp_path: Path) -> None:
    import shutil

    copies = [shutil.copytree(shard.output / "evidence", tmp_path / str(n)) for n, shard in enumerate(shards)]
    (lost,) = (path for copy in copies for path in Path(copy).rglob(f"{WAV}.fold4of5.json"))
    lost.unlink()

    run = cheap("-n0", "--gate-merge", *(f"--gate-evidence={copy}" for copy in copies))

    assert run.ret == 1
    assert run.decisions == {WAV: "INCOMPLETE", RND: "DROP", BAD: "DROP"}
    assert run.evaluations == []
    assert f"{WAV} fold4of5: there is no evidence of it for this archive" in run.text


def test_a_damaged_file_fails_its_model_alone(cheap: Cheap, shards: list[CheapRun], tmp_path: Path) -> None:
    import shutil

    copies = [shutil.copytree(shard.output / "evidence", tmp_path / str(n)) for n, shard in enumerate(shards)]
    (path,) = (path for copy in copies for path in Path(copy).rglob(f"{WAV}.fold4of5.json"))
    path.write_text(path.read_text()[:-40])

    run = cheap("-n0", "--gate-merge", *(f"--gate-evidence={copy}" for copy in copies))

    assert run.decisions == {WAV: "INCOMPLETE", RND: "DROP", BAD: "DROP"}
    assert "the record is damaged or was altered" in str(run.verdict["complete"])


@pytest.mark.long
def test_a_shard_that_failed_says_why_in_the_merge(cheap: Cheap) -> None:
    shard = cheap("-n0", "--gate-shard=1/1", output="shard", mishap={f"{WAV}.fold4of5": "raise"})
    assert shard.ret == 1

    run = cheap("-n0", "--gate-merge", *evidence_of([shard]))

    assert run.decisions == {WAV: "INCOMPLETE", RND: "DROP", BAD: "DROP"}
    assert "the evaluation crashed with RuntimeError" in str(run.verdict["complete"])


def test_evidence_from_elsewhere_saves_computing_it(cheap: Cheap, shards: list[CheapRun], reference: CheapRun) -> None:
    run = cheap("-n0", evidence_of(shards)[0])

    assert Counter(run.evaluations) == ONCE - Counter(shards[0].evaluations)
    assert run.digest == reference.digest


def test_more_machines_than_windows_leave_some_without_work(cheap: Cheap) -> None:
    run = cheap("-n0", "--gate-shard=15/15")

    assert run.ret == 0
    assert "shard 15/15, 0 windows to compute" in run.text
    assert run.verdict["promotable"] == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--gate-shard=0/3"], "--gate-shard: is '0/3', expected i/n with i from 1 to n"),
        (["--gate-shard=4/3"], "--gate-shard: is '4/3'"),
        (["--gate-shard=two"], "--gate-shard: is 'two'"),
        (["--gate-shard=1/3", "--gate-merge"], "--gate-merge and --gate-shard: a shard evaluates windows"),
        (["--gate-evidence=nowhere"], "nowhere: is not there"),
        (["--gate-workers-per-gpu=0"], "--gate-workers-per-gpu: is 0, expected a whole number of at least 1"),
        (["--gate-gpu-memory=-5"], "--gate-gpu-memory: is -5"),
    ],
)
def test_options_that_cannot_be_used(cheap: Cheap, options: list[str], told: str) -> None:
    run = cheap(*options)

    assert run.ret == 4
    assert told in run.text
    assert "Traceback" not in run.text


def test_ini_keys_are_read(cheap: Cheap, shards: list[CheapRun], tmp_path: Path, reference: CheapRun) -> None:
    folders = "\n".join(f"  {shard.output / 'evidence'}" for shard in shards)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ngate_merge = true\ngate_evidence =\n{folders}\n")

    run = cheap("-n0")

    assert run.evaluations == []
    assert run.digest == reference.digest


def test_what_a_time_limit_cuts_off_is_not_tried_for_every_test_that_needs_it(cheap: Cheap) -> None:
    run = cheap("-n0", "-k", WAV, mishap={f"{WAV}.integrity": "interrupt"})

    assert run.evaluations.count(f"{WAV}.integrity") == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert "the evaluation was cut off" in run.text


@pytest.mark.parametrize(
    ("hook", "options", "environment"),
    [
        pytest.param("pytest.skip('not today')", (), {}, id="foreign skips"),
        pytest.param("item.add_marker(pytest.mark.xfail)", (), {}, id="foreign xfails"),
        pytest.param("pass", (), {"PYTEST_ADDOPTS": "-k gating --runxfail"}, id="options in the environment"),
        pytest.param("pass", ("-p", "no:modelgate-windows", "-p", "no:modelgate-completeness"), {}, id="plugins off"),
    ],
)
def test_nothing_around_the_tests_makes_a_decision_kinder(
    cheap: Cheap,
    tmp_path: Path,
    reference: CheapRun,
    *,
    hook: str,
    options: tuple[str, ...],
    environment: dict[str, str],
) -> None:
    """One window breaks, and its model stays incomplete, whatever becomes of the tests."""
    (tmp_path / "conftest.py").write_text(
        f"import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_setup(item):\n    {hook}\n"
    )
    run = cheap("-n0", *options, environment=environment, mishap={f"{WAV}.fold2of5": "raise"})

    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.decisions[RND] in ("INCOMPLETE", reference.decisions[RND])
    assert run.verdict["promotable"] == []
