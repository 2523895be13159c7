"""Corporate actions beside the bars: asked for by pages, kept, replayed without keys, never in the way of bars."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from marketsim.server import serve
from support.market_factory import random_walk, recorder, request_for, series_key

from pytest_modelgate.adapters.cassettes.files import read_cassette
from pytest_modelgate.core.market.corporate_actions import ActionKind, CorporateAction
from pytest_modelgate.errors import MarketDataError
from pytest_modelgate.services.recording import Outcome, record_each
from pytest_modelgate.services.replaying import replay_actions

FRAME = random_walk("2024-07-01", 24 * 7)
REQUEST = request_for("META", FRAME)
NAME = "us_equity/META/actions/2024-06-24_2024-07-08.json.gz"


def row(**fields: Any) -> dict[str, Any]:
    day = fields.get("ex_date", "2024-07-02")
    return {"id": "8a8c", "cusip": "X", "process_date": day, **fields}


SPLIT = row(symbol="META", ex_date="2024-07-02", new_rate=1, old_rate=8)
DIVIDENDS = [row(symbol="META", ex_date=f"2024-07-0{day}", rate=0.5, special=False, foreign=False) for day in (3, 5)]
RENAME = {"old_symbol": "FB", "old_cusip": "X", "new_symbol": "META", "new_cusip": "X", "process_date": "2024-07-02"}
OF_OLD = row(symbol="FB", ex_date="2024-07-01", rate=0.25)
BARS = {series_key("META"): FRAME}


def test_all_pages_are_recorded_once_and_replayed_without_keys_or_network(tmp_path: Path) -> None:
    listed = {"reverse_splits": [SPLIT], "cash_dividends": [*DIVIDENDS, row(symbol="AAPL", rate=9)]}
    with serve(BARS, actions=listed, page_size=2, keys=("PKTESTKEY", "s3cr3t-s3cr3t")) as server:
        recorder(tmp_path, server).record(REQUEST)
        asked = len(server.requests)
        outcome, _ = recorder(tmp_path, server).record(REQUEST)
        assert (outcome, len(server.requests)) == (Outcome.KEPT, asked)
        assert sum("/v1/corporate-actions?" in target for target in server.requests) == 2

    assert replay_actions(REQUEST, tmp_path) == (
        CorporateAction(date(2024, 7, 2), ActionKind.SPLIT, "META", new=1, old=8),
        CorporateAction(date(2024, 7, 3), ActionKind.CASH_DIVIDEND, "META", dollars=0.5),
        CorporateAction(date(2024, 7, 5), ActionKind.CASH_DIVIDEND, "META", dollars=0.5),
    )
    text = read_cassette(tmp_path, NAME)
    assert not any(word in text for word in ("PKTESTKEY", "s3cr3t", "127.0.0.1", "8a8c"))


def test_actions_under_an_earlier_name_are_asked_for_too(tmp_path: Path) -> None:
    with serve(BARS, actions={"name_changes": [RENAME], "cash_dividends": [OF_OLD]}) as server:
        recorder(tmp_path, server).record(REQUEST)

    days = [(action.day.day, action.kind) for action in replay_actions(REQUEST, tmp_path) or ()]
    assert days == [(1, ActionKind.CASH_DIVIDEND), (2, ActionKind.RENAME)]


def test_a_subscription_without_actions_keeps_no_series_from_being_recorded(tmp_path: Path) -> None:
    requests = [REQUEST, request_for("AAPL", FRAME), request_for("BTCUSD", FRAME)]
    lines: list[str] = []
    with serve({series_key(request.instrument.symbol): FRAME for request in requests}, actions=None) as server:
        results = list(record_each(recorder(tmp_path, server, tell=lines.append), requests))

    assert [result[0] for _, result in results if isinstance(result, tuple)] == [Outcome.RECORDED] * 3
    assert [line.partition(":")[0] for line in lines] == [
        f"corporate actions of {symbol} from 2024-06-24 to 2024-07-08" for symbol in ("META", "AAPL")
    ]
    assert "splits can only be guessed: Alpaca does not serve this to your subscription" in lines[0]
    assert replay_actions(REQUEST, tmp_path) is None
    assert "actions" not in (tmp_path / "manifest.json").read_text()


@pytest.mark.parametrize(
    "rows",
    [
        {"forward_splits": [{**SPLIT, "new_rate": 0}]},
        {"forward_splits": [{**SPLIT, "new_rate": 10**400}]},
        {"forward_splits": [{**SPLIT, "ex_date": None}]},
        {"forward_splits": [{**SPLIT, "symbol": "XYZ"}]},
        {"forward_splits": {"META": 1}},
    ],
)
def test_what_is_no_action_of_the_company_is_not_recorded(tmp_path: Path, rows: Any) -> None:
    lines: list[str] = []
    with serve(BARS) as server:
        recorder(tmp_path, server).record(REQUEST)
        server.fail_next(200, {"corporate_actions": rows, "next_page_token": None})
        (tmp_path / NAME).unlink()
        outcome, _ = recorder(tmp_path, server, tell=lines.append).record(REQUEST)

    assert (outcome, len(lines)) == (Outcome.KEPT, 1)
    assert not (tmp_path / NAME).exists()


def test_a_cassette_of_actions_that_was_altered_is_refused(tmp_path: Path) -> None:
    with serve(BARS, actions={"reverse_splits": [SPLIT]}) as server:
        recorder(tmp_path, server).record(REQUEST)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(MarketDataError, match="was altered"):
        replay_actions(REQUEST, tmp_path)


def test_a_recording_that_was_killed_before_it_took_its_place_counts_and_is_put_there(tmp_path: Path) -> None:
    with serve(BARS, actions={"reverse_splits": [SPLIT]}) as server:
        recorder(tmp_path, server).record(REQUEST)
        path = tmp_path / NAME
        path.rename(path.with_name(f".{path.name}.new"))
        assert len(replay_actions(REQUEST, tmp_path) or ()) == 1
        asked = len(server.requests)

        recorder(tmp_path, server).record(REQUEST)

        assert (len(server.requests), path.exists()) == (asked, True)
    facts = json.loads((tmp_path / "manifest.json").read_text())["cassettes"][NAME]
    assert (facts["actions"], facts["asked_first"], facts["asof"]) == (1, "2024-06-24", "2024-07-08")


def test_bars_that_were_recorded_without_actions_get_them_and_stay(tmp_path: Path) -> None:
    with serve(BARS, actions=None) as server:
        recorder(tmp_path, server).record(REQUEST)
    with serve(BARS, actions={"reverse_splits": [SPLIT]}) as server:
        recorder(tmp_path, server, mode="once").record(REQUEST)
        assert server.requests == []

        outcome, _ = recorder(tmp_path, server).record(REQUEST)

        assert (outcome, len(server.requests)) == (Outcome.KEPT, 1)
    assert len(replay_actions(REQUEST, tmp_path) or ()) == 1
