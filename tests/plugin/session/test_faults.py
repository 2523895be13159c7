"""The machine fails: the old result or an incomplete one is there, a sentence says why, and the next run goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import cheap_runs
from support.cheap_runs import BAD, RND, WAV, WINDOWS, CheapRun

Cheap = Callable[..., CheapRun]
ONCE = Counter(f"{model}.{window}" for model in (RND, WAV) for window in WINDOWS)


def assert_told_in_order(run: CheapRun) -> None:
    assert "Traceback" not in run.text
    assert "INTERNALERROR" not in run.text


@pytest.mark.long
def test_too_little_memory_and_a_lost_gpu_cost_their_own_model_alone(cheap: Cheap, reference: CheapRun) -> None:
    run = cheap("-n0", mishap={f"{WAV}.fold2of5": "memory", f"{WAV}.fold3of5": "gpu"})

    assert_told_in_order(run)
    assert run.ret == 1
    assert run.decisions == {WAV: "INCOMPLETE", RND: reference.decisions[RND], BAD: "DROP"}
    assert f"{WAV} fold2of5: there was not enough memory to evaluate it. Run again" in run.text
    assert f"{WAV} fold3of5: the GPU failed while it was evaluated. Run again" in run.text
    assert "CUDA" not in run.text


def start_and_stop(folder: Path, archive: Path, workers: str, number: int) -> CheapRun:
    """A run that is sent a signal while it evaluates."""
    scratch = folder / "scratch"
    scratch.mkdir()
    last = f"{WAV}.fold3of5"
    process, run = cheap_runs.start(folder, archive, workers, sleep={last: 3.0}, environment={"TMPDIR": str(scratch)})
    end = time.monotonic() + 60
    while last not in run.evaluations and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    return cheap_runs.end(process, run)


def assert_stopped(run: CheapRun) -> None:
    assert_told_in_order(run)
    assert run.ret == pytest.ExitCode.INTERRUPTED
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.verdict["promotable"] == []
    assert list((run.folder / "scratch").glob("modelgate-*")) == []


@pytest.mark.long
def test_an_interrupted_run_and_what_failed_in_it_are_finished_by_the_next(
    cheap: Cheap, tmp_path: Path, cheap_archive: Path, reference: CheapRun
) -> None:
    run = start_and_stop(tmp_path, cheap_archive, "-n0", signal.SIGINT)
    assert_stopped(run)
    done = recorded(run)
    assert done

    last_failed = cheap("-n0", "--lf")
    again = cheap("-n0")

    assert all(word in ("INCOMPLETE", reference.decisions[model]) for model, word in last_failed.decisions.items())
    assert again.digest == reference.digest
    assert not done & {*last_failed.evaluations, *again.evaluations}


@pytest.mark.long
@pytest.mark.parametrize("option", ["-o filterwarnings=error", "-Werror"])
def test_an_interrupt_in_another_plugins_hook_is_one_where_warnings_are_errors(
    tmp_path: Path, cheap_archive: Path, option: str
) -> None:
    (tmp_path / "struck.py").write_text(
        "import os, signal, time, pytest\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_runtest_makereport(item, call):\n"
        "    if 'test_sanity' in item.nodeid and call.when == 'call':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(5)\n"
    )

    path = os.pathsep.join([str(tmp_path), str(Path(cheap_runs.__file__).parents[1])])

    run = cheap_runs.run(
        tmp_path,
        cheap_archive,
        *("-n0", "-p", "struck", *option.split()),
        plugins=("hypothesispytest",),
        environment={"PYTHONPATH": path},
    )

    assert_told_in_order(run)
    assert run.ret == pytest.ExitCode.INTERRUPTED
    assert "! KeyboardInterrupt !" in run.text
    assert run.verdict["promotable"] == []


@pytest.mark.long
def test_a_run_that_is_asked_to_stop_ends_as_one_that_is_interrupted(tmp_path: Path, cheap_archive: Path) -> None:
    run = start_and_stop(tmp_path, cheap_archive, "-n2", signal.SIGTERM)

    assert_stopped(run)
    assert "KeyboardInterrupt: asked to stop by SIGTERM" in run.text


@pytest.mark.long
def test_workers_of_a_run_that_is_killed_do_not_outlive_it(tmp_path: Path, cheap_archive: Path) -> None:
    run = start_and_stop(tmp_path, cheap_archive, "-n2", signal.SIGKILL)

    assert run.verdict["complete"] == "the run has not finished"
    end = time.monotonic() + 30
    while any(map(_lives, run.processes)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [process for process in run.processes if _lives(process)]


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    return True


def recorded(run: CheapRun) -> set[str]:
    """Windows with evidence."""
    return {path.stem for path in run.output.glob("evidence/*/*.json")}


Disk = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small file system, made as told."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def make(how: str) -> Path:
        if sys.platform != "linux" or not _mount("-t", "tmpfs", "-o", how, "tmpfs", str(folder)):
            pytest.skip("a file system of its own takes Linux and root")
        return folder

    yield make
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def _mount(*arguments: str) -> bool:
    if shutil.which("mount") is None:
        return False
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


FILL = """
import os, pathlib
def fill(folder):
    with open(f"{folder}/filler", "wb", buffering=0) as file:
        for size in (65536, 512):
            try:
                while file.write(bytes(size)): pass
            except OSError: pass
