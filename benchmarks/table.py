"""The table of what speed is claimed: every row measured here and now, or "not measured" and why.

    python benchmarks/table.py [--only TEXT] [--list] [--json benchmarks/out/bench.json]
    python benchmarks/table.py --docs docs/performance.md      # writes the last table into the page

Each part runs in a process of its own, and its rows are written as soon as it ends: what --only leaves out, or an
interrupted run did not reach, keeps the rows of the last time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUT = HERE / "out" / "bench.json"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
_PACKAGES = ("numpy", "pandas", "torch", "onnxruntime", "pytest", "pytest-xdist", "backtesting", "vectorbt", "numba")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


_CODE = """
import json, {module}
with open({target!r}, "w") as file:
    for row in {module}.rows():
        print(json.dumps(row), file=file, flush=True)
"""


@dataclass(frozen=True)
class Part:
    """A module of this folder with a function ``rows()`` that returns or yields ``Row``.

    Attributes:
        limit: seconds after which it is given up.
    """

    module: str
    title: str
    limit: float


PARTS = (
    Part("engine", "folds through the engine, against the naive way", 180),
    Part("batches", "features to actions, against float32 batches", 360),
    Part("accounting", "accounting over a year of hours", 150),
    Part("prints", "the quality gate over a year of hours", 30),
    Part("startup", "startup without an archive, and imports of a worker", 120),
    Part("collecting", "collection of 1,000 models", 90),
    Part("whole_gate", "the whole gate on four small models", 120),
    Part("linearity", "cost against work", 90),
    Part("waiting", "where users wait: the demo, many small models", 300),
    Part("machines", "two workers over ssh", 300),
    Part("large_models", "twenty models of 80 MB", 420),
    Part("report", "the report of 200 models", 300),
    Part("gpu", "the engine on a GPU", 60),
)


def main() -> None:
    """Measure and print, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="TEXT", default="", help="parts whose module or title holds it")
    parser.add_argument("--list", action="store_true", help="the parts, and nothing else")
    parser.add_argument("--json", type=Path, default=OUT, metavar="FILE")
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="write the last table there, measuring nothing")
    options = parser.parse_args()
    chosen = [part for part in PARTS if options.only in part.module or options.only in part.title]
    if options.list:
        print("\n".join(f"{part.module:<14} {part.title} (at most {part.limit:.0f} s)" for part in chosen))
    elif options.docs:
        write_page(options.docs, read(options.json))
    else:
        for part in chosen:
            print(f"measuring: {part.title} ...", file=sys.stderr, flush=True)
            keep(options.json, part.module, run(part))
        print(text_table(read(options.json)))


def run(part: Part) -> list[dict[str, Any]]:
    """The rows of a part, measured in a process of its own with one thread."""
    if not (HERE / f"{part.module}.py").exists():
        return [_nothing(part, f"there is no benchmarks/{part.module}.py")]
    with tempfile.TemporaryDirectory(prefix="modelgate-bench-") as place:
        target = Path(place) / "rows.json"
        code = _CODE.format(module=part.module, target=str(target))
        paths = [
            str(HERE.parent / name) for name in ("", "benchmarks", "examples", "tests")
        ]  # before what is installed
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": place, **dict.fromkeys(_THREADS, "1")}
        why = ""
        with subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=part.limit)
                if process.returncode:
                    why = (said.strip().splitlines() or [f"it ended with status {process.returncode}"])[-1]
            except subprocess.TimeoutExpired:
                why = f"it took more than {part.limit:.0f} s"
            finally:  # it, and whatever it started
                with contextlib.suppress(ProcessLookupError, AttributeError):
                    os.killpg(process.pid, signal.SIGKILL)
        rows = [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []
    return [*rows, _nothing(part, why)] if why else rows


def keep(path: Path, module: str, rows: list[dict[str, Any]]) -> None:
    """Put the rows of a part in the place of its earlier ones."""
    known = read(path)["rows"] if path.exists() else []
    others = [row for row in known if row["part"] != module]
    order = [part.module for part in PARTS]
    found = sorted([*others, *({**row, "part": module} for row in rows)], key=lambda row: order.index(row["part"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """What the last runs left."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def machine() -> dict[str, str]:
    """What the figures depend on."""
    found = {"cores": str(os.cpu_count()), "system": platform.system(), "python": platform.python_version()}
    found["pytest-modelgate"] = checkout()
    with contextlib.suppress(AttributeError, OSError):  # not on every system
        found["load average of 15 minutes"] = f"{os.getloadavg()[2]:.1f}"
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def checkout() -> str:
    """The commit of this folder's checkout, which is what is measured, and whether anything in it is changed."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(HERE.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return f"commit {git('rev-parse', '--short=7', 'HEAD')}{', changed' if git('status', '--porcelain') else ''}"
    except (OSError, subprocess.CalledProcessError):
        return "of no commit"


def text_table(found: dict[str, Any]) -> str:
    """For a terminal."""
    facts = ", ".join(f"{name} {value}" for name, value in found.get("machine", {}).items())
    lines = [f"measured: {facts}"] if facts else []
    lines += [f"{'work':<58} {'unit':<9} {'ours':>10} {'opponent':>10} {'ratio':>8} {'bound':>10} {'distance':>8}"]
    for row in found["rows"]:
        cells = " ".join(
            [
                f"{row['unit']:<9}",
                *(f"{_number(row[name]):>10}" for name in ("ours", "opponent")),
                f"{_times(row['ratio']):>8}",
                f"{_number(row['bound']):>10}",
                f"{_times(row['distance']):>8}",
            ]
        )
        lines.append(f"{row['name']:<58} {cells}")
        if row["note"]:
            lines.append(f"    {row['note']}")
    return "\n".join(lines)


def write_page(page: Path, found: dict[str, Any]) -> None:
    """Replace the table between the marks."""
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise SystemExit(f"{page} has no {BEGIN} ... {END}")
    facts = ", ".join(f"{name} {value}" for name, value in found["machine"].items() if name != "cores")
    lines = [
        BEGIN,
        "",
        f"Measured with {facts}, on {found['machine']['cores']} cores.",
        "",
        "| work | unit | ours | opponent | ratio | bound | distance | note |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {row['name']} | {row['unit']} | {_number(row['ours'])} | {_number(row['opponent'])} "
            f"| {_times(row['ratio'])} | {_number(row['bound'])} | {_times(row['distance'])} | {row['note']} |"
            for row in found["rows"]
        ),
        "",
        END,
    ]
    page.write_text(head + "\n".join(lines) + tail, encoding="utf-8")


def _nothing(part: Part, why: str) -> dict[str, Any]:
    from rows import not_measured

    return {**not_measured(part.title, why.strip())}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x" if value < 10 else f"{value:,.0f}x"


if __name__ == "__main__":
    main()
