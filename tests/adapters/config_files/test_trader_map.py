"""Maps of traders: what one may say."""

from pathlib import Path

import pytest

from pytest_modelgate.adapters.config_files.trader_map import read_trader_map
from pytest_modelgate.core.watching.records import Explained, MappedModel, TraderMap
from pytest_modelgate.errors import SettingsError

MODEL = '[[model]]\nid = "UNIUSD_1Hour"\n'
EXPLAIN = '[[explain]]\nmodel = "UNIUSD_1Hour"\nkind = "late"\nreason = "moved"\n'


def read(folder: Path, text: str) -> TraderMap:
    path = folder / "trader.toml"
    path.write_text(text)
    return read_trader_map(path)


def test_models_and_explanations_are_read(tmp_path: Path) -> None:
    told = read(
        tmp_path,
        f'{MODEL}symbols = ["UNI/USD", "ETHUSD"]\n'
        '[[model]]\nid = "AAPL_1Day"\nclient_order_id = "a-[0-9]+"\n'
        f"{EXPLAIN}from = 1970-01-02\nuntil = 1970-01-02T02:00:00+01:00\n"
        f"{EXPLAIN}from = 1970-01-01T00:00:10\nuntil = 1970-01-03\n",
    )

    assert told.models == (
        MappedModel("UNIUSD_1Hour", ("UNIUSD", "ETHUSD")),
        MappedModel("AAPL_1Day", (), "a-[0-9]+"),
    )
    assert told.explained == (
        Explained("UNIUSD_1Hour", "late", 86_400, 90_000, "moved"),
        Explained("UNIUSD_1Hour", "late", 10, 2 * 86_400, "moved"),
    )


def test_an_empty_map_tells_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == TraderMap()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models = 3", "has 'models', which means nothing"),
        ("model = 3", "model is no list of tables"),
        (MODEL, r"\[\[model\]\] 1: tells neither symbols nor client_order_id"),
        (f"{MODEL}symbols = 'UNI'", "symbols is 'UNI', expected a list"),
        (f"{MODEL}symbols = ['uni']", "'uni' is no symbol"),
        (f"{MODEL}client_order_id = '('", "client_order_id is no regular expression"),
        (f"{MODEL}client_order_id = ''", "client_order_id is '', expected 1 to 200 letters"),
        (f"{MODEL}symbols = ['UNIUSD']\n{MODEL}symbols = ['UNIUSD']", "names UNIUSD_1Hour twice"),
        (f"{MODEL}symbol = 'UNIUSD'", "has 'symbol', which means nothing"),
        ("[[model]]\nid = 'UNI USD'\nsymbols = ['A']", "id is 'UNI USD', expected SYMBOL_TIMEFRAME"),
        (f"{EXPLAIN}from = 2024-01-01", "until is null, expected a date"),
        (f"{EXPLAIN}from = '2024-01-01'\nuntil = 2024-01-02", "from is '2024-01-01', expected a date"),
        (f"{EXPLAIN}from = 2024-01-02\nuntil = 2024-01-02", "from is not before until"),
        (
            EXPLAIN.replace("late", "foreign") + "from = 2024-01-01\nuntil = 2024-01-02",
            "kind is 'foreign', expected one",
        ),
        (EXPLAIN.replace("moved", "m\\u00f6ved") + "from = 2024-01-01\nuntil = 2024-01-02", "letters of ASCII"),
    ],
)
def test_anything_else_is_one_clear_error(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=rf"map .*trader\.toml.*{told}"):
        read(tmp_path, text)
