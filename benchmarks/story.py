"""The way of a model, played: judged, on paper, watched until it has earned LIVE, live, at fault, withdrawn.

    python benchmarks/story.py

The market is generated, the exchange and time are simulated; the rest is the gate itself.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from traded import MAX_AGE, TradedArchive  # first: it says where the helpers of the tests are

# isort: split
from support import model_factory
from support.market_factory import waves
from support.plugin_helpers import AS_OF, GOOD

from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.services.withdrawal import Because, withdraw

MODEL = "WAVUSD_1Hour"
_HOURS = 24 * 730  # from 2023-11 on
_PAPER_DAYS, _LIVE_DAYS = 200, 40


def play(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Play it step by step.

    Yields:
        What was done, what came of it, and how many seconds it took.

    Raises:
        RuntimeError: the gate broke.
    """
    begun = time.perf_counter()

    def took() -> float:
        nonlocal begun
        before, begun = begun, time.perf_counter()
        return begun - before

    # training left the model in the REVIEW band, so PAPER is the most it can have
    model = replace(GOOD, history=model_factory.REVIEW)
    story = TradedArchive(folder, [model], {model.symbol: waves(_HOURS)})
    with story.market():
        day = AS_OF
        story.record_market(day)
        judged = story.judge(day)
        yield "judged", _said(judged.models[MODEL]), took()
        day += timedelta(hours=3)
        story.promote(judged.path, "paper", day)
        yield "promoted to paper", "", took()
        story.trade("paper", 1)
        story.record_account("paper")
        day = story.trade("paper", _PAPER_DAYS - 1)
        story.record_account("paper")
        story.record_market(day, "paper")
        yield f"traded on paper for {_PAPER_DAYS} days, and watched", "", took()
        judged = story.judge(day, "paper")
        yield "judged with its paper record", _said(judged.models[MODEL]), took()
        day += timedelta(hours=3)
        story.promote(judged.path, "live", day)
        yield "promoted to live", "", took()
        story.trade("live", 1)
        story.record_account("live")
        day = story.trade("live", _LIVE_DAYS - 1, fault_after=10)
        story.record_account("live")
        story.record_market(day, "live")
        yield f"traded live for {_LIVE_DAYS} days, from the tenth on losing orders, and watched", "", took()
        judged = story.judge(day, "live")
        yield "judged with its live record", _said(judged.models[MODEL]), took()
        because = Because(verdict=judged.path, max_age=MAX_AGE)
        done = withdraw(MODEL, Target(story.in_force("live")), because, at=day, by="story", dry_run=False)
        yield "withdrawn from live", f"{len(done.stays)} models stay", took()


def _said(model: Mapping[str, Any]) -> str:
    return f"{model['decision']}: {' '.join(model['reasons'])[:300]}"


def main() -> None:
    """Play it in a folder that is removed, and print what came of each step."""
    with tempfile.TemporaryDirectory() as folder:
        for what, came, seconds in play(Path(folder)):
            print(f"{seconds:7.1f} s  {what}{f': {came}' if came else ''}", flush=True)


if __name__ == "__main__":
    main()
