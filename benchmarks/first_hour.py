"""The first hour, played: from an empty folder to a promoted model of one's own, with every command a user types.

    python benchmarks/first_hour.py

Bars come from a local server that speaks Alpaca's format, so neither keys nor network are needed; commands are those of
`modelgate init`, run in processes of their own. Prints what each took, and how many lines connect trainer and gate.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from marketsim.demo import DEMO
from marketsim.generator import generate
from marketsim.server import serve

AS_OF = "2024-12-27T21:18:19+00:00"  # generated markets end the day after
KEY = ("crypto", "UNI/USD", "1Hour")
ARCHIVE = "archive/Alpaca_trading_trained_20241227_211819.zip"
MODELGATE = ("-m", "pytest_modelgate.cli.main")
STEPS: Mapping[str, tuple[str, ...]] = {
    "modelgate init": (*MODELGATE, "init"),
    "python train.py": ("train.py", "--archive-to", "archive", "--symbols", "UNIUSD", "--as-of", AS_OF),
    "modelgate check": (*MODELGATE, "check", ARCHIVE),
    "modelgate record": (*MODELGATE, "record", ARCHIVE),
    "pytest": ("-m", "pytest", f"--model-archive={ARCHIVE}"),
    "modelgate promote": (
        *(*MODELGATE, "promote", "gate-report/verdict.json", "--archive", ARCHIVE, "--to", "models/paper"),
        *("--minimum", "paper", "--max-age", "99999d"),
    ),
}


def play(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, float, str]]:
    """Play every step in a folder, the next one when it is asked for.

    Yields:
        What was called, how many seconds it took, and what it said.

    Raises:
        RuntimeError: a step failed; the message holds what it said.
    """
    with serve({KEY: generate(DEMO[KEY])}) as server:
        around = {**environment, "APCA_API_DATA_URL": server.url}
        for name, arguments in STEPS.items():
            begun = time.perf_counter()
            run = subprocess.run(
                [sys.executable, *arguments],
                cwd=folder,
                env=around,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if run.returncode:
                raise RuntimeError(f"{name} ended with {run.returncode}:\n{run.stdout}")
            yield name, time.perf_counter() - begun, run.stdout


def glue(folder: Path) -> int:
    """Lines of code that connect features and network of a user to the gate; ``init`` has written all of them."""
    trainer = ast.parse((folder / "train.py").read_text(encoding="utf-8"))
    packing = next(node for node in trainer.body if isinstance(node, ast.FunctionDef) and node.name == "pack")
    (writing,) = (node for node in ast.walk(trainer) if isinstance(node, ast.Call) and _name(node) == "write_archive")
    whole = ast.parse((folder / "conftest.py").read_text(encoding="utf-8"))
    nodes: list[ast.stmt | ast.expr] = [*whole.body[1:], packing, writing]
    return sum(_lines(node) for node in nodes) + 1  # and the FeatureSet itself


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _lines(node: ast.stmt | ast.expr) -> int:
    """Lines that a node takes, without its docstring."""
    documented = isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None
    return int(node.end_lineno or node.lineno) - node.lineno + 1 - documented


def main() -> None:
    """Play it once, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        total = 0.0
        for name, seconds, said in play(Path(folder), os.environ):
            total += seconds
            print(f"{name:<18} {seconds:5.1f} s   {said.strip().splitlines()[-1][:80]}")
        print(f"{'together':<18} {total:5.1f} s, {glue(Path(folder))} lines of glue, all of them written by init")


if __name__ == "__main__":
    main()
