"""``modelgate watch``, against local servers of an account and of market data."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from marketsim.server import MarketServer
from marketsim.server import serve as serve_market
from support.account_recordings import files_of, promotion_of, texts_of
from support.account_server import ACCOUNT_ID, ACCOUNT_NUMBER, KEY, KEYS, SECRET, START, Account, serve
from support.archives import pack_unopened
from support.market_factory import random_walk, served

from pytest_modelgate import ModelArtifact, order_id
from pytest_modelgate.adapters.promotion import Target
from pytest_modelgate.cli.main import main
from pytest_modelgate.services.account_replaying import replay_account

HISTORY = {"fitness_score": [0.8], "profit_factor": [2.0], "consistency": [0.9], "max_drawdown": [0.05]}
SINCE, AS_OF = "2024-02-20T00:00:00+00:00", "2024-03-01"
FRAME = random_walk("2024-01-15", 24 * 60)
SEEN_SINCE = f"{pd.Timestamp.now('UTC') - pd.Timedelta(days=2):%Y-%m-%d}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    models = [ModelArtifact(symbol, "1Hour", b"x", HISTORY) for symbol in ("AAPL", "UNIUSD")]
    return pack_unopened(tmp_path, models, trained_at=datetime(2024, 3, 1, tzinfo=UTC))


@pytest.fixture
def promoted(tmp_path: Path) -> Path:
    folder, checkpoint = tmp_path / "models" / "paper", tmp_path / "model.pt"
    checkpoint.write_bytes(b"x")
    digest = sha256(b"x").hexdigest()
    models = promotion_of("AAPL_1Hour", "UNIUSD_1Hour", at=SINCE, sha256=digest).models
    with Target(folder).changing():
        Target(folder).install(models, {m.name: checkpoint for m in models}, at=SINCE, by="test", previous=None)
    return folder


@pytest.fixture
def account() -> Iterator[Account]:
    """Its clock is this machine's."""
    hours = (pd.Timestamp.now("UTC") - START) / pd.Timedelta(hours=1)
    with serve(Account(now=hours, created="2024-01-01T00:00:00Z")) as shown:
        yield shown


@pytest.fixture
def market() -> Iterator[MarketServer]:
    series = {key: bars for symbol in ("AAPL", "UNIUSD") for key, bars in served(symbol, FRAME).items()}
    with serve_market(series, keys=(KEY, SECRET), crypto_page_size=10_000) as server:
        yield server


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, account: Account, market: MarketServer) -> None:
    monkeypatch.delenv("ALPACA_KEYS_FILE", raising=False)
    for name, value in {**KEYS, "APCA_API_TRADING_URL": account.url, "APCA_API_DATA_URL": market.url}.items():
        monkeypatch.setenv(name, value)


def watch(promoted: Path, archive: Path, *options: str) -> int:
    cassettes = promoted.parents[1] / "cassettes"
    given = ["--archive", str(archive), "--to", str(cassettes), "--as-of", AS_OF, "--walk-forward-days", "40"]
    return main(["watch", str(promoted), *given, "--requests-per-minute", "1e9", f"--since={SEEN_SINCE}", *options])


