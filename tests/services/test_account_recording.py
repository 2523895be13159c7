"""Accounts recorded by the real client from a local server, and replayed: what is kept, what never, what is refused."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.account_recordings import SHA256, files_of, promotion_of, recorder_of, texts_of
from support.account_server import ACCOUNT_ID, ACCOUNT_NUMBER, KEY, SECRET, START, Account, moment, serve, uuid

from pytest_modelgate import order_id
from pytest_modelgate.adapters.account_cassettes import files
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountFee, Explained, MappedModel
from pytest_modelgate.errors import AccountError, GateError, SettingsError
from pytest_modelgate.services.account_recording import AccountRecorder
from pytest_modelgate.services.account_replaying import Watched, replay_account

HOUR = 3_600 * NANOSECONDS
FIRST = int(START.value)
PROMOTION = promotion_of()


@pytest.fixture
def account() -> Iterator[Account]:
    with serve(Account()) as shown:
        yield shown


@pytest.fixture
def recorder(account: Account, tmp_path: Path) -> AccountRecorder:
    return recorder_of(account, tmp_path / "cassettes")


def replayed(recorder: AccountRecorder) -> Watched:
    return replay_account(recorder.cassettes, PROMOTION)


def folder_of(recorder: AccountRecorder) -> Path:
    (manifest,) = recorder.cassettes.glob("*/*/manifest.json")
    return manifest.parent


def test_what_is_recorded_replays(account: Account, recorder: AccountRecorder) -> None:
    mine = order_id("UNIUSD_1Hour", SHA256, START)
    account.order("buy", 3, client_order_id=mine)
    account.fee("buy", 5)
    account.positions.append({"symbol": "UNIUSD", "qty": "0.9975", "side": "long", "market_value": "9.97"})

    recorded = recorder.record(PROMOTION)
    record = replayed(recorder).record

    assert record == recorded.record
    assert recorded.span == (FIRST, FIRST + 24 * HOUR)
    assert [order.client_order_id for order in record.orders] == [mine]
    assert [(fill.order, fill.at) for fill in record.fills] == [(record.orders[0].key, FIRST + 3 * HOUR + 123_456_789)]
    assert [(fee.symbol, fee.quantity, fee.usd) for fee in record.fees] == [("UNIUSD", 0.0025, 0.0)]
    assert record.snapshots[0].positions == {"UNIUSD": 0.9975}


def test_the_same_account_gives_the_same_bytes(account: Account, tmp_path: Path) -> None:
    account.order("buy", 3)
    for name in ("one", "other"):
        recorder_of(account, tmp_path / name).record(PROMOTION)

    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


def test_no_secret_is_kept_shown_or_told(
    account: Account, recorder: AccountRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Planted: keys and the account's number in every field that nobody needs, and in ids."""
    planted = {"description": SECRET, "account_id": ACCOUNT_ID, "note": f"{KEY} {ACCOUNT_NUMBER}", KEY.lower(): KEY}
    account.order("key", 3, client_order_id=f"bot-{KEY}", subtag=SECRET, **planted)
    account.order("odd", 4, limit_price=KEY, type=f"{SECRET}", source=ACCOUNT_NUMBER)
    account.fee("fee", 5, **planted)
    account.positions.append({"symbol": "UNIUSD", "qty": "2", "side": "long", "asset_id": uuid("asset"), **planted})

    recorded = recorder.record(PROMOTION)

    shown = [texts_of(recorder.cassettes), *recorded.conformance, repr(recorded), *capfd.readouterr()]
    uuids = [uuid(name) for name in ("key", "odd", "client key", "fill key", "fee fee", "asset")]
    for secret in (KEY, SECRET, ACCOUNT_NUMBER, ACCOUNT_ID, "987654.32", *uuids):
        assert not any(secret.lower() in text.lower() for text in shown), secret


