"""``modelgate demo``: the demo archive judged on generated bars, in a folder of its own, without network and keys."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from pytest_modelgate.text import shell_command, terminal_safe

_FOLDER = Path("modelgate-demo")
_BLOCKED = 1  # pytest's exit status where some model is blocked


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    folder = f"where archive, market data and results go; what is there is used again (default: {_FOLDER})"
    parser.add_argument("folder", type=Path, nargs="?", default=_FOLDER, help=folder)
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    """Lay the demo out and judge it; 0 when the gate did its work, whatever it blocked."""
    from pytest_modelgate.services.scaffolding import demo_recorder, demonstration, lay_out

    folder: Path = options.folder
    for _ in lay_out(demonstration(), folder):
        pass
    cassettes, unfinished = folder / "cassettes", folder / ".cassettes"
    if not cassettes.exists():
        print("generating a market, and recording it from a local server: every price in it is invented", flush=True)
        if status := _run([sys.executable, str(demo_recorder()), "--cassettes", str(unfinished)], quiet=True):
            return status
        unfinished.rename(cassettes)
    gate = ["-m", "pytest", "model_tests", "--model-archive=demo_archive.zip", "--gate-ledger=demo_ledger.jsonl"]
    print(f"cd {terminal_safe(shell_command([str(folder)]))}")
    print(shell_command(["python", *gate]), flush=True)
    status = _run([sys.executable, *gate], folder)
    if status == _BLOCKED:
        page = terminal_safe(str(folder / "gate-report" / "report.html"))
        print(f"\nStatus 1 is expected of pytest here: the demo holds models that must be blocked. Open {page}.")
        return 0
    return status


def _run(command: list[str], folder: Path | None = None, *, quiet: bool = False) -> int:
    """A command in a process of its own; its exit status. Ctrl-C reaches it too, and it ends in its own way."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL if quiet else None) as process:  # noqa: S603 - ours
        return process.wait()
