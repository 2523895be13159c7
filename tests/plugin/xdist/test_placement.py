"""Workers get their GPU and their one thread before they import anything, and keep them."""

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cheap_runs import WAV, CheapRun

Cheap = Callable[..., CheapRun]
FIRST, SECOND = "GPU-11111111-aaaa-bbbb-cccc-000000000000", "GPU-22222222-aaaa-bbbb-cccc-000000000000"
GPUS = f"GPU 0: NVIDIA A100 (UUID: {FIRST})\nGPU 1: NVIDIA A100 (UUID: {SECOND})\n"


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """A machine with two GPUs, as far as nvidia-smi tells; every process notes what it finds at its start."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "list").write_text(GPUS)
    (folder / "memory").write_text(f"{FIRST}, 9000\n{SECOND}, 5000\n")
    program = folder / "nvidia-smi"
    program.write_text(f'#!/bin/sh\n[ "$1" = -L ] && exec cat {folder}/list\nexec cat {folder}/memory\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "conftest.py").write_text(
        "import json, os, pathlib\n"
        "names = ('CUDA_VISIBLE_DEVICES', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS')\n"
        "who = os.environ.get('PYTEST_XDIST_WORKER', 'controller')\n"
        "found = {name: os.environ.get(name) for name in names}\n"
        "pathlib.Path(f'started-{who}.json').write_text(json.dumps(found))\n"
    )
    return {"PATH": f"{folder}:/bin:/usr/bin", "OMP_NUM_THREADS": "", "CUDA_VISIBLE_DEVICES": "0,1"}


def started(run: CheapRun) -> dict[str, dict[str, str | None]]:
    """What every process found at its start."""
    found = {}
    for path in run.folder.glob("started-*.json"):
        found[path.stem.removeprefix("started-")] = json.loads(path.read_text())
    return found


def test_each_worker_has_a_gpu_before_anything_is_imported_and_who_replaces_it_keeps_it(
    cheap: Cheap, machine: dict[str, str]
) -> None:
    del machine["OMP_NUM_THREADS"], machine["CUDA_VISIBLE_DEVICES"]
    run = cheap("-nauto", "-k", WAV, environment=machine, mishap={f"{WAV}.fold2of5": "kill"})

    crashed = re.search(r"replacing crashed worker (gw\d)", run.text)
    assert crashed
    found = started(run)
    assert found.keys() == {"controller", "gw0", "gw1", "gw2"}
    gpus = [found[worker]["CUDA_VISIBLE_DEVICES"] for worker in ("gw0", "gw1", "gw2")]
    assert gpus == [FIRST, SECOND, found[crashed[1]]["CUDA_VISIBLE_DEVICES"]]
    assert {found[worker]["OMP_NUM_THREADS"] for worker in ("gw0", "gw1", "gw2")} == {"1"}
    assert found["controller"] == {"CUDA_VISIBLE_DEVICES": None, "OMP_NUM_THREADS": None, "MKL_NUM_THREADS": None}
    told = f"workers with one thread each: gw0: GPU 0 (NVIDIA A100, {FIRST}); gw1: GPU 1 (NVIDIA A100, {SECOND})"
    assert told in run.text


@pytest.mark.long
def test_who_finds_no_room_computes_on_the_cpu_and_what_the_user_set_stays(
    cheap: Cheap, machine: dict[str, str]
) -> None:
    options = ("-n2", "-m", "gating", "--gate-workers-per-gpu=1")
    run = cheap(*options, environment=machine | {"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": "1"})

    found = started(run)
    assert [found[worker]["CUDA_VISIBLE_DEVICES"] for worker in ("gw0", "gw1")] == [SECOND, ""]
    assert [(found[w]["OMP_NUM_THREADS"], found[w]["MKL_NUM_THREADS"]) for w in ("gw0", "gw1")] == [("3", "1")] * 2
    assert "gw1: CPU only" in run.text


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "workers"),
    [
        pytest.param(["--gate-gpu-memory=4000"], 3, id="by memory"),
        pytest.param(["--gate-workers-per-gpu=1", "--gate-gpu-memory=6000"], 1, id="by both"),
    ],
)
def test_auto_means_as_many_workers_as_the_gpus_hold(
    cheap: Cheap, machine: dict[str, str], options: list[str], workers: int
) -> None:
    run = cheap("-nauto", "-k", "classification", *options, environment=machine)

    assert f"{workers} worker" in run.text
    assert len(started(run)) == workers + 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("option", "changes", "seen"),
    [
        pytest.param("-v", {"PATH": "/nowhere"}, "0,1", id="no GPU"),
        pytest.param("--gate-device=cpu", {}, "0,1", id="none wanted"),
        pytest.param("-v", {"PYTEST_XDIST_AUTO_NUM_WORKERS": "5"}, FIRST, id="told otherwise"),
    ],
)
def test_auto_is_left_to_xdist(
    cheap: Cheap, machine: dict[str, str], option: str, changes: dict[str, str], seen: str
) -> None:
    """``--maxprocesses`` keeps the test small: of five workers it leaves three, more than the GPUs would mean."""
    limit = "--maxprocesses=3" if "PYTEST_XDIST_AUTO_NUM_WORKERS" in changes else "--maxprocesses=1"
    run = cheap("-nauto", limit, "-k", "classification", option, environment=machine | changes)

    assert f"{limit[-1]} worker" in run.text
    assert started(run)["gw0"]["CUDA_VISIBLE_DEVICES"] == seen
