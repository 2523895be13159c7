"""Read hostile archives, summaries and checkpoints until the time is up; whatever ends in anything but a reading or
one clear error is a fault.

    python tests/fuzz/archives.py --minutes 30 --seed 1
    python tests/fuzz/archives.py --replay FILE        # an input that a run has kept
    python tests/fuzz/archives.py --costs              # what the most expensive inputs cost

Inputs are drawn by hypothesis and read in processes of their own, with a limit to their memory, so that a crash, a hang
or a blow-up of memory is a fault like any other. Those that fail are kept in the folder that --keep names.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

_BATCH = 250
_KINDS = ("zip", "summary", "layout", "tar", "checkpoint", "onnx", "safetensors", "state_dict", "sb3", "normaliser")


def _readings() -> dict[str, tuple[Any, Any]]:
    """Strategy and reader per kind of input."""
    from support import hostile_reading as reading
    from support.hostile_checkpoints import checkpoint_files
    from support.hostile_formats import onnx_files, safetensors_files, state_dict_files
    from support.hostile_layouts import layouts, tars
    from support.hostile_sb3 import normalisers, sb3_files
    from support.hostile_summaries import summaries
    from support.hostile_zips import zips

    packed = summaries().map(lambda raw: reading.honest_zip(raw).build())
    return {
        "zip": (zips(reading.honest_zip()), reading.read_archive),
        "summary": (packed, reading.read_archive),
        "layout": (layouts(), reading.read_archive),
        "tar": (tars(), reading.read_archive),
        "checkpoint": (checkpoint_files(), reading.read_checkpoint),
        "onnx": (onnx_files(), partial(reading.read_model_file, ".onnx")),
        "safetensors": (safetensors_files(), partial(reading.read_model_file, ".safetensors")),
        "sb3": (sb3_files(), reading.read_sb3),
        "normaliser": (normalisers(), reading.read_normaliser),
        "state_dict": (state_dict_files(), partial(reading.read_model_file, ".pt")),
    }


def _batch(kind: str, seed: int, journal: Path, told: Any) -> None:
    """Draw and read a batch in this process; what was read last stands in the journal."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    strategy, read = _readings()[kind]
    from support.hostile_reading import limit_memory

    outcomes: Counter[str] = Counter()
    limit_memory()

    @seeded(seed)
    @settings(
        max_examples=_BATCH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def play(content: bytes) -> None:
        journal.write_bytes(content)
        start = time.process_time()
        outcome = read(content)
        took = time.process_time() - start
        outcomes["read" if outcome == "read" else "refused"] += 1
        assert took < 5.0, f"it took {took:.1f} s of processor time"

    try:
        play()
        fault = ""
    except BaseException:  # noqa: BLE001 - the parent tells, and goes on
        fault = "\n".join(line[:300] for line in traceback.format_exc(limit=-8).splitlines())
    told.send((dict(outcomes), fault, journal.read_bytes() if fault else b""))


def _run(minutes: float, seed: int, keep: Path, kinds: Sequence[str]) -> int:
    outcomes: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
    faults, number, end = 0, 0, time.monotonic() + 60 * minutes
    keep.mkdir(parents=True, exist_ok=True)
    journal = keep / "last"
    _readings()  # imported once, inherited by every batch
    processes = multiprocessing.get_context("fork")
    while time.monotonic() < end:
        kind = kinds[number % len(kinds)]
        receiver, sender = processes.Pipe(duplex=False)
        child = processes.Process(
            target=_batch, args=(kind, random.Random(f"{seed}/{number}").getrandbits(64), journal, sender)
        )
        child.start()
        sender.close()
        try:
            found, fault, content = receiver.recv()
        except KeyboardInterrupt:
            break
        except EOFError:
            found, fault, content = {}, "the process ended", journal.read_bytes()
        child.join()
        outcomes[kind].update(found)
        if fault:
            faults += 1
            path = keep / f"{kind}-{seed}-{number}"
            path.write_bytes(content)
            print(f"FAULT in batch {number} (status {child.exitcode}), input kept as {path}:\n{fault}", flush=True)
        number += 1
    for kind, counted in outcomes.items():
        print(f"{kind}: {sum(counted.values())} inputs, {counted['read']} read, {counted['refused']} refused")
    print(f"{number} batches of seed {seed}, {faults} with a fault")
    return 1 if faults else 0


def _costs() -> int:
    """Processor time and memory of the corpus, with what is costly as large as the caps allow."""
    import resource

    from support import hostile_corpus

    hostile_corpus.SCALE[0], dear = 16, 0
    for name, (read, build, _) in hostile_corpus.CORPUS.items():
        receiver, sender = os.pipe()
        child = os.fork()
        if child == 0:
            content = build()
            before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
            read(content)
            megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
            os.write(sender, f"{time.process_time() - start:.2f} {megabytes}".encode())
            os._exit(0)
        os.close(sender)
        with os.fdopen(receiver) as pipe:
            seconds, _, megabytes_told = (pipe.read() or "inf inf").partition(" ")
        os.waitpid(child, 0)
        dear += float(seconds) > 5.0 or float(megabytes_told) > 1024
        print(f"{name:20} {seconds:>6} s {megabytes_told:>5} MB", flush=True)
    return 1 if dear else 0


def main() -> int:
    """Fuzz, or replay; the exit status tells whether anything was at fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="folder for inputs at fault")
    parser.add_argument("--replay", type=Path, help="read this one file")
    parser.add_argument("--only", nargs="+", choices=_KINDS, default=_KINDS, metavar="KIND", help=", ".join(_KINDS))
    parser.add_argument("--costs", action="store_true", help="measure the corpus instead")
    options = parser.parse_args()
    if options.costs:
        return _costs()
    if options.replay is None:
        return _run(options.minutes, options.seed, options.keep, options.only)
    kind = options.replay.name.partition("-")[0]
    print(_readings()[kind][1](options.replay.read_bytes()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