@pytest.mark.parametrize(
    ("place", "secret"),
    [
        ("order", order_id("PKPLANTED_KEYID", SHA256, START)),
        ("journal", f"refused: account {ACCOUNT_NUMBER}"),
        ("journal", SECRET),
    ],
)
def test_a_secret_where_it_would_be_kept_is_refused(
    account: Account, recorder: AccountRecorder, tmp_path: Path, place: str, secret: str
) -> None:
    environ = {**account.environ(), "APCA_API_KEY_ID": "PKPLANTED_KEYID"}
    account.answer = _of_other_key(account)  # type: ignore[method-assign]  # a server that knows this key
    journal = tmp_path / "journal.jsonl"
    line = {"bar": moment(2), "model": "UNIUSD_1Hour", "sha256": SHA256, "action": "buy", "sent": False}
    journal.write_text(json.dumps(line | {"why": secret if place == "journal" else ""}))
    if place == "order":
        account.order("mine", 3, client_order_id=secret)

    with pytest.raises(AccountError, match="would have held one of your keys") as caught:
        replace(recorder, environ=environ, journal_file=journal).record(PROMOTION)

    assert secret not in str(caught.value)
    assert files_of(recorder.cassettes) == {}


def _of_other_key(account: Account):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as of ``Account.answer``
    answer = account.answer
    return lambda target, _: answer(target, {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET})


