"""kill -9 before every step of a promotion, rollback or withdrawal: a trader finds the old set or the new one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import promotion_kills
from support.promotion_factory import digests_of

TESTS = Path(__file__).parents[2]
OLD, NEW = digests_of(promotion_kills.OLD), digests_of(promotion_kills.NEW)
LEFT = digests_of(promotion_kills.LEFT)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the steps are counted in forked processes"),
]


def _states(tmp_path: Path, layout: str, scenario: str) -> list[dict[str, Any]]:
    script = ["-m", "support.promotion_kills", str(tmp_path / "kills"), layout, scenario]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", *script]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "OPENBLAS_NUM_THREADS": "1",
    }
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    states: list[dict[str, Any]] = json.loads(run.stdout)
    assert len(states) > 30
    return states


@pytest.mark.parametrize("scenario", ["promoted", "by hand", "withdrawn"])
def test_names_that_are_links_show_the_old_set_or_the_new_one(tmp_path: Path, scenario: str) -> None:
    after = LEFT if scenario == "withdrawn" else NEW

    states = _states(tmp_path, "links", scenario)

    names = [state["names"] for state in states]
    switched = names.index(after)
    assert names == [OLD] * switched + [after] * (len(names) - switched)
    assert switched > 20
    unjudged_before = [None] * switched if scenario == "by hand" else names[:switched]
    assert [state["record"] for state in states] == unjudged_before + names[switched:]
    assert all(state["in the end"] == after for state in states)


@pytest.mark.parametrize("scenario", ["by hand", "rollback", "withdrawn"])
def test_names_that_are_copies_show_less_for_a_moment_but_never_two_sets(tmp_path: Path, scenario: str) -> None:
    before, after = {"by hand": (OLD, NEW), "rollback": (NEW, OLD), "withdrawn": (OLD, LEFT)}[scenario]

    states = _states(tmp_path, "copies", scenario)

    recorded = [state["record"] for state in states]
    switched = recorded.index(after)
    assert recorded == [None if scenario == "by hand" else before] * switched + [after] * (len(recorded) - switched)
    assert all(state["whole"] for state in states)  # whoever goes by promotion.json finds every byte of its set
    for number, state in enumerate(states):
        whole = before if number < switched else after
        assert state["names"].items() <= whole.items()
        assert state["settled"] == whole
    assert all(state["in the end"] == after for state in states)
