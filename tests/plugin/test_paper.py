"""What an account did with a promoted model, and what the gate makes of it, in whole runs on a simulated exchange."""

import json
import math
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from support import market_factory, model_factory
from support.exchange import SECOND, Exchange, Terms, moment_of
from support.plugin_helpers import AS_OF, GOOD, GateResult, RunGate, model, pack
from support.promotion_factory import released
from support.toy_trader import Fault, ToyTrader
from support.trading_server import serve_account

from pytest_modelgate.adapters.alpaca.keys import KEY_ID, SECRET_KEY
from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.market.bars import Instrument
from pytest_modelgate.services.account_recording import AccountRecorder
from pytest_modelgate.services.promotion import Terms as PromotionTerms
from pytest_modelgate.services.promotion import promote

KEYS = ("PKTESTKEY", "s3cr3t-s3cr3t")
SINCE = pd.Timestamp("2024-10-20T00:00:30Z")
TESTS = ("record", "orders_match", "costs", "tracking", "drift", "promotion")
IN_REVIEW = replace(GOOD, history=model_factory.REVIEW)
PROOF_FREE = "--gate-decision=table"


@dataclass(frozen=True)
class Traded:
    """A folder with a model in force, and the recordings of the account that trades it, beside those of the market."""

    archive: Path
    models: Path
    cassettes: Path

    @property
    def options(self) -> tuple[str, ...]:
        return f"--gate-paper={self.models}", f"--gate-cassettes={self.cassettes}", PROOF_FREE


