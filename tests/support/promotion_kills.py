"""A promotion that is killed before each of its steps in turn; prints what a trader finds after every one.

Run in ``tests/`` as ``python -m support.promotion_kills FOLDER LAYOUT SCENARIO``. A step is whatever touches the
folder: an audit hook sees them all, and ends the process with SIGKILL before the n-th. Needs fork, hence POSIX.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from support.promotion_factory import WRITTEN, archive_of, shown, verdict_of

from pytest_modelgate.adapters.promotion import Record, Target
from pytest_modelgate.adapters.promotion.layout import Copies, Links
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.errors import PromotionError
from pytest_modelgate.services.promotion import Terms, promote, roll_back
from pytest_modelgate.services.withdrawal import Because, withdraw

OLD = {"AAPL": b"old AAPL", "BTCUSD": b"old BTCUSD", "ETHUSD": b"same ETHUSD"}
NEW = {"AAPL": b"new AAPL", "ETHUSD": b"same ETHUSD", "UNIUSD": b"new UNIUSD"}
LEFT = {"AAPL": OLD["AAPL"], "ETHUSD": OLD["ETHUSD"]}
_TERMS = Terms(minimum=DecisionLevel.PAPER, others="remove")
_LAYOUTS: dict[str, type[Links | Copies]] = {"links": Links, "copies": Copies}


def main(folder: Path, layout_name: str, scenario: str) -> None:
    layout = _LAYOUTS[layout_name]
    os.fsync = cast("Any", id)  # a killed process loses nothing that it wrote, and the disk is slow
    prepare, act, again = _scenario(folder, layout, scenario)
    prepare(folder / "prepared")
    states = []
    for step in range(1, 1000):
        place = shutil.copytree(folder / "prepared", folder / f"step{step}", symlinks=True)
        before = shown(place)
        if not _dies_before(step, place, partial(act, place)):
            break
        states.append(_state(place, layout) | {"before": before})
        with Target(place, layout).changing():  # whoever comes next finishes or takes back what was cut off
            states[-1]["settled"] = shown(place)
        again(place)
        states[-1]["in the end"] = shown(place)
        shutil.rmtree(place)
    print(json.dumps(states))


def _scenario(folder: Path, layout: type[Links | Copies], name: str) -> tuple[Callable[[Path], None], ...]:
    folder.mkdir(parents=True)
    archives = [archive_of(folder / f"{which}.zip", models) for which, models in (("old", OLD), ("new", NEW))]
    verdicts = [
        verdict_of(archive, dict.fromkeys(models, "LIVE"), archive.with_suffix(".json"))
        for archive, models in zip(archives, (OLD, NEW), strict=True)
    ]

    def put(which: int) -> Callable[[Path], None]:
        def into(place: Path) -> None:
            promote(
                verdicts[which],
                archives[which],
                Target(place, layout),
                _TERMS,
                at=WRITTEN,
                by="somebody",
                dry_run=False,
            )

        return into

    def by_hand(place: Path) -> None:
        place.mkdir()
        for symbol, content in OLD.items():
            (place / f"{symbol}_1Hour.pt").write_bytes(content)

    def old_then_new(place: Path) -> None:
        put(0)(place)
        put(1)(place)

    def back(place: Path) -> None:
        roll_back(Target(place, layout), at=WRITTEN, by="somebody", dry_run=False)

    def back_unless_done(place: Path) -> None:
        with suppress(PromotionError):  # there is nothing further back, but what was cut off is finished first
            back(place)

    fallen = verdict_of(archives[0], dict.fromkeys(LEFT, "LIVE") | {"BTCUSD": "PAPER"}, folder / "fallen.json")

    def out(place: Path) -> None:
        because = Because(verdict=fallen)
        withdraw("BTCUSD_1Hour", Target(place, layout), because, at=WRITTEN, by="somebody", dry_run=False)

    def out_unless_done(place: Path) -> None:
        with suppress(PromotionError):  # it is out already, but what was cut off is finished first
            out(place)

    return {
        "withdrawn": (put(0), out, out_unless_done),
        "promoted": (put(0), put(1), put(1)),
        "by hand": (by_hand, put(1), put(1)),
        "rollback": (old_then_new, back, back_unless_done),
    }[name]


def _state(place: Path, layout: type[Links | Copies]) -> dict[str, Any]:
    """What a trader finds who looks at the names, and one who goes by ``promotion.json``."""
    record: Record | None = Target(place, layout).record()
    recorded = {path.name: path for path in (place / model.file for model in (record.models if record else ()))}
    whole = all(path.is_file() for path in recorded.values())
    promised = record.files if record else None
    return {"names": shown(place), "record": promised, "whole": whole}


def _dies_before(step: int, place: Path, act: Callable[[], None]) -> bool:
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return True
        if os.WEXITSTATUS(status):
            raise SystemExit(f"step {step} failed")
        return False
    seen = 0

    def hook(_: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if any(isinstance(item, str | os.PathLike) and os.fspath(item).startswith(str(place)) for item in arguments):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    try:
        act()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