def test_account_and_market_are_recorded(
    promoted: Path, archive: Path, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = sha256(b"x").hexdigest()
    account.order("mine", account.now - 3, client_order_id=order_id("UNIUSD_1Hour", digest, START))

    status = watch(promoted, archive)

    shown = capsys.readouterr()
    assert status == 0, shown.err
    promotion = Target(promoted).record()
    assert promotion is not None
    record = replay_account(tmp_path / "cassettes", promotion).record
    assert [order.symbol for order in record.orders] == ["UNIUSD"]
    manifest = json.loads((tmp_path / "cassettes" / "manifest.json").read_text())["cassettes"]
    bars = [name for name in manifest if "/actions/" not in name]
    assert bars == [
        "crypto/UNI-USD/1Hour/2024-02-29T2300.json.gz",
        "us_equity/AAPL/1Hour/2024-02-29T2300.sip.all.json.gz",
        "us_equity/AAPL/1Hour/2024-02-29T2300.sip.raw.json.gz",
        "us_equity/AAPL/30Min/2024-02-29T2330.sip.all.json.gz",
        "us_equity/AAPL/30Min/2024-02-29T2330.sip.raw.json.gz",
    ]
    assert pd.Timestamp(manifest[bars[2]]["asked_first"]) == pd.Timestamp("2024-02-19T00:00Z")
    lines = shown.out.splitlines()
    assert lines[0].startswith(f"paper account {record.account}: recorded {SEEN_SINCE} 00:00 to ")
    assert lines[1] == "on record: 1 orders, 1 fills, 0 fees"
    assert "  account: unknown fields a_new_field" in lines
    assert "  order: statuses filled" in lines
    assert lines[-1] == f"judge with --gate-as-of {AS_OF} --gate-paper {promoted}"


def test_no_secret_is_shown_or_kept(
    promoted: Path, archive: Path, account: Account, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    account.order("mine", account.now - 3, client_order_id=f"{KEY}-1", note=SECRET, source=ACCOUNT_NUMBER)

    watch(promoted, archive)

    shown = "".join([*capfd.readouterr(), texts_of(tmp_path / "cassettes")])
    for secret in (KEY, SECRET, ACCOUNT_NUMBER, ACCOUNT_ID, *(row["id"] for row in account.orders)):
        assert secret.lower() not in shown.lower(), secret


def test_a_second_time_tells_no_conformance(
    promoted: Path, archive: Path, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(promoted, archive)
    account.now += 0.01
    capsys.readouterr()

    assert watch(promoted, archive) == 0

    assert "unknown fields" not in capsys.readouterr().out


def test_bars_that_cannot_be_judged_need_attention(promoted: Path, archive: Path) -> None:
    assert watch(promoted, archive, "--walk-forward-days", "180") == 1


MISTAKES = {
    "--since=yesterday": "modelgate: --since: 'yesterday' is not a date",
    "--since=2999-01-01": "modelgate: --since: '2999-01-01' is still to come, now is 2",
    "--as-of=yesterday": "modelgate: --as-of: 'yesterday' is not a date",
    "--archive=none.zip": "modelgate: archive none.zip: ",
    "--profile=none": "modelgate: --profile: 'none' is unknown",
    "--folds=0": "modelgate: --folds: is 0",
    "--map=none.toml": "modelgate: map none.toml: cannot be read: ",
    "--journal=none.jsonl": "modelgate: journal none.jsonl: cannot be read: ",
}


@pytest.mark.parametrize("option", MISTAKES)
def test_a_users_mistake_is_one_line(
    promoted: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert watch(promoted, archive, option) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(MISTAKES[option])
    assert files_of(tmp_path / "cassettes") == {}


def test_an_archive_of_other_models_is_refused_before_the_account_is_recorded(
    promoted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    models = [ModelArtifact("ETHUSD", "1Hour", b"x", HISTORY)]
    other = pack_unopened(tmp_path / "other", models, trained_at=datetime(2024, 3, 1, tzinfo=UTC))

    assert watch(promoted, other) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"modelgate: --archive: {other.name} holds none of the models in force: AAPL_1Hour, UNIUSD")
    assert files_of(tmp_path / "cassettes") == {}


def test_a_rate_is_a_number_above_0(promoted: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        watch(promoted, archive, "--requests-per-minute=many")

    assert left.value.code == 2
    assert "--requests-per-minute: 'many' is no number above 0" in capsys.readouterr().err


def test_a_file_in_place_of_the_folder_is_told(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(archive), "--archive", str(archive)]) == 1

    assert f"modelgate: {archive}: is a file, expected a folder. Name the folder" in capsys.readouterr().err


def test_a_folder_without_a_promotion_is_told(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(tmp_path / "models" / "paper", archive) == 1

    assert "no model is in force there" in capsys.readouterr().err


def test_keys_of_no_account_are_told(
    promoted: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APCA_API_SECRET_KEY", "0ther-s3cr3t")

    assert watch(promoted, archive) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("modelgate: paper account, account: Alpaca does not know these keys (status 401). ")
    assert "0ther-s3cr3t" not in line