def _trade(folder: Path, market: Path, fault: Fault | None = None, *, since: pd.Timestamp = SINCE) -> Traded:
    """Put a model in force, let a trader trade it up to the moment of the judgement, and record the account twice."""
    folder.mkdir(exist_ok=True)
    archive = pack(folder, IN_REVIEW)
    target, terms, at = Target(folder / "models"), PromotionTerms(minimum=DecisionLevel.PAPER), since.to_pydatetime()
    verdict = released(archive, ["WAVUSD"], folder / "verdict.json", at)
    promote(verdict, archive, target, terms, at=at, by="somebody", dry_run=False)
    frame, cassettes = market_factory.waves(), shutil.copytree(market, folder / "cassettes")
    series = {Instrument.parse("WAVUSD").alpaca_symbol: frame}
    exchange = Exchange(series, moment_of(since.isoformat()), 100_000.0, Terms(half_spread=0.0005), 0)
    trader = ToyTrader(folder / "models", exchange, {"WAVUSD": frame}, fault=fault, fault_from=exchange.now)
    record = target.record()
    assert record
    for moment in (since + pd.Timedelta(days=1), pd.Timestamp(AS_OF)):
        trader.run(exchange.now + (moment.value - exchange.now) // SECOND * SECOND)
        with serve_account(exchange, KEYS) as server:
            environ = {"APCA_API_TRADING_URL": server.url, KEY_ID: KEYS[0], SECRET_KEY: KEYS[1]}
            recorder = AccountRecorder(
                cassettes=cassettes,
                environ=environ,
                requests_per_minute=math.inf,
                now=lambda: pd.Timestamp(exchange.now, tz="UTC"),
            )
            recorder.record(record)
    return Traded(archive, folder / "models", cassettes)


@pytest.fixture(scope="module")
def traded(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Traded:
    """A model in the REVIEW band that an honest trader traded for four months."""
    return _trade(tmp_path_factory.mktemp("honest"), market_folder)


@pytest.fixture(scope="module")
def shared() -> dict[str, GateResult]:
    return {}


@pytest.fixture
def honest(shared: dict[str, GateResult], run_gate: RunGate, traded: Traded) -> GateResult:
    if "honest" not in shared:
        shared["honest"] = run_gate(traded.archive, *traded.options, "-v", drawn=True)
    return shared["honest"]


@pytest.fixture
def alone(shared: dict[str, GateResult], run_gate: RunGate, traded: Traded) -> GateResult:
    """The same without the option."""
    if "alone" not in shared:
        shared["alone"] = run_gate(traded.archive, PROOF_FREE, "-v")
    return shared["alone"]


@pytest.fixture
def altered(shared: dict[str, GateResult], run_gate: RunGate, traded: Traded, tmp_path: Path) -> GateResult:
    """A run whose account has a recording in which a byte is another one."""
    if "altered" not in shared:
        cassettes = shutil.copytree(traded.cassettes, tmp_path / "cassettes")
        path = min(cassettes.glob("paper/*/orders/*"))
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        options = f"--gate-paper={traded.models}", f"--gate-cassettes={cassettes}", PROOF_FREE
        shared["altered"] = run_gate(traded.archive, *options, "-v")
    return shared["altered"]


@pytest.fixture
def others(shared: dict[str, GateResult], run_gate: RunGate, traded: Traded, tmp_path: Path) -> GateResult:
    """A run of other bytes than those that the account trades."""
    if "others" not in shared:
        reckless = model("WAVUSD", model_factory.APPROVED, model_factory.follow("momentum_48"))
        shared["others"] = run_gate(pack(tmp_path, reckless), *traded.options, "-v", "-rs")
    return shared["others"]


def test_six_tests_ask_the_account_and_pass(honest: GateResult) -> None:
    for name in TESTS:
        honest.run.stdout.fnmatch_lines([f"model_tests/test_paper.py::test_{name}[[]WAVUSD_1Hour[]] PASSED*"])


def test_the_header_says_which_account_is_asked(honest: GateResult) -> None:
    honest.run.stdout.fnmatch_lines(["model gate: 1 of 1 models in force in *, traded by paper account ????????"])


def test_the_record_of_an_honest_trader_outweighs_training_in_review(honest: GateResult) -> None:
    part = honest.of("WAVUSD_1Hour")

    assert (part["gating"]["classification"], part["decision"], part["paper"]["lifts"]) == ("REVIEW", "LIVE", True)


def test_the_verdict_counts_every_order_and_tells_no_amount(honest: GateResult) -> None:
    paper = honest.of("WAVUSD_1Hour")["paper"]

    assert paper["orders"].keys() == {"match"}
    assert abs(paper["account_return"] - paper["simulated_return"]) < 0.05
    assert not any(isinstance(value, float) and abs(value) > 1e7 for value in paper.values())


def test_the_verdict_names_the_promotion_whose_account_was_asked(honest: GateResult, traded: Traded) -> None:
    record = json.loads((traded.models / "promotion.json").read_text())

    assert honest.verdict["settings"]["paper"] == record["digest"]


def test_terminal_summary_and_page_tell_of_the_account(honest: GateResult) -> None:
    assert "account (E = " in honest.text
    assert "- On the account, orders: met. " in (honest.output / "summary.md").read_text()
    assert 'data-chart="account"' in (honest.output / "report.html").read_text()


def test_a_promotion_notes_the_record_that_brought_it_about(honest: GateResult, traded: Traded, tmp_path: Path) -> None:
    target, terms = Target(tmp_path / "live"), PromotionTerms(max_age=pd.Timedelta(days=36_500).to_pytimedelta())
    verdict = honest.output / "verdict.json"

    change = promote(verdict, traded.archive, target, terms, at=datetime.now(UTC), by="somebody", dry_run=False)

    (promoted,) = change.models.values()
    assert promoted.source.record == honest.of("WAVUSD_1Hour")["paper"]["record"]


def test_without_the_option_nothing_is_collected_and_nothing_said(alone: GateResult) -> None:
    part = alone.of("WAVUSD_1Hour")

    assert "test_paper" not in alone.text
    assert "paper" not in part
    assert "paper" not in alone.verdict["settings"]


def test_without_the_option_training_in_review_stays_at_paper(alone: GateResult) -> None:
    assert alone.decision("WAVUSD_1Hour") == "PAPER"


def test_an_altered_recording_leaves_the_verdict_incomplete(altered: GateResult) -> None:
    assert altered.decision("WAVUSD_1Hour") == "INCOMPLETE"
    assert (altered.verdict["promotable"], altered.verdict["complete"] is True) == ([], False)


def test_an_altered_recording_fails_the_tests_of_the_record_and_no_other(altered: GateResult) -> None:
    altered.run.stdout.fnmatch_lines(["model_tests/test_paper.py::test_record[[]WAVUSD_1Hour[]] ERROR*"])
    altered.run.stdout.fnmatch_lines(["model_tests/test_walk_forward.py::test_fold[[]WAVUSD_1Hour-fold1of5[]] PASSED*"])


def test_other_bytes_than_those_in_force_are_skipped_and_get_no_further_than_paper(others: GateResult) -> None:
    for name in TESTS:
        others.run.stdout.fnmatch_lines([f"model_tests/test_paper.py::test_{name}[[]WAVUSD_1Hour[]] SKIPPED*"])
    assert any(limit["kind"] == "paper" and limit["level"] == "PAPER" for limit in others.of("WAVUSD_1Hour")["limits"])


def test_a_folder_without_a_promotion_ends_the_run_before_it_begins(run_gate: RunGate, traded: Traded) -> None:
    result = run_gate(traded.archive, f"--gate-paper={traded.archive.parent}")

    assert result.run.ret == pytest.ExitCode.USAGE_ERROR
    assert "holds no promotion.json" in result.text


@pytest.mark.long
def test_shards_and_a_merge_reach_the_verdict_of_a_whole_run(
    run_gate: RunGate, traded: Traded, honest: GateResult
) -> None:
    for number in (1, 2):
        shard = run_gate(traded.archive, *traded.options, f"--gate-shard={number}/2", f"--gate-output=shard{number}")
    evidence = [f"--gate-evidence={shard.output.parent / f'shard{number}/evidence'}" for number in (1, 2)]

    merged = run_gate(traded.archive, *traded.options, "--gate-merge", *evidence)

    assert merged.verdict["digest"] == honest.verdict["digest"]


@pytest.mark.long
def test_workers_reach_the_verdict_of_one_process(run_gate: RunGate, traded: Traded, honest: GateResult) -> None:
    result = run_gate(traded.archive, *traded.options, "-n2", subprocess=True)

    assert result.verdict["digest"] == honest.verdict["digest"]


@pytest.mark.long
def test_a_trader_who_inverts_orders_fails_that_test_and_holds_the_model_at_paper(
    run_gate: RunGate, market_folder: Path, tmp_path: Path
) -> None:
    traded = _trade(tmp_path / "inverted", market_folder, "inverted")

    result = run_gate(traded.archive, *traded.options, "-v")

    result.run.stdout.fnmatch_lines(["model_tests/test_paper.py::test_orders_match[[]WAVUSD_1Hour[]] FAILED*"])
    assert result.decision("WAVUSD_1Hour") == "PAPER"


@pytest.mark.long
def test_a_young_record_is_tolerated_and_says_how_far_it_is(
    run_gate: RunGate, market_folder: Path, tmp_path: Path
) -> None:
    traded = _trade(tmp_path / "young", market_folder, since=pd.Timestamp(AS_OF) - pd.Timedelta(days=5))

    result = run_gate(traded.archive, *traded.options, "-v")

    result.run.stdout.fnmatch_lines(["model_tests/test_paper.py::test_orders_match[[]WAVUSD_1Hour[]] XFAIL*"])
    assert result.of("WAVUSD_1Hour")["paper"]["brief"].endswith("of 60 orders")
    assert "On the account: WAVUSD_1Hour " in result.text
