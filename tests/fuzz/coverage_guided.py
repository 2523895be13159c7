"""Read what atheris makes up, led by the lines of the readers that it reaches. Optional: it has wheels for Linux only.

    pip install atheris
    python tests/fuzz/coverage_guided.py -max_total_time=600 -rss_limit_mb=4096 [FOLDER WITH A CORPUS]

The first byte chooses what is read: an archive, a summary, a checkpoint, or a checkpoint's pickle.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["pytest_modelgate.adapters"]):
    from support import hostile_reading as reading
from support.hostile_checkpoints import HONEST, HONEST_PICKLE, packed_with
from support.hostile_corpus import CORPUS
from support.hostile_summaries import FULL

READERS: tuple[Callable[[bytes], object], ...] = (
    reading.read_archive,
    lambda raw: reading.read_archive(reading.honest_zip(raw or b" ").build()),
    reading.read_checkpoint,
    lambda raw: reading.read_checkpoint(packed_with(raw)),
)


def read(content: bytes) -> None:
    """Read one input; whatever it raises is a fault."""
    if content:
        READERS[content[0] % len(READERS)](content[1:])


def write_seeds(folder: Path) -> None:
    """What honest trainers and the corpus hold, to begin with."""
    import json

    seeds = [b"\x00" + reading.honest_zip().build(), b"\x01" + json.dumps(FULL).encode(), b"\x02" + HONEST]
    seeds.append(b"\x03" + HONEST_PICKLE)
    for reader, build, _ in CORPUS.values():
        content = build()
        if len(content) < 100_000:
            seeds.append((b"\x00" if reader is reading.read_archive else b"\x02") + content)
    for number, seed in enumerate(seeds):
        (folder / f"seed{number}").write_bytes(seed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="modelgate-seeds-") as place:
        write_seeds(Path(place))
        atheris.Setup([*sys.argv, "-max_len=30000", place], read)
        atheris.Fuzz()