"""


@pytest.mark.long
def test_a_disk_that_fills_up_leaves_an_incomplete_verdict_and_the_next_run_goes_on(
    cheap: Cheap, disk: Disk, tmp_path: Path, reference: CheapRun
) -> None:
    small = disk("size=8m")
    when = f"def pytest_runtest_setup(item):\n    if '{WAV}-fold2of5' in item.nodeid: fill({str(small)!r})\n"
    (tmp_path / "filling.py").write_text(FILL + when)

    run = cheap("-n2", "-p", "filling", output=str(small / "out"))

    assert_told_in_order(run)
    assert run.ret == 1
    assert run.verdict["complete"] == "the run has not finished"
    assert run.verdict["promotable"] == []
    assert f"evidence cannot be written to {small}/out/evidence: No space left on device" in run.text
    assert f"error: --gate-output: {small}/out/verdict.json cannot be written: No space left on device" in run.text
    assert "verdict.json (INCOMPLETE, nothing is promotable)" in run.text
    assert not list(run.output.glob("**/*.tmp"))
    done = recorded(run)
    assert done

    (small / "filler").unlink()
    again = cheap("-n0", output=str(small / "out"))

    assert again.digest == reference.digest
    assert Counter(again.evaluations) == ONCE - Counter(done)


def test_a_disk_on_which_no_claim_can_be_made_fails_windows_not_the_run(cheap: Cheap, disk: Disk) -> None:
    run = cheap("-n0", output=str(disk("nr_inodes=14") / "out"))

    assert_told_in_order(run)
    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.verdict["promotable"] == []
    assert "evidence cannot be written" in run.text


def test_a_disk_that_is_full_leaves_the_old_verdict_and_says_so(cheap: Cheap, disk: Disk, reference: CheapRun) -> None:
    small = disk("size=1m")
    old = (reference.output / "verdict.json").read_bytes()
    (small / "verdict.json").write_bytes(old)
    exec(FILL + f"fill({str(small)!r})", {})

    run = cheap("-n0", output=str(small))

    assert_told_in_order(run)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --gate-output: {small}/verdict.json cannot be written: No space left on device" in run.text
    assert (small / "verdict.json").read_bytes() == old


def test_a_folder_that_may_only_be_read_is_one_clear_error(cheap: Cheap, disk: Disk) -> None:
    run = cheap("-n0", output=str(disk("ro") / "out"))

    assert_told_in_order(run)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "out cannot be made: Read-only file system. Name a folder that can be written." in run.text
