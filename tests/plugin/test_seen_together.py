"""Models that are lucky together count as fewer looks; whatever part of them a run sees, none gets more for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import cheap_gate, cheap_runs, model_factory
from support.cheap_runs import CheapRun
from support.plugin_helpers import HELD_OUT, pack

from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.services.probes import make_probe

pytestmark = pytest.mark.long

FIRST, SECOND = "WAVAUSD_1Hour", "WAVBUSD_1Hour"
# Limits at which one look at these models is enough for LIVE, and two are too many; nobody is that good.
LIMITS = """name = "alike"
extends = "2.4.5"
[proofs]
max_p = 0.15
max_rank = 0.5
max_p_without_fold = 0.4
[implausible]
max_sharpe = 1000.0
min_trades = 1000
"""


def logits(observations: NDArray[np.float32]) -> NDArray[np.float32]:
    trend = np.tanh(observations[:, REFERENCE.columns.index("momentum_24")] * np.float32(50.0))
    return np.stack([np.full_like(trend, 0.5), trend, -trend], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...]]:
    """Two models that do the same in markets that do the same; and the options to judge them with."""
    folder = tmp_path_factory.mktemp("alike")
    probe = make_probe(logits, len(REFERENCE.columns), 3, "a model of the tests")
    models = [
        replace(cheap_gate.artifact(symbol, model_factory.APPROVED), parity_probe=probe)
        for symbol in ("WAVAUSD", "WAVBUSD")
    ]
    profile, ledger = folder / "alike.toml", folder / "ledger.jsonl"
    profile.write_text(LIMITS)
    archive = pack(folder, *models, training_window=HELD_OUT, selection_window=HELD_OUT)
    return archive, (f"--gate-profile={profile}", f"--gate-ledger={ledger}", "--gate-require=live")


def judged(folder: Path, alike: tuple[Path, tuple[str, ...]], *options: str, **told: object) -> CheapRun:
    return cheap_runs.run(folder, alike[0], *alike[1], *options, **told)


def trials(run: CheapRun) -> list[float]:
    proofs = [proof for model in run.verdict["models"] for proof in model["proofs"] if proof["name"] == "timing"]
    return [proof["details"]["trials"] for proof in proofs]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, alike: tuple[Path, tuple[str, ...]]) -> CheapRun:
    return judged(tmp_path_factory.mktemp("whole"), alike, "-n0")


def test_two_that_are_lucky_together_are_one_look_and_live(whole: CheapRun) -> None:
    """The same bytes, which the ledger counts by symbol: twice the evidence of one look is what makes them LIVE."""
    assert whole.verdict["trials"] == 2
    assert trials(whole) == pytest.approx([1.0, 1.0], abs=0.1)
    assert (whole.ret, whole.decisions) == (0, {FIRST: "LIVE", SECOND: "LIVE"})


def test_neither_workers_nor_order_change_what_is_decided(
    tmp_path: Path, alike: tuple[Path, tuple[str, ...]], whole: CheapRun
) -> None:
    run = judged(tmp_path, alike, "-n2", shuffle=5)

    assert (run.ret, run.digest) == (0, whole.digest)


def test_who_is_judged_without_the_other_gets_less(tmp_path: Path, alike: tuple[Path, tuple[str, ...]]) -> None:
    """Until both have shown that they are alike they are two."""
    alone = judged(tmp_path, alike, "-n0", "-k", FIRST)

    assert trials(alone) == [2]
    assert alone.decisions == {FIRST: "PAPER", SECOND: "INCOMPLETE"}


def test_a_sibling_that_fails_raises_nobody(tmp_path: Path, alike: tuple[Path, tuple[str, ...]]) -> None:
    run = judged(tmp_path, alike, "-n0", mishap={f"{SECOND}.fold3of5": "raise"})

    assert (run.ret, run.decisions) == (1, {FIRST: "PAPER", SECOND: "INCOMPLETE"})


def test_shards_decide_nothing_alone_and_merged_what_the_whole_does(
    tmp_path: Path, alike: tuple[Path, tuple[str, ...]], whole: CheapRun
) -> None:
    shards = [
        judged(tmp_path, alike, "-n0", f"--gate-shard={number}/2", name=f"{number}", output=f"shard{number}")
        for number in (1, 2)
    ]
    merged = judged(tmp_path, alike, "-n0", "--gate-merge", *(f"--gate-evidence={shard.output}" for shard in shards))

    for shard in shards:
        assert shard.verdict["complete"] is not True
        assert not {"LIVE"} & {*shard.decisions.values()}
    assert (merged.ret, merged.digest) == (0, whole.digest)
