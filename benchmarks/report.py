"""What the report of many models costs: size, seconds against the same run without a report, time to open.

    python benchmarks/report.py [models] [pairs]

Models, folds and workers are those of a whole run of the gate; their evidence is there already, so that the difference
is the report's. Chromium opens the page if one is installed.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import cheap_gate, model_factory
from support.plugin_helpers import pack

_UNUSED = ("hypothesispytest", "randomly", "rerunfailures", "timeout", "pytest_cov", "cacheprovider")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def archive(folder: Path, models: int) -> Path:
    """So many models, most of them evaluated in every window, with long histories."""
    history = {metric: [values[-1] * (0.5 + 0.5 * step / 99) for step in range(100)] + list(values)
               for metric, values in model_factory.APPROVED.items()}  # fmt: skip
    symbols = [
        f"WA{'V' if number % 2 else 'X'}{_LETTERS[number // 26]}{_LETTERS[number % 26]}USD" for number in range(models)
    ]
    return pack(folder, *(cheap_gate.artifact(symbol, history) for symbol in symbols))


def run(folder: Path, path: Path, *options: str) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    unused = [part for plugin in _UNUSED for part in ("-p", f"no:{plugin}")]
    arguments = [*unused, "-p", "support.cheap_gate", f"--model-archive={path}"]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", *arguments]
    told = folder / "told.json"
    told.write_text('{"drawn": true}')
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), cheap_gate.INSTRUCTIONS: str(told)},
        capture_output=True,
        check=False,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1), done.stdout.decode() + done.stderr.decode()
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def opening(page: Path) -> float | None:
    """Seconds until a browser has loaded and laid out the page; None without a browser."""
    path = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    if path is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        times = []
        for _ in range(3):
            tab = browser.new_page()
            start = time.perf_counter()
            tab.goto(page.as_uri())
            tab.evaluate("document.documentElement.scrollHeight")
            times.append(time.perf_counter() - start)
            tab.close()
        browser.close()
    return statistics.median(times)


def main(models: int = 20, pairs: int = 3) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = archive(folder, models)
        run(folder, path, "-p", "no:html")  # gains the evidence
        without, with_report = [], []
        for _ in range(pairs):
            without.append(run(folder, path, "-p", "no:html"))
            with_report.append(run(folder, path))
        page = folder / "gate-report" / "report.html"
        size, verdict = page.stat().st_size, (folder / "gate-report" / "verdict.json").stat().st_size
        seconds = opening(page)
    wall = statistics.median(a[0] - b[0] for a, b in zip(with_report, without, strict=True))
    cpu = statistics.median(a[1] - b[1] for a, b in zip(with_report, without, strict=True))
    ratio = statistics.median(a[1] / b[1] for a, b in zip(with_report, without, strict=True))
    print(f"{models} models, medians of {pairs} pairs")
    print(f"{'report.html':<38}{size / 1e6:>8.2f} MB")
    print(f"{'verdict.json':<38}{verdict / 1e6:>8.2f} MB")
    print(f"{'run without a report, CPU':<38}{statistics.median(cost[1] for cost in without):>8.2f} s")
    print(f"{'run with it, CPU':<38}{statistics.median(cost[1] for cost in with_report):>8.2f} s  ({ratio:.2f} x)")
    print(f"{'what the report adds, CPU':<38}{cpu:>8.2f} s")
    print(f"{'what the report adds, wall':<38}{wall:>8.2f} s")
    print(f"{'opening it in Chromium':<38}" + (f"{seconds:>8.2f} s" if seconds else "not measured: no Chromium"))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
