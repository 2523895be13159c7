"""Archives of every generation of the trainer, through the gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import generations

CASSETTES = Path(__file__).parents[2] / "cassettes"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generations.write(tmp_path_factory.mktemp("generations"))


@pytest.mark.long
def test_every_generation_is_judged_as_what_it_is(pytester: pytest.Pytester, archive: Path) -> None:
    pytester.makeconftest(generations.CONFTEST)
    pytester.runpytest_inprocess(f"--model-archive={archive}", f"--gate-cassettes={CASSETTES}", "-p", "no:html")

    verdict = json.loads((pytester.path / "gate-report" / "verdict.json").read_text())
    models = {item["symbol"]: item for item in verdict["models"]}
    assert [item["decision"] for item in models.values() if item["decision"] == "INCOMPLETE"] == []
    judged = {symbol: item["checkpoint"] for symbol, item in models.items()}
    assert {symbol: item["model_version"] for symbol, item in judged.items()} == {
        "BTCUSD": "2.3.0",
        "ETHUSD": "2.4.0",
        "UNIUSD": "2.7.0",
        "LTCUSD": "4.2.0",
        "GOOGL": "5.5.1",
        "LINKUSD": "5.6.0",
        "AAPL": "6.0.0",
    }
    assert judged["GOOGL"]["actions"][-1] == judged["LINKUSD"]["actions"][-1] == "CLOSE"
    assert judged["AAPL"]["actions"] == ["HOLD", "TARGET_20", "CLOSE"]
    assert [item["place"] for item in judged["LTCUSD"]["account"]] == [0, 3, 6, 9, 12, 15]
    assert any("bears no model_version" in warning for warning in models["ETHUSD"]["warnings"])
