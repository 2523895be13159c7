"""What the repository ships as its demo is what its documentation says it is."""

import json
import shutil
from pathlib import Path

import pytest
from marketsim.demo import DEMO
from marketsim.generator import generate, generate_halves

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import COLUMNS, Instrument, Timeframe
from pytest_modelgate.core.planning.plan import market_requests, when
from pytest_modelgate.services.replaying import replay_bars

ROOT = Path(__file__).parents[2]
LEDGER = ROOT / "examples" / "demo_ledger.jsonl"
ARCHIVE, CASSETTES = ROOT / "examples" / "demo_archive.zip", ROOT / "cassettes"
DECISIONS = {
    "AAPL_1Hour": "PAPER",
    "BTCUSD_1Hour": "DROP",
    "ETHUSD_1Hour": "PAPER",
    "GOOGL_1Hour": "DROP",
    "LINKUSD_1Hour": "RETRAIN",
    "LTCUSD_1Hour": "DROP",
    "SOLUSD_1Hour": "INCOMPLETE",
    "UNIUSD_1Hour": "LIVE",
}


@pytest.mark.parametrize("key", DEMO, ids=["-".join(key).replace("/", "") for key in DEMO])
def test_the_cassettes_hold_generated_bars(key: tuple[str, str, str]) -> None:
    instrument = Instrument.parse(key[1].replace("/", ""))
    settings = Settings(archive=ARCHIVE, output=ROOT, cassettes=CASSETTES)
    with open_archive(ARCHIVE) as archive:
        requests = market_requests(archive.run, settings, when(archive.run, settings))
    *opens, request = (request for request in requests if request.instrument == instrument)

    bars = replay_bars(request, CASSETTES)

    generated = generate(DEMO[key]).loc[request.first : request.last, list(COLUMNS)]
    assert request.timeframe is Timeframe.HOUR_1
    assert bars.frame.to_numpy().tolist() == generated.to_numpy(dtype=float).tolist()
    for halves in opens:
        generated = generate_halves(DEMO[key]).loc[halves.first : halves.last, list(COLUMNS)]
        assert replay_bars(halves, CASSETTES).frame.to_numpy().tolist() == generated.to_numpy(dtype=float).tolist()


def test_the_demo_ends_in_the_decisions_its_documentation_names(pytester: pytest.Pytester) -> None:
    shutil.copy(LEDGER, pytester.path)
    options = (f"--gate-cassettes={CASSETTES}", f"--gate-ledger={pytester.path / LEDGER.name}", "-q")
    run = pytester.runpytest_subprocess(f"--model-archive={ARCHIVE}", *options)

    verdict = json.loads((pytester.path / "gate-report" / "verdict.json").read_text())
    assert run.ret == 1
    assert {model["id"]: model["decision"] for model in verdict["models"]} == DECISIONS
    assert verdict["complete"] is True
    assert verdict["promotable"] == ["AAPL_1Hour", "ETHUSD_1Hour", "UNIUSD_1Hour"]
    assert {model["checkpoint"]["parity"] for model in verdict["models"] if model["backtest"]} == {"proven"}
    assert {fold["sample"] for model in verdict["models"] for fold in model["folds"]} == {"out-of-sample"}
    assert verdict["trials"] == len(DECISIONS)
    assert (pytester.path / LEDGER.name).read_bytes() == LEDGER.read_bytes()


def test_the_demo_stays_small() -> None:
    assert ARCHIVE.stat().st_size < 5_000_000
    assert sum(path.stat().st_size for path in CASSETTES.rglob("*.gz")) < 5_000_000
