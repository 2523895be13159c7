"""What is recorded of a company's splits decides in a run whether its model can be judged, and fails closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marketsim.server import serve
from support.market_factory import random_walk, served
from support.model_factory import APPROVED, follow
from support.plugin_helpers import GateResult, model, pack

from pytest_modelgate.cli.main import main

DAY = "2024-10-14"
SPLIT = {
    "id": "8a8c",
    "cusip": "X",
    "process_date": DAY,
    "symbol": "GOOGL",
    "ex_date": DAY,
    "new_rate": 5,
    "old_rate": 4,
}
WHOLE = random_walk("2023-07-01", 24 * 560, seed=4)
BEFORE = np.asarray(WHOLE.index < f"{DAY}T04:00Z")
UNADJUSTED = WHOLE.assign(
    **{name: WHOLE[name] * np.where(BEFORE, 1.25, 1.0) for name in ("open", "high", "low", "close")}
)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, market_folder: Path) -> None:
    assert market_folder.exists()  # which loads the libraries once
    monkeypatch.setenv("APCA_API_KEY_ID", "PKTESTKEY")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "s3cr3t-s3cr3t")


@pytest.fixture
def judge(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Record what a service has, change a cassette, judge."""
    archive = pack(tmp_path, model("GOOGL", APPROVED, follow("momentum_24")))

    def run(spoil: Callable[[Path], object] | None = None) -> dict[str, Any]:
        with serve(served("GOOGL", UNADJUSTED), actions={"forward_splits": [SPLIT]}) as server:
            monkeypatch.setenv("APCA_API_DATA_URL", server.url)
            main(["record", str(archive), f"--cassettes={pytester.path / 'cassettes'}", "--requests-per-minute=60000"])
        (cassette,) = (pytester.path / "cassettes").rglob("actions/*.gz")
        if spoil:
            spoil(cassette)
        result = pytester.runpytest_inprocess(f"--model-archive={archive}")
        return GateResult(result, pytester.path / "gate-report").verdict

    return run


@pytest.mark.long
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (None, f"prices are not adjusted for the 5:4 split of {DAY}"),
        (Path.unlink, "is missing, though manifest.json lists it"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "was altered"),
    ],
    ids=["known", "missing", "altered"],
)
def test_a_split_that_is_known_or_cannot_be_read_is_one_sentence(judge: Any, spoil: Any, said: str) -> None:
    """Five for four is below what a guess would notice: whoever spoils the list must not get the series judged."""
    verdict = judge(spoil)

    (judged,) = verdict["models"]
    (reason,) = judged["reasons"]
    assert (judged["decision"], verdict["promotable"]) == ("INCOMPLETE", [])
    assert said in reason
