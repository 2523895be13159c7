"""The same decisions under other BLAS kernels and numbers of threads, in processes of their own."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "engine_digest.py"
KERNELS = {"Haswell": "FMA3", "Prescott": "SSE3", "SkylakeX": "AVX512_SKX"}  # with what a processor must have


def digests(kernel: str, threads: int) -> list[str]:
    names = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {
        **os.environ,
        **dict.fromkeys(names, str(threads)),
        "OPENBLAS_CORETYPE": kernel,
        "PYTHONPATH": str(SCRIPT.parent),
    }
    run = subprocess.run(
        [sys.executable, SCRIPT], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="the kernels are those of x86 processors")
def test_neither_kernels_nor_threads_change_a_decision() -> None:
    features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]  # published nowhere else
    possible = [name for name, needed in KERNELS.items() if features.get(needed)]
    found = [digests(name, threads) for name, threads in zip(possible, (1, 3, 2), strict=False)]

    assert len(found) > 1
    assert len({decided for decided, _ in found}) == 1
    assert len({raw for _, raw in found}) > 1, "the kernels computed alike, so nothing was shown"
