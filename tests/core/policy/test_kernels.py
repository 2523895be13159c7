"""The same decisions under other BLAS kernels and numbers of threads, in other batches, and in another order."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import engine_digest

from pytest_modelgate.core.backtest import evaluation
from pytest_modelgate.core.policy import inference

pytestmark = pytest.mark.long

TESTS = Path(__file__).parents[2]
KERNELS = {"Haswell": "FMA3", "Prescott": "SSE3", "SkylakeX": "AVX512_SKX"}  # with what a CPU must have


def digests(kernel: str, threads: int) -> list[str]:
    names = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {
        **os.environ,
        **dict.fromkeys(names, str(threads)),
        "OPENBLAS_CORETYPE": kernel,
        "PYTHONPATH": str(TESTS),
    }
    command = [sys.executable, "-m", "support.engine_digest"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="the kernels are those of x86 CPUs")
def test_neither_kernels_nor_threads_change_a_decision() -> None:
    features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]  # published nowhere else
    possible = [name for name, needed in KERNELS.items() if features.get(needed)]
    runs = [digests(name, 1) for name in possible]

    assert len(runs) > 1
    assert len({raw for _, raw in runs}) > 1, "the kernels computed alike, so nothing was shown"
    assert {decided for decided, _ in (*runs, digests(possible[0], 3))} == {engine_digest.digests()[0]}


@pytest.mark.parametrize(("rows", "ahead"), [(1, 0), (64, 5), (4096, 1000)])
def test_neither_batches_nor_the_order_of_folds_change_a_decision(
    rows: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = engine_digest.digests()
    monkeypatch.setattr(inference, "_ROWS", rows)
    monkeypatch.setattr(evaluation, "_AHEAD", ahead)

    assert engine_digest.digests(backwards=True)[0] == expected
