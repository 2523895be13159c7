"""One spelling of JSON for every digest; those that stand in users' files never change."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.ledger import record_trials
from pytest_modelgate.core.planning.looks import Trial
from pytest_modelgate.digest import canonical_json, json_sha256

CONTENT = {"b": [1, 0.1, None, True], "a": {"\u00e9": "\U0001f600 x"}}


@pytest.mark.parametrize(
    ("spaced", "text"),
    [
        (False, r'{"a":{"\u00e9":"\ud83d\ude00 x"},"b":[1,0.1,null,true]}'),
        (True, r'{"a": {"\u00e9": "\ud83d\ude00 x"}, "b": [1, 0.1, null, true]}'),
    ],
)
def test_the_spelling_is_fixed_and_its_sha256_is_the_digest(spaced: bool, text: str) -> None:
    assert canonical_json(CONTENT, spaced=spaced) == text
    assert json_sha256(CONTENT, spaced=spaced) == hashlib.sha256(text.encode()).hexdigest()


def test_the_order_of_keys_does_not_count_and_that_of_lists_does() -> None:
    assert json_sha256({"a": 1, "b": 2}) == json_sha256({"b": 2, "a": 1})
    assert json_sha256([1, 2]) != json_sha256([2, 1])


def test_a_tuple_is_the_list_it_becomes_in_a_file() -> None:
    assert json_sha256({"a": (1, (2,))}) == json_sha256(json.loads('{"a": [1, [2]]}'))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_no_word_for_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_sha256({"a": [number]})


def test_profiles_keep_the_digests_that_stand_in_ledgers() -> None:
    """Limits that came later leave it as it was, as long as they are at their usual values."""
    profile = load_profile("2.4.5")
    later = replace(profile, market_data=replace(profile.market_data, max_spike=0.5))

    assert profile.sha256 == "efde0d40d3306736b21652a72879d209ffd223a031bc1ca1416068252f8a3a73"
    assert later.sha256 != profile.sha256


def test_ledgers_keep_the_seals_that_stand_in_them(tmp_path: Path) -> None:
    trial = Trial("UNIUSD_1Hour", "0" * 64, "2024-07-01T00:00:00+00:00", "2024-12-27T00:00:00+00:00")

    head = record_trials(tmp_path / "ledger.jsonl", [trial]).head

    assert head == "b58c34363cf96f1904060acd974e2143e30992ff9ab85d2000f0737033550113"
