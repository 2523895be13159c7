"""GPUs as nvidia-smi tells them, as the caller may see them, and who gets which."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelgate.adapters.gpu.nvidia_smi import (
    Device,
    count_workers,
    list_devices,
    parse_listing,
    parse_memory,
    place,
    visible,
)

LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000000)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-22222222-aaaa-bbbb-cccc-000000000000)
  MIG 1g.5gb      Device  0: (UUID: MIG-33333333-aaaa-bbbb-cccc-000000000000)
  MIG 3g.20gb     Device  1: (UUID: MIG-GPU-22222222-aaaa-bbbb-cccc-000000000000/1/0)
GPU 2: NVIDIA H100 PCIe (UUID: GPU-44444444-aaaa-bbbb-cccc-000000000000)
"""
MEMORY = """\
GPU-11111111-aaaa-bbbb-cccc-000000000000, 39000
GPU-22222222-aaaa-bbbb-cccc-000000000000, [N/A]
GPU-44444444-aaaa-bbbb-cccc-000000000000, 1000
"""
DEVICES = parse_listing(LISTING, parse_memory(MEMORY))
WHOLE, SMALL, LARGE, FULL = DEVICES


def test_the_listing_is_read_with_instances_in_place_of_their_gpu() -> None:
    assert [(device.index, device.name, device.free) for device in DEVICES] == [
        (0, "NVIDIA A100-SXM4-40GB", 39000),
        (1, "MIG 1g.5gb", 5 * 1024),
        (1, "MIG 3g.20gb", 20 * 1024),
        (2, "NVIDIA H100 PCIe", 1000),
    ]
    assert LARGE.uuid == "MIG-GPU-22222222-aaaa-bbbb-cccc-000000000000/1/0"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, DEVICES),
        ("", ()),
        ("-1", ()),
        ("2,0", (FULL, WHOLE)),
        ("1", (SMALL,)),
        (" 0 , 2 ", (WHOLE, FULL)),
        ("GPU-4444", (FULL,)),
        ("GPU-", ()),
        ("MIG-33333333-aaaa-bbbb-cccc-000000000000,0", (SMALL, WHOLE)),
        (LARGE.uuid, (LARGE,)),
        ("0,9,2", (WHOLE,)),
        ("0,0,2", (WHOLE,)),
    ],
)
def test_the_callers_own_choice_is_kept_as_cuda_reads_it(wanted: str | None, expected: tuple[Device, ...]) -> None:
    assert visible(DEVICES, wanted) == expected


@pytest.mark.parametrize(
    ("most", "budget", "expected"),
    [(None, None, 3), (2, None, 6), (None, 10_000, 5), (1, 10_000, 2), (None, 50_000, 0), (3, 500, 11)],
)
def test_workers_are_counted_by_what_fits(most: int | None, budget: int | None, expected: int) -> None:
    assert count_workers(DEVICES, most, budget) == expected


def test_a_gpu_whose_memory_nobody_knows_holds_what_was_asked_for() -> None:
    unknown = Device("GPU-a", "x", 0, "GPU-a")

    assert [count_workers([unknown], most, None) for most in (None, 3)] == [1, 3]
    assert place([unknown], 2, None, None) == (unknown, unknown)


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 20_000)), max_size=5),
    st.integers(0, 12),
    st.one_of(st.none(), st.integers(1, 4)),
    st.one_of(st.none(), st.integers(100, 9_000)),
)
def test_no_gpu_gets_more_than_it_holds_and_none_stays_idle_while_a_worker_has_none(
    memory: list[int | None], workers: int, most: int | None, budget: int | None
) -> None:
    devices = [Device(f"GPU-{n}", "x", n, f"GPU-{n}", free) for n, free in enumerate(memory)]

    placed = place(devices, workers, most, budget)

    assert len(placed) == workers
    for device in devices:
        room = device.room(most, budget)
        assert room is None or placed.count(device) <= room
        assert None not in placed or (room is not None and placed.count(device) == room)
    counts = [placed.count(device) for device in devices if device.room(most, budget) is None]
    assert not counts or max(counts) - min(counts) <= 1


def fake(folder: Path, script: str) -> Path:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def test_nvidia_smi_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list").write_text(LISTING)
    (tmp_path / "memory").write_text(MEMORY)
    folder = fake(tmp_path, f'[ "$1" = -L ] && exec cat {tmp_path}/list\nexec cat {tmp_path}/memory')
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")

    assert list_devices({}) == DEVICES
    assert list_devices({"CUDA_VISIBLE_DEVICES": "2"}) == (FULL,)
    assert list_devices({"CUDA_VISIBLE_DEVICES": ""}) == ()


@pytest.mark.parametrize("script", ["exit 9", "echo 'NVIDIA-SMI has failed'; exit 0", "kill -9 $$", "printf '\\377'"])
def test_a_driver_that_does_not_work_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setenv("PATH", f"{fake(tmp_path, script)}:/bin:/usr/bin")

    assert list_devices({}) == ()


def test_without_nvidia_smi_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert list_devices({}) == ()
