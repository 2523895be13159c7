"""Collecting an archive of 1,000 models, against pytest alone collecting as many empty tests."""

from __future__ import annotations

import itertools
import statistics
import string
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from gate_runs import bare, gate
from rows import Row, make_row
from support.archives import pack_unopened
from support.model_factory import APPROVED

from pytest_modelgate import ModelArtifact

FEW, MANY, ROUNDS = 10, 1000, 3
_NAMED = datetime(2024, 12, 27, 21, 18, 19, tzinfo=UTC)


def rows() -> list[Row]:
    """Milliseconds of CPU time a model, beyond what a run takes anyway."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        few, many = archive_of(folder, FEW), archive_of(folder, MANY)
        ours, theirs, fixed, text = [], [], [], ""
        for _ in range(ROUNDS):
            small, large = (gate(folder, path, "-n0", "--collect-only") for path in (few, many))
            text = large.text
            tests = int(text.strip().splitlines()[-1].split()[0]) // MANY
            plain = [bare(folder, count * tests, "", "--collect-only").cpu for count in (FEW, MANY)]
            ours.append(1000 * (large.cpu - small.cpu) / (MANY - FEW))
            theirs.append(1000 * (plain[1] - plain[0]) / (MANY - FEW))
            fixed.append(small.cpu)
    mine, bound = statistics.median(ours), statistics.median(theirs)
    note = (
        f"{tests} tests a model; the bound is pytest alone collecting as many; target at most 5; "
        f"{statistics.median(fixed):.2f} s of CPU for {FEW} models"
    )
    return [make_row("collection of 1,000 models, per model", "ms CPU", mine, bound=bound, note=note)]


def archive_of(folder: Path, count: int) -> Path:
    """Models that nobody opens."""
    symbols = ["".join(letters) + "USD" for letters in itertools.product(string.ascii_uppercase, repeat=3)][:count]
    models = [ModelArtifact(symbol=symbol, timeframe="1Hour", checkpoint=b"-", history=APPROVED) for symbol in symbols]
    return pack_unopened(folder / f"many{count}_20241227_211819.zip", models, trained_at=_NAMED)