def test_uuids_in_a_journal_are_replaced(recorder: AccountRecorder, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    line = {
        "bar": moment(2),
        "model": "UNIUSD_1Hour",
        "sha256": SHA256,
        "action": "buy",
        "sent": False,
        "code": 40310000,
    }
    why = f"order {uuid('mine')} refused {'.' * 150} {uuid('cut in two')}"
    journal.write_text(json.dumps(line | {"why": why, "secret_field": "left out"}))

    replace(recorder, journal_file=journal).record(PROMOTION)

    (kept,) = replayed(recorder).told.journal
    assert (kept.bar, kept.code) == ((FIRST + 2 * HOUR) // NANOSECONDS, 40310000)
    assert kept.why.startswith("order ")
    assert uuid("mine") not in texts_of(recorder.cassettes)
    assert uuid("cut in two")[:8] not in texts_of(recorder.cassettes)
    assert "left out" not in texts_of(recorder.cassettes)


def test_a_recording_goes_on_three_days_before_the_last_ended(account: Account, recorder: AccountRecorder) -> None:
    account.now = 10 * 24
    recorder.record(PROMOTION)
    before = files_of(recorder.cassettes)
    account.now = 11 * 24
    account.order("later", 10 * 24 + 1)

    recorded = recorder.record(PROMOTION)

    assert recorded.span == (FIRST + 7 * 24 * HOUR, FIRST + 11 * 24 * HOUR)
    assert recorded.record.spans == ((FIRST, FIRST + 11 * 24 * HOUR),)
    after = files_of(recorder.cassettes)
    assert {name: after[name] for name in before if "manifest" not in name} == {
        name: raw for name, raw in before.items() if "manifest" not in name
    }
    assert not recorded.is_first


def test_an_order_that_was_open_is_asked_for_again(account: Account, recorder: AccountRecorder) -> None:
    order = account.order("limit", 5, status="accepted", filled_at=None, filled_qty="0", filled_avg_price=None)
    account.now = 10 * 24
    recorder.record(PROMOTION)
    assert replayed(recorder).record.orders[0].ended is None
    order |= {"status": "canceled", "canceled_at": moment(10 * 24 + 3)}
    account.now = 11 * 24

    recorded = recorder.record(PROMOTION)

    assert recorded.span[0] == FIRST + 5 * HOUR
    assert [order.ended for order in replayed(recorder).record.orders] == [FIRST + (10 * 24 + 3) * HOUR]


def test_an_earlier_beginning_is_recorded_when_it_is_asked_for(account: Account, recorder: AccountRecorder) -> None:
    account.order("before", -30)
    recorder.record(PROMOTION)
    account.now = 48

    recorder.record(PROMOTION, since=START - pd.Timedelta(hours=48))

    record = replayed(recorder).record
    assert record.spans == ((FIRST - 48 * HOUR, FIRST + 48 * HOUR),)
    assert [order.submitted for order in record.orders] == [FIRST - 30 * HOUR]


def test_what_is_missing_since_a_model_is_in_force_is_recorded_the_next_time(
    account: Account, recorder: AccountRecorder
) -> None:
    account.order("first", 2)
    recorder.record(PROMOTION, since=START + pd.Timedelta(hours=12))
    assert replayed(recorder).record.spans == ((FIRST + 12 * HOUR, FIRST + 24 * HOUR),)
    account.now = 48

    recorder.record(PROMOTION)

    record = replayed(recorder).record
    assert record.spans == ((FIRST, FIRST + 48 * HOUR),)
    assert [order.submitted for order in record.orders] == [FIRST + 2 * HOUR]


def test_a_gap_gives_two_spans(account: Account, recorder: AccountRecorder) -> None:
    recorder.record(PROMOTION)
    account.now = 72

    recorder.record(PROMOTION, since=START + pd.Timedelta(hours=48))

    assert replayed(recorder).record.spans == (
        (FIRST, FIRST + 24 * HOUR),
        (FIRST + 48 * HOUR, FIRST + 72 * HOUR),
    )


@pytest.mark.parametrize("what", ["changed", "gone"])
def test_a_fill_that_is_another_than_it_was_is_refused(account: Account, recorder: AccountRecorder, what: str) -> None:
    account.order("buy", 3)
    recorder.record(PROMOTION)
    before = files_of(recorder.cassettes)
    account.now = 48
    if what == "changed":
        account.activities[0]["price"] = "11"
    else:
        account.activities.clear()

    with pytest.raises(AccountError, match=r"a fill of 2026-01-05T03:00:00.123456789Z .*(changed|gone)"):
        recorder.record(PROMOTION)

    assert files_of(recorder.cassettes) == before


def test_an_order_that_vanished_is_refused(account: Account, recorder: AccountRecorder) -> None:
    account.order("buy", 3, status="canceled")
    recorder.record(PROMOTION)
    account.orders.clear()
    account.now = 48

    with pytest.raises(AccountError, match=r"an order of 2026-01-05T03:00:00Z .*gone"):
        recorder.record(PROMOTION)


def test_a_reset_begins_a_new_record(account: Account, recorder: AccountRecorder) -> None:
    account.order("before", 3)
    recorder.record(PROMOTION)
    account.orders.clear()
    account.activities.clear()
    account.created, account.now = moment(30), 48
    account.order("after", 31)

    recorder.record(PROMOTION)

    record = replayed(recorder).record
    assert record.since == FIRST + 30 * HOUR
    assert [order.submitted for order in record.orders] == [FIRST + 31 * HOUR]
    assert record.spans == ((FIRST + 30 * HOUR, FIRST + 48 * HOUR),)
    assert len(record.snapshots) == 1


def test_another_account_with_the_same_promotion_is_refused(account: Account, recorder: AccountRecorder) -> None:
    recorder.record(PROMOTION)
    before = files_of(recorder.cassettes)
    account.id = uuid("another account")

    with pytest.raises(AccountError, match="these keys are another account's than"):
        recorder.record(PROMOTION)

    assert files_of(recorder.cassettes) == before


def test_rows_told_twice_count_once(account: Account, recorder: AccountRecorder) -> None:
    row = account.order("buy", 3)
    account.orders.append(row)
    account.activities.append(account.activities[0])

    record = recorder.record(PROMOTION).record

    assert (len(record.orders), len(record.fills)) == (1, 1)


def test_an_activity_told_twice_and_differently_is_refused(account: Account, recorder: AccountRecorder) -> None:
    account.order("buy", 3)
    account.activities.append(account.activities[0] | {"qty": "2"})

    with pytest.raises(AccountError, match="told twice, and differently"):
        recorder.record(PROMOTION)


def test_a_fill_without_its_order_is_kept(account: Account, recorder: AccountRecorder) -> None:
    account.fill("lone", 3, {"id": uuid("of before"), "side": "sell", "symbol": "UNI/USD"})

    record = recorder.record(PROMOTION).record

    assert record.orders == ()
    assert [fill.side for fill in record.fills] == ["sell"]


def test_chains_of_replaced_orders_and_legs_are_told(account: Account, recorder: AccountRecorder) -> None:
    account.order("old", 3, status="replaced", replaced_at=moment(4), replaced_by=uuid("new"))
    account.order("new", 4, replaces=uuid("old"))
    leg = {"id": uuid("leg"), "created_at": moment(4), "submitted_at": None, "symbol": "UNI/USD", "side": "sell"}
    account.orders[-1]["legs"] = [leg | {"qty": "1", "status": "held", "client_order_id": uuid("leg of")}]

    old, *others = recorder.record(PROMOTION).record.orders

    by_parent = {order.parent: order for order in others}
    assert by_parent[None].replaces == old.key
    assert old.ended == FIRST + 4 * HOUR
    leg_order = by_parent[by_parent[None].key]
    assert (leg_order.status, leg_order.ended, leg_order.submitted) == ("held", None, FIRST + 4 * HOUR)


def test_a_notional_order_has_no_quantity(account: Account, recorder: AccountRecorder) -> None:
    account.order("usd", 3, qty=None, notional="250.50")

    (order,) = recorder.record(PROMOTION).record.orders

    assert (order.quantity, order.notional, order.filled_quantity) == (None, 250.5, 1.0)


@pytest.mark.parametrize("status", ["accepted", "pending_review", "partially_filled", "done_for_day"])
def test_whatever_is_not_known_to_have_ended_is_open(account: Account, recorder: AccountRecorder, status: str) -> None:
    account.order("odd", 3, status=status, canceled_at=moment(4))

    (order,) = recorder.record(PROMOTION).record.orders

    assert (order.status, order.ended) == (status, None)


def test_fees_come_when_they_are_posted(account: Account, recorder: AccountRecorder) -> None:
    account.order("buy", 3)
    recorder.record(PROMOTION)
    assert replayed(recorder).record.fees == ()
    usd = {"symbol": None, "qty": None, "price": None, "net_amount": "-0.03"}
    account.fee("usd", 26, **usd)
    account.fee("day", 27, activity_type="FEE", created_at=None, transaction_time=moment(27), **usd)
    account.fee("taken back", 28, status="canceled")
    account.now = 48

    recorder.record(PROMOTION)

    fees = replayed(recorder).record.fees
    assert [replace(fee, key="") for fee in fees] == [
        AccountFee("", "CFEE", None, 0.0, 0.03, 0.0, FIRST + 26 * HOUR),
        AccountFee("", "FEE", None, 0.0, 0.03, 0.0, FIRST + 27 * HOUR),
    ]


def test_a_deposit_shows_in_equity_and_in_no_activity(account: Account, recorder: AccountRecorder) -> None:
    recorder.record(PROMOTION)
    account.activities.append({"id": "deposit", "activity_type": "CSD", "net_amount": "5000", "created_at": moment(30)})
    account.equity, account.now = 105_000.0, 48

    record = recorder.record(PROMOTION).record

    assert [snapshot.equity for snapshot in record.snapshots] == [100_000.0, 105_000.0]
    assert "CSD" not in texts_of(recorder.cassettes)


def test_what_is_held_from_before_is_in_the_snapshot(account: Account, recorder: AccountRecorder) -> None:
    account.positions += [
        {"symbol": "UNIUSD", "qty": "3", "side": "long"},
        {"symbol": "AAPL", "qty": "-7", "side": "short"},
    ]

    assert recorder.record(PROMOTION).record.snapshots[0].positions == {"AAPL": -7.0, "UNIUSD": 3.0}


def test_a_trade_between_two_looks_is_looked_at_again(account: Account, recorder: AccountRecorder) -> None:
    answer = account.answer

    def trading(target: str, headers: dict[str, str | None]) -> object:
        if target == "/v2/account" and len(account.requests) == 2:
            account.positions.append({"symbol": "UNIUSD", "qty": "1", "side": "long"})
        return answer(target, headers)

    account.answer = trading  # type: ignore[method-assign, assignment]  # a server that trades meanwhile

    recorder.record(PROMOTION)

    asked = [path.removeprefix("/v2/") for path, _ in account.requests][1:7]
    assert asked == ["positions", "account", "positions", "account", "positions", "clock"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_wrong_is_told(account: Account, recorder: AccountRecorder, hours: int) -> None:
    skewed = replace(recorder, now=lambda: START + pd.Timedelta(hours=account.now + hours))

    with pytest.raises(AccountError, match=r"Alpaca's clock says 2026-01-06T00:00:00, this machine's"):
        skewed.record(PROMOTION)

    assert files_of(recorder.cassettes) == {}


def test_only_get_is_asked_and_nothing_but_what_is_needed(account: Account, recorder: AccountRecorder) -> None:
    recorder.record(PROMOTION)

    assert {path for path, _ in account.requests} == {
        "/v2/account",
        "/v2/positions",
        "/v2/clock",
        "/v2/orders",
        "/v2/account/activities",
        "/v2/account/portfolio/history",
    }
    kinds = {query["activity_types"] for path, query in account.requests if path.endswith("activities")}
    assert kinds == {"FILL,CFEE,FEE"}


def test_what_fails_midway_changes_nothing(account: Account, recorder: AccountRecorder) -> None:
    recorder.record(PROMOTION)
    before, answer = files_of(recorder.cassettes), account.answer
    account.now = 48

    def broken(target: str, headers: dict[str, str | None]) -> object:
        return (422, {"message": "no"}, {}) if "activities" in target else answer(target, headers)

    account.answer = broken  # type: ignore[method-assign, assignment]  # a server that refuses midway

    with pytest.raises(AccountError, match="status 422"):
        recorder.record(PROMOTION)

    assert files_of(recorder.cassettes) == before


def test_a_folder_that_cannot_be_written_is_told(account: Account, recorder: AccountRecorder) -> None:
    recorder.cassettes.write_text("a file")

    with pytest.raises(AccountError, match=r"folder .*cassettes: cannot be written: "):
        recorder.record(PROMOTION)

    assert account.requests == []


# Altered and missing recordings


@pytest.mark.parametrize("part", ["orders", "activities", "portfolio", "snapshot"])
@pytest.mark.parametrize("what", ["altered", "missing"])
def test_a_cassette_that_was_touched_is_refused(
    account: Account, recorder: AccountRecorder, part: str, what: str
) -> None:
    account.order("buy", 3)
    recorder.record(PROMOTION)
    (path,) = (folder_of(recorder) / part).iterdir()
    if what == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"\0")

    with pytest.raises(AccountError, match=rf"cassette .*{part}.* {what}"):
        replayed(recorder)


def test_a_manifest_that_was_touched_is_refused(recorder: AccountRecorder) -> None:
    recorder.record(PROMOTION)
    path = folder_of(recorder) / files.MANIFEST
    document = json.loads(path.read_text())
    document["recordings"][0]["from"] = "2026-01-04T00:00:00Z"
    path.write_text(json.dumps(document, indent=2) + "\n")

    with pytest.raises(AccountError, match=r"manifest .* was altered"):
        replayed(recorder)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"schema": "modelgate.cassettes/1"}'])
def test_another_manifest_is_refused(recorder: AccountRecorder, text: str) -> None:
    recorder.record(PROMOTION)
    (folder_of(recorder) / files.MANIFEST).write_text(text)

    with pytest.raises(AccountError, match=r"manifest .* is not a manifest"):
        replayed(recorder)


def test_a_paper_account_is_no_live_one(recorder: AccountRecorder) -> None:
    recorder.record(PROMOTION)
    paper = folder_of(recorder)
    (recorder.cassettes / "live").mkdir()
    paper.rename(recorder.cassettes / "live" / paper.name)

    with pytest.raises(AccountError, match=r"is of paper account .* lies where another belongs"):
        replayed(recorder)


def test_a_promotion_that_no_recording_saw_is_told(recorder: AccountRecorder) -> None:
    with pytest.raises(AccountError, match=r"none is recorded\. .*modelgate watch"):
        replayed(recorder)
    recorder.record(PROMOTION)

    with pytest.raises(AccountError, match="none was recorded since this promotion is in force"):
        replay_account(recorder.cassettes, promotion_of(sha256="9" * 64))


def test_two_accounts_of_one_promotion_are_told(account: Account, recorder: AccountRecorder) -> None:
    recorder.record(PROMOTION)
    other = recorder.cassettes.with_name("other")
    account.id = uuid("another account")
    recorder_of(account, other).record(PROMOTION)
    (folder,) = (other / "paper").iterdir()
    folder.rename(recorder.cassettes / "paper" / folder.name)

    with pytest.raises(AccountError, match="2 were recorded with this promotion in force"):
        replayed(recorder)


def test_promotions_are_told_in_their_order(account: Account, recorder: AccountRecorder) -> None:
    other = promotion_of(sha256="9" * 64)
    for day, promotion in enumerate([PROMOTION, PROMOTION, other, PROMOTION], start=1):
        account.now = 24.0 * day
        recorder.record(promotion)

    digests = [promotion.digest for promotion in replayed(recorder).record.promotions]
    assert digests == [PROMOTION.digest, other.digest, PROMOTION.digest]


_RECORD = """
import sys
sys.path[:0] = {path!r}
from support.account_recordings import promotion_of, recorder_of
from support.account_server import Account
from pathlib import Path
from pytest_modelgate.adapters.account_cassettes import files
account = Account(now=48.0, url={url!r})
real, left = files.write_atomically, {writes}
def killed(path, content, **options):
    global left
    if left == 0:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    real(path, content, **options)
files.write_atomically = killed
recorder_of(account, Path({cassettes!r})).record(promotion_of())
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="nobody is killed there in this way")
@pytest.mark.parametrize("writes", [0, 2, 4, 5])
def test_a_killed_recording_leaves_a_valid_state(account: Account, recorder: AccountRecorder, writes: int) -> None:
    """After four files the manifest is written: before it the former state replays, behind it the new one."""
    account.order("buy", 3)
    recorder.record(PROMOTION)
    before = replayed(recorder).record
    account.now = 48.0
    account.order("sell", 30, side="sell")
    script = _RECORD.format(path=sys.path, url=account.url, writes=writes, cassettes=str(recorder.cassettes))
    ended = subprocess.run([sys.executable, "-c", script], env=os.environ, check=False)

    assert ended.returncode == (-signal.SIGKILL if writes < 5 else 0)
    orders = len(replayed(recorder).record.orders)
    assert orders == (1 if writes < 5 else 2)
    assert (writes == 5) or replayed(recorder).record == before
    account.now = 49.0
    recorder.record(PROMOTION)
    assert len(replayed(recorder).record.orders) == 2
    assert not [path for path in recorder.cassettes.rglob(".*") if path.suffix in (".new", ".tmp")]


def test_a_recording_that_was_not_put_in_place_replays(account: Account, recorder: AccountRecorder) -> None:
    """As a process leaves it that was killed behind the manifest."""
    recorder.record(PROMOTION)
    before = replayed(recorder)
    for path in list(folder_of(recorder).glob("*/*.gz")):
        path.rename(path.with_name(f".{path.name}.new"))

    assert replayed(recorder) == before
    account.now = 48
    recorder.record(PROMOTION)
    assert not list(folder_of(recorder).glob("*/.*"))


# What the user says


def test_a_map_tells_whose_orders_are_whose(account: Account, recorder: AccountRecorder, tmp_path: Path) -> None:
    account.order("mine", 3, client_order_id=f"bot-uni-{uuid('run')}")
    account.order("others", 4, client_order_id="manual")
    told = tmp_path / "trader.toml"
    told.write_text(
        '[[model]]\nid = "UNIUSD_1Hour"\nsymbols = ["UNI/USD"]\nclient_order_id = "bot-uni-.*"\n'
        '[[explain]]\nmodel = "UNIUSD_1Hour"\nkind = "missing"\nfrom = 2026-01-05\nuntil = 2026-01-05T06:00:00Z\n'
        'reason = "the trader was being moved"\n'
    )

    replace(recorder, map_file=told).record(PROMOTION)
    watched = replayed(recorder)

    (model,) = watched.told.models
    start = FIRST // NANOSECONDS
    assert watched.told.explained == (
        Explained("UNIUSD_1Hour", "missing", start, start + 6 * 3600, "the trader was being moved"),
    )
    assert model == MappedModel("UNIUSD_1Hour", ("UNIUSD",), r"map\.UNIUSD_1Hour\.[0-9a-f]{8}")
    fits = [bool(re.fullmatch(str(model.client_order_id), order.client_order_id)) for order in watched.record.orders]
    assert fits == [True, False]
    assert "bot-uni" not in texts_of(recorder.cassettes)


def test_a_new_pattern_is_told_of_all_orders(account: Account, recorder: AccountRecorder, tmp_path: Path) -> None:
    account.order("mine", 3, client_order_id="bot-uni-1")
    account.now = 10 * 24
    recorder.record(PROMOTION)
    told = tmp_path / "trader.toml"
    told.write_text('[[model]]\nid = "UNIUSD_1Hour"\nclient_order_id = "bot-uni-[0-9]+"\n')
    account.now = 11 * 24

    recorded = replace(recorder, map_file=told).record(PROMOTION)

    assert recorded.span[0] == FIRST
    assert replayed(recorder).record.orders[0].client_order_id.startswith("map.UNIUSD_1Hour.")
    account.now = 12 * 24
    with pytest.raises(SettingsError, match="--map: is not given, but the account was recorded with a map"):
        recorder.record(PROMOTION)


def test_an_id_that_fits_two_models_is_refused(account: Account, recorder: AccountRecorder, tmp_path: Path) -> None:
    account.order("mine", 3, client_order_id="bot-1")
    told = tmp_path / "trader.toml"
    told.write_text(
        "".join(f'[[model]]\nid = "{name}"\nclient_order_id = "bot.*"\n' for name in ("A_1Hour", "B_1Hour"))
    )

    with pytest.raises(SettingsError, match="fits client_order_id of both A_1Hour and B_1Hour"):
        replace(recorder, map_file=told).record(promotion_of("A_1Hour", "B_1Hour"))


def test_a_map_of_models_that_are_not_in_force_is_told(recorder: AccountRecorder, tmp_path: Path) -> None:
    told, said = tmp_path / "trader.toml", list[str]()
    told.write_text('[[model]]\nid = "UNIUSD_1hour"\nsymbols = ["UNIUSD"]\n')

    replace(recorder, map_file=told, tell=said.append).record(PROMOTION)

    assert said == ["the map names UNIUSD_1hour, which is not in force"]


def test_a_journal_grows_and_each_line_counts_once(account: Account, recorder: AccountRecorder, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    writing = replace(recorder, journal_file=journal)
    for day in (1, 2, 3):
        line = {"bar": moment(day), "model": "UNIUSD_1Hour", "sha256": SHA256, "action": "buy", "sent": True}
        with journal.open("a") as file:
            file.write(json.dumps(line) + "\n")
        account.now = 24.0 * day
        writing.record(PROMOTION)

    assert [line.bar for line in replayed(recorder).told.journal] == [
        (FIRST + day * HOUR) // NANOSECONDS for day in (1, 2, 3)
    ]
    kept = [path.stat().st_size for path in sorted((folder_of(recorder) / "told").iterdir())]
    assert max(kept) < 1.2 * min(kept)


@pytest.mark.parametrize("what", ["map", "journal"])
def test_what_the_user_says_is_read_before_anything_is_asked(
    account: Account, recorder: AccountRecorder, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "told"
    path.write_text("no such thing\n\n")

    with pytest.raises(GateError, match=f"{what} "):
        replace(recorder, **{f"{what}_file": path}).record(PROMOTION)  # type: ignore[arg-type]  # one of two paths

    assert account.requests == []
