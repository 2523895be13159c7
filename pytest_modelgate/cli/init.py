"""``modelgate init``: a repository that trains, judges and promotes, written file by file where nothing is yet."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_modelgate.text import terminal_safe

_NEXT = """
next:
  1. features.py    put your features there; the gate computes them anew from its own bars
  2. train.py       put your training there: fit() is a toy; pack() is what hands any network to the gate
  3. python train.py --archive-to archive/
     modelgate check archive/*.zip     what would be judged, what refused; no market data
     modelgate record archive/*.zip    market data, once; crypto needs no keys
     pytest --model-archive=archive/Alpaca_trading_trained_YYYYMMDD_HHMMSS.zip
  4. modelgate promote, as the last line of pytest says it; README.md tells how CI does all of this"""


def add_init(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    folder = "made when it does not exist; files that are there stay as they are (default: the current one)"
    parser.add_argument("folder", type=Path, nargs="?", default=Path(), help=folder)
    parser.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> int:
    """Write what is missing, or raise; 0 also where everything is there."""
    from pytest_modelgate.services.scaffolding import lay_out, repository

    kept = 0
    for name, written in lay_out(repository(), options.folder):
        kept += not written
        print(f"{'wrote' if written else 'kept '} {terminal_safe(str(options.folder / name))}")
    if kept:
        print(f"{kept} of these files {'was' if kept == 1 else 'were'} there already, and stay as they are")
    print(_NEXT)
    return 0
