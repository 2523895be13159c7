"""``modelgate register``: an archive's bytes into the ledger, so that later bars are certain to be unseen."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from pytest_modelgate.text import terminal_safe

_LEDGER = Path("modelgate-ledger.jsonl")


def add_register(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("archive", type=Path, metavar="X.zip", help="zip or folder of a training run")
    ledger = f"the ledger, made when it does not exist; as --gate-ledger (default: {_LEDGER})"
    parser.add_argument("--ledger", type=Path, default=_LEDGER, metavar="FILE", help=ledger)
    parser.set_defaults(run=_register)


def _register(options: argparse.Namespace) -> int:
    """Register, or raise; 0 when it is there, since now or before."""
    from pytest_modelgate.services.trials import register_archive

    entry = register_archive(options.archive, options.ledger, lambda: datetime.now(UTC))
    count = len(entry.checkpoints)
    models = f"{count} checkpoint{'s' if count != 1 else ''}"
    print(f"registered: {terminal_safe(options.archive.name)} sha256 {entry.archive[:12]}... with {models}")
    print(f"since {entry.registered}; bars from then on are certain to be unseen: judge with", end=" ")
    print(f"--gate-ledger={terminal_safe(str(options.ledger))}")
    return 0
