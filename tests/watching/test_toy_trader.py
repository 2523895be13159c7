"""The toy trader through the local server, recorded by the real client, replayed, measured and judged."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.exchange import SECOND, Terms
from support.toy_trader import FAULTS, Fault, HttpBroker
from support.trading_server import Quirks, serve_account
from support.watched_account import KEYS, MODEL, WatchedAccount

from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.core.watching.judging import Forward, WatchCase, judge_days
from pytest_modelgate.core.watching.order_ids import parse_order_id
from pytest_modelgate.core.watching.skill import Claim

HOUR = 3600 * SECOND


def played(folder: Path, days: float, fault: Fault | None = None, **facts: Any) -> tuple[WatchedAccount, WatchEvidence]:
    """Two recordings: what is missing between them would be seen."""
    account = WatchedAccount(folder / "watched", fault, **facts)
    account.trade(2)
    account.watch()
    account.trade(days - 2)
    account.watch()
    return account, account.measure()


def judged(evidence: WatchEvidence) -> WatchCase:
    forward = Forward(Claim(3.0, 0.01), np.random.default_rng(0).normal(0.001, 0.01, 180), 30)
    return judge_days(evidence, forward, WatchLimits())


def test_an_honest_trader_is_seen_to_do_what_was_judged(tmp_path: Path) -> None:
    _, evidence = played(tmp_path, 40)

    assert Counter(order.outcome for order in evidence.orders) == {"match": len(evidence.orders)}
    assert len(evidence.orders) > 100
    assert evidence.closure == pytest.approx(0.0, abs=1e-4)
    assert np.allclose(evidence.slippage, 0.0005, atol=1e-5)
    assert evidence.fees.realised == pytest.approx(0.0025, rel=0.01)
    assert evidence.curve[-1] == pytest.approx(evidence.simulated_curve[-1], abs=0.02)
    findings = {finding.name: finding.status for finding in judged(evidence).findings}
    assert {name: status for name, status in findings.items() if name != "promotion"} == dict.fromkeys(
        ("record", "orders", "costs", "tracking", "drift"), "met"
    )


# What only the orders show is an alarm of orders, and dearer fills are one of costs.
ALARMS = dict.fromkeys(FAULTS, "orders") | {"dear_fills": "costs"}


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=[pytest.mark.long] * (fault != "lost")) for fault in FAULTS]
)
def test_a_fault_is_an_alarm_of_its_own_finding_alone(tmp_path: Path, fault: Fault) -> None:
    _, evidence = played(tmp_path, 24, fault)

    alarms = {finding.name for finding in judged(evidence).findings if finding.status in {"alarm", "incomplete"}}
    assert alarms == {ALARMS[fault], "promotion"}


def test_a_fault_begins_when_it_is_told_to(tmp_path: Path) -> None:
    account, evidence = played(tmp_path, 12, "half_size", after=6)

    begin = (account.start + 6 * 24 * HOUR) // SECOND
    outcomes = Counter((order.bar >= begin - 3600, order.outcome) for order in evidence.orders)
    assert set(outcomes) == {(False, "match"), (True, "other_size")}


def test_orders_say_whose_they_are_and_at_which_bar_they_were_decided(tmp_path: Path) -> None:
    account = WatchedAccount(tmp_path / "watched")
    account.trade(5)

    record = account.target.record()
    assert record
    (model,) = record.models
    for order in account.exchange.orders:
        said = parse_order_id(order.client_order_id)
        assert said
        assert (said.model, said.sha8) == (MODEL, model.sha256[:8])
        assert order.submitted == (said.bar + 3600) * SECOND + 2 * SECOND


@pytest.mark.long
def test_a_trader_over_http_does_what_one_in_process_does(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of websockets, which alpaca-py imports
        from alpaca.trading.client import TradingClient

    accounts = [WatchedAccount(tmp_path / name, terms=Terms(to_the_cent=False)) for name in ("process", "http")]
    with serve_account(accounts[1].exchange, KEYS) as server:
        client = TradingClient(*KEYS, raw_data=True, url_override=server.url)
        accounts[1].trader.broker = HttpBroker(client)
        for account in accounts:
            account.trade(4)

    ours, theirs = ([(o.client_order_id, o.side, o.status) for o in account.exchange.orders] for account in accounts)
    assert ours == theirs
    assert len(ours) > 5


def test_quirks_of_the_service_change_nothing(tmp_path: Path) -> None:
    account = WatchedAccount(tmp_path / "watched", terms=Terms(priceless_fees=True, fee_lag=86_400.0))
    account.trade(10)
    account.watch(Quirks(updated_at_null=True))
    evidence = account.measure()

    assert {order.outcome for order in evidence.orders} == {"match"}
    assert evidence.fees.realised == pytest.approx(0.0025, rel=0.02)


def test_altered_bytes_are_not_traded(tmp_path: Path) -> None:
    account = WatchedAccount(tmp_path / "watched")
    (path,) = account.models.glob(".modelgate/sets/*/*.pt")
    path.write_bytes(b"other")

    with pytest.raises(ValueError, match="does not hold what was promoted"):
        account.trade(1)


def test_a_second_run_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    whole, parts = (WatchedAccount(tmp_path / name) for name in ("whole", "parts"))
    whole.trade(4)
    for days in (1.3, 0.2, 2.5):
        parts.trade(days)

    assert whole.exchange.now == parts.exchange.now
    assert [order.client_order_id for order in whole.exchange.orders] == [
        order.client_order_id for order in parts.exchange.orders
    ]
    assert pd.Timestamp(whole.exchange.now, tz="UTC") == pd.Timestamp("2024-03-05T00:00:30Z")
