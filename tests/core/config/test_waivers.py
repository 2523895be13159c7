"""What a waivers file may hold."""

from datetime import date, timedelta

import pytest

from pytest_modelgate.core.config.waivers import WAIVABLE, check_models, parse_waivers
from pytest_modelgate.errors import SettingsError

TODAY = date(2026, 3, 1)
ENTRY = {"model": "AAPL_1Hour", "check": "backtest", "reason": "One trade", "owner": "ada", "expires": date(2026, 3, 9)}


def test_waivers_are_read_in_order_of_models() -> None:
    other = {**ENTRY, "model": "AAPL_1Day"}

    waivers = parse_waivers({"waiver": [ENTRY, other]}, "w.toml", TODAY)

    assert [waiver.model for waiver in waivers] == ["AAPL_1Day", "AAPL_1Hour"]


def test_a_waiver_says_who_answers_for_it_how_long_and_why() -> None:
    (waiver,) = parse_waivers({"waiver": [ENTRY]}, "w.toml", TODAY)

    assert str(waiver) == "waived by ada until 2026-03-09: One trade"


def test_without_an_entry_there_is_no_waiver() -> None:
    assert parse_waivers({}, "w.toml", TODAY) == ()


@pytest.mark.parametrize("check", WAIVABLE)
def test_every_check_that_may_be_waived_can_be_named(check: str) -> None:
    (waiver,) = parse_waivers({"waiver": [ENTRY | {"check": str(check)}]}, "w.toml", TODAY)

    assert waiver.check == check


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"expires": TODAY - timedelta(days=1)}, "expired on 2026-02-28"),
        ({"expires": TODAY + timedelta(days=31)}, "more than 30 days ahead"),
        ({"expires": "2026-03-09"}, "expires is not a day"),
        ({"check": "causality"}, "'causality' cannot be waived.*No waiver lifts DROP, an integrity check or a proof"),
        (
            {"check": "integrity"},
            "'integrity' cannot be waived, only gating, backtest, folds, return, lucky_fold, champ",
        ),
        ({"check": "proof"}, "cannot be waived"),
        ({"check": "out_of_sample"}, "cannot be waived"),
        ({"check": "parity"}, "cannot be waived"),
        ({"reason": " "}, "reason is not a line"),
        ({"reason": "x" * 301}, "reason is not a line of 1 to 300 printable letters"),
        ({"owner": "a\x1b[2J"}, "owner is not a line"),
        ({"reason": 7}, "reason is not a line"),
        ({"ticket": "1"}, "does not have exactly the fields"),
    ],
)
def test_an_unusable_waiver_is_an_error(change: dict[str, object], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        parse_waivers({"waiver": [ENTRY | change]}, "w.toml", TODAY)


@pytest.mark.parametrize("missing", sorted(ENTRY))
def test_every_field_is_required(missing: str) -> None:
    entry = {name: value for name, value in ENTRY.items() if name != missing}

    with pytest.raises(SettingsError, match="does not have exactly the fields"):
        parse_waivers({"waiver": [entry]}, "w.toml", TODAY)


@pytest.mark.parametrize("days", [0, 30])
def test_the_last_day_and_the_longest_one_hold(days: int) -> None:
    expires = TODAY + timedelta(days=days)

    (waiver,) = parse_waivers({"waiver": [ENTRY | {"expires": expires}]}, "w.toml", TODAY)

    assert waiver.expires == expires


def test_the_longest_reason_holds() -> None:
    (waiver,) = parse_waivers({"waiver": [ENTRY | {"reason": "x" * 300}]}, "w.toml", TODAY)

    assert len(waiver.reason) == 300


def test_two_for_one_check_of_a_model_are_refused() -> None:
    with pytest.raises(SettingsError, match="is a second one for backtest of AAPL_1Hour"):
        parse_waivers({"waiver": [ENTRY, ENTRY]}, "w.toml", TODAY)


def test_a_table_of_another_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="holds other than a list"):
        parse_waivers({"waivers": [ENTRY]}, "w.toml", TODAY)


def test_a_waiver_for_a_model_that_is_there_is_fine() -> None:
    check_models(parse_waivers({"waiver": [ENTRY]}, "w.toml", TODAY), ["AAPL_1Hour"], "w.toml")


def test_a_waiver_for_a_model_that_is_not_there_is_an_error() -> None:
    waivers = parse_waivers({"waiver": [ENTRY]}, "w.toml", TODAY)

    with pytest.raises(SettingsError, match="waives backtest of AAPL_1Hour, which the archive does not hold"):
        check_models(waivers, ["UNIUSD_1Hour"], "w.toml")
