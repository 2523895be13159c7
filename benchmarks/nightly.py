"""What a night costs whose models trade on one account: recording it, and the gate with its record and without.

    python benchmarks/nightly.py --models 20 --days 60

Small models on generated hours, all of them at PAPER on one simulated account, traded by the tests' toy trader and
recorded through the real client. Nothing of an earlier run of the gate is used again, so that the difference of the
two runs is what watching costs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from traded import TradedArchive  # first: it says where the helpers of the tests are

# isort: split
from support import model_factory
from support.market_factory import waves
from support.plugin_helpers import AS_OF, GOOD
from support.promotion_factory import released

from pytest_modelgate import ModelArtifact

_HOURS_BEFORE = 24 * 430  # from 2023-11 on, past the moment of the archive


@dataclass(frozen=True)
class Night:
    """One line of the table: seconds of CPU, user and system with children, and of the wall clock."""

    what: str
    cpu: float
    wall: float


def measure(folder: Path, models: int, days: int) -> Iterator[Night]:
    """Trade for so many days and one more, and measure the nights after them.

    Yields:
        The account's first recording, of all days; another one a day later; the gate with the record, and without.

    Raises:
        RuntimeError: the gate broke, it saw no record, or it found a size that this honest trader did not order.
    """
    artifacts = [_model(number) for number in range(models)]
    frames = {
        model.symbol: waves(_HOURS_BEFORE + 24 * days, seed=number) for number, model in enumerate(artifacts, start=7)
    }
    archive, begins = TradedArchive(folder, artifacts, frames), AS_OF + timedelta(hours=3)
    verdict = released(archive.archive, frames, folder / "verdict.json", begins)
    archive.promote(verdict, "paper", begins)
    with archive.market():
        archive.trade("paper", days)
        yield _recorded(archive, "account, first night")
        day = archive.trade("paper", 1)
        yield _recorded(archive, "account, one day later")
        archive.record_market(day, "paper")
        watched, bare = archive.judge(day, "paper"), archive.judge(day)
    if not all(model.get("paper") for model in watched.models.values()):
        raise RuntimeError("a model was judged without its record")
    if odd := [name for name, model in watched.models.items() if "other_size" in model["paper"]["orders"]]:
        raise RuntimeError(f"the gate finds orders of another size: {', '.join(odd)}")
    yield Night("gate with --gate-paper", watched.cost.cpu, watched.cost.wall)
    yield Night("gate without", bare.cost.cpu, bare.cost.wall)


def _model(number: int) -> ModelArtifact:
    """One that follows trends, with weights of its own."""
    policy = model_factory.follow("momentum_24")
    policy["policy_head.bias"][0] -= 0.001 * number
    symbol = f"W{chr(ord('A') + number // 26)}{chr(ord('A') + number % 26)}USD"
    probe, content = model_factory.probe(policy), model_factory.checkpoint(policy)
    return replace(GOOD, symbol=symbol, checkpoint=content, parity_probe=probe, history=model_factory.REVIEW)


def _recorded(archive: TradedArchive, what: str) -> Night:
    """Record the account; the simulated one answers in a thread of its own, whose CPU time is not counted."""
    with archive.recorder("paper") as (recorder, promotion):
        begun, used = time.perf_counter(), time.thread_time()
        recorded = recorder.record(promotion)
        cpu, wall = time.thread_time() - used, time.perf_counter() - begun
    return Night(f"{what}: {len(recorded.record.orders)} orders", cpu, wall)


def table(nights: Sequence[Night]) -> str:
    """The nights as Markdown, and as shares of the last one."""
    last = nights[-1]
    lines = ["| work | s CPU | s wall | CPU, of the last |", "|---|---|---|---|"]
    lines += [f"| {n.what} | {n.cpu:.1f} | {n.wall:.1f} | {n.cpu / last.cpu:.2f}x |" for n in nights]
    return "\n".join(lines)


def main() -> None:
    """Measure in a folder that is removed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--days", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(table(list(measure(Path(folder), options.models, options.days))))


if __name__ == "__main__":
    main()
