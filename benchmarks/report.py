"""What the report of many models costs: size, memory, seconds against the same run without a report, time to open.

    python benchmarks/report.py [models] [pairs]

Models, folds and workers are those of a whole run of the gate; their evidence is there already, so that the difference
is the report's. Chromium opens the page if one is installed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from string import ascii_uppercase

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from gate_runs import Cost, python
from rows import Row, make_row, not_measured
from support import cheap_gate, model_factory
from support.plugin_helpers import pack

_MANY = 200
_PLUGINS = ("modelgate", "html", "metadata", "xdist", "support.cheap_gate")  # by the names they look for each other
_WITHOUT = ("-p", "no:html")


def archive(folder: Path, models: int) -> Path:
    """So many models, most of them evaluated in every window, with long histories."""
    history = {metric: [values[-1] * (0.5 + 0.5 * step / 99) for step in range(100)] + list(values)
               for metric, values in model_factory.APPROVED.items()}  # fmt: skip
    names = ("".join(letters) for letters in product(ascii_uppercase, repeat=3))
    symbols = [f"WA{'V' if number % 2 else 'X'}{name}USD" for number, name in zip(range(models), names, strict=False)]
    return pack(folder, *(cheap_gate.artifact(symbol, history) for symbol in symbols))


def run(folder: Path, path: Path, *options: str) -> Cost:
    """One run of the gate with the evidence that is there."""
    told = folder / "told.json"
    told.write_text('{"drawn": true}')
    os.environ |= {"PYTHONPATH": str(ROOT / "tests"), cheap_gate.INSTRUCTIONS: str(told)}
    plugins = [word for name in _PLUGINS for word in ("-p", name)]
    return python(folder, "-m", "pytest", "-q", "--tb=no", *plugins, f"--model-archive={path}", *options)


def rows() -> Iterator[Row]:
    """Of many models at once, evaluated by two workers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cost = run(folder, archive(folder, _MANY), "-n2")
        page = folder / "gate-report" / "report.html"
        note = "of controller and workers the largest; cheap models over 180 days of hours; target 400"
        yield make_row(f"peak memory, {_MANY} models with a report, -n 2", "MB", cost.peak, note=note)
        yield make_row(f"report.html of {_MANY} models", "MB", page.stat().st_size / 1e6)
        opened, seconds = f"opening the report of {_MANY} models", opening(page)
        yield make_row(opened, "s", seconds) if seconds else not_measured(opened, "there is no Chromium")


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
            tab.set_default_timeout(120_000)
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
        run(folder, path, *_WITHOUT)  # gains the evidence
        without, with_report = [], []
        for _ in range(pairs):
            without.append(run(folder, path, *_WITHOUT))
            with_report.append(run(folder, path))
        page = folder / "gate-report" / "report.html"
        size, verdict = page.stat().st_size, (folder / "gate-report" / "verdict.json").stat().st_size
        seconds = opening(page)
    wall = statistics.median(a.wall - b.wall for a, b in zip(with_report, without, strict=True))
    cpu = statistics.median(a.cpu - b.cpu for a, b in zip(with_report, without, strict=True))
    ratio = statistics.median(a.cpu / b.cpu for a, b in zip(with_report, without, strict=True))
    print(f"{models} models, medians of {pairs} pairs")
    print(f"{'report.html':<38}{size / 1e6:>8.2f} MB")
    print(f"{'verdict.json':<38}{verdict / 1e6:>8.2f} MB")
    print(f"{'run without a report, CPU':<38}{statistics.median(cost.cpu for cost in without):>8.2f} s")
    print(f"{'run with it, CPU':<38}{statistics.median(cost.cpu for cost in with_report):>8.2f} s  ({ratio:.2f} x)")
    print(f"{'what the report adds, CPU':<38}{cpu:>8.2f} s")
    print(f"{'what the report adds, wall':<38}{wall:>8.2f} s")
    print(f"{'most memory with it':<38}{max(cost.peak for cost in with_report):>8.0f} MB")
    print(f"{'opening it in Chromium':<38}" + (f"{seconds:>8.2f} s" if seconds else "not measured: no Chromium"))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
