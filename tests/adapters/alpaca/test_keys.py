"""Keys from files and variables, and what is said when they cannot be used."""

import json
from pathlib import Path

import pytest

from pytest_modelgate.adapters.alpaca.keys import Credentials, read_credentials
from pytest_modelgate.errors import SettingsError


@pytest.mark.parametrize(
    "text",
    [
        "APCA_API_KEY_ID=PK1\nAPCA_API_SECRET_KEY=abc\n",
        "# my keys\nexport APCA_API_KEY_ID='PK1'\nexport APCA_API_SECRET_KEY=\"abc\"\n",
        json.dumps({"APCA_API_KEY_ID": "PK1", "APCA_API_SECRET_KEY": "abc"}),
        "ALPACA_API_KEY = PK1\r\nALPACA_SECRET_KEY = abc\r\n",
        "PAPER=1\nsecret_key=abc\napi-key=PK1\n",
        json.dumps({"key": "PK1", "secret": "abc"}, indent=2),
        "\ufeffPK1\nabc\n",
    ],
)
def test_every_form_of_a_keys_file_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_bytes(text.encode())

    credentials = read_credentials({"ALPACA_KEYS_FILE": str(path), "APCA_API_KEY_ID": "other"})

    assert credentials == Credentials("PK1", "abc")


def test_a_secret_may_hold_the_sign_that_separates_names_from_values(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("PK1\nab=c==\n")

    assert read_credentials({"ALPACA_KEYS_FILE": str(path)}) == Credentials("PK1", "ab=c==")


def test_variables_serve_where_no_file_is_named() -> None:
    credentials = read_credentials({"APCA_API_KEY_ID": "PK1", "APCA_API_SECRET_KEY": "abc"})

    assert credentials == Credentials("PK1", "abc")


def test_no_keys_at_all_are_none() -> None:
    assert read_credentials({}) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds nothing, expected a key and a secret"),
        ("# only words\n\n", "holds nothing"),
        ("hushhush\n", "has 1 lines, expected key and secret on two"),
        ("a\nb\nhushhush\n", "has 3 lines"),
        ('{\n"APCA_API_KEY_ID": "PK1",\n"hushhush\n', "line 3: looks like JSON, but is not"),
        ('["hushhush"]', "is JSON, but no object"),
        ("[" * 100_000, "is JSON, but no object"),
        ('{"APCA_API_KEY_ID": 5, "hushhush": 1}', "value of APCA_API_KEY_ID is empty, no text"),
        ("APCA_API_KEY_ID=PK1\nOTHER=hushhush\n", "has no APCA_API_SECRET_KEY"),
        ("OTHER=hushhush\nANOTHER=hushhush\n", "has no APCA_API_KEY_ID"),
        ("APCA_API_KEY_ID=PK1\n\nhushhush\n", "line 3: is not NAME=VALUE"),
        ("hushhush\nAPCA_API_SECRET_KEY=hushhush\n", "line 1: is not NAME=VALUE"),
        ("# key\nKEY=PK1\nSECRET=\n", "line 3: the value of APCA_API_SECRET_KEY is empty"),
        ("KEY=PK1\nSECRET=hush hush\n", "line 2: the value of APCA_API_SECRET_KEY"),
        ("KEY=PK1\nSECRET=hushhush\nKEY=hushhush", "line 3: sets the same name as line 1"),
        ("a b\nhushhush", "line 1: the value of APCA_API_KEY_ID"),
        ("PK1\nhush\u00e4hush", "line 2: the value of APCA_API_SECRET_KEY"),
    ],
)
def test_a_useless_keys_file_is_told_by_its_line_without_showing_it(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError, match=r"keys\.txt") as caught:
        read_credentials({"ALPACA_KEYS_FILE": str(path)})

    assert sentence in str(caught.value)
    assert "hush" not in str(caught.value)
    assert (
        "APCA_API_KEY_ID=..." in str(caught.value)
        or "Copy it anew" in str(caught.value)
        or "Leave" in str(caught.value)
    )


def test_a_missing_keys_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.txt: cannot be read"):
        read_credentials({"ALPACA_KEYS_FILE": str(tmp_path / "nowhere.txt")})


def test_half_a_pair_of_variables_names_the_missing_half() -> None:
    with pytest.raises(SettingsError, match="APCA_API_SECRET_KEY"):
        read_credentials({"APCA_API_KEY_ID": "PK1"})


@pytest.mark.parametrize("secret", ["hush hush", "hushhush\n", "hush\u00e4"])
def test_a_variable_that_no_header_can_carry_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(SettingsError, match="APCA_API_SECRET_KEY") as caught:
        read_credentials({"APCA_API_KEY_ID": "PK1", "APCA_API_SECRET_KEY": secret})

    assert "hush" not in str(caught.value)


def test_the_representation_shows_neither_key_nor_secret() -> None:
    assert repr(Credentials("PK1", "abc")) == "Credentials()"
