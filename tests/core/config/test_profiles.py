from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, astuple, replace
from importlib.resources import files
from operator import attrgetter
from typing import Any

import pytest

from pytest_modelgate.adapters.config_files.profiles import builtin_profiles, load_profile
from pytest_modelgate.core.backtest.rules import TradingRules, rules_for
from pytest_modelgate.core.config.profiles import Profile, parse_profile
from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.core.market.bars import AssetClass
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import SettingsError

COMPLETE = (files("pytest_modelgate") / "profiles" / "2.4.5.toml").read_text(encoding="utf-8")

# Reward scale, then fitness, profit factor, consistency and max drawdown of APPROVED and of REVIEW.
SPECIFIED = {
    "2.3": (0.1, (0.85, 2.0, 0.90, 0.20), (0.70, 1.5, 0.70, 0.30)),
    "2.4.5": (0.001, (0.70, 1.8, 0.85, 0.08), (0.50, 1.3, 0.65, 0.15)),
    "2.4.5-literal": (0.001, (0.70, 1.8, 0.85, 0.08), (0.50, 1.3, 0.65, 0.15)),
    "4.1.0": (0.001, (0.35, 1.4, 0.70, 0.10), (0.10, 1.1, 0.50, 0.20)),
    "strict": (0.001, (0.80, 2.0, 0.90, 0.05), (0.70, 1.8, 0.85, 0.08)),
    "trainer": (0.001, (0.70, 1.8, 0.85, 0.08), (0.50, 1.3, 0.65, 0.15)),
}


def no_base(name: str) -> str:
    raise AssertionError(f"asked for {name}")


def parse(text: str) -> Profile:
    return parse_profile(text, "mine.toml", no_base)


def edited(key: str, value: str) -> str:
    """The complete profile with one value replaced; ``key`` is ``section.key`` or ``key``."""
    section, _, name = key.rpartition(".")
    start = COMPLETE.index(f"[{section}]") if section else 0
    changed, count = re.subn(rf"(?m)^{name} = [^#\n]*", f"{name} = {value}  ", COMPLETE[start:], count=1)
    assert count == 1
    return COMPLETE[:start] + changed


def leaves(table: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


LEAVES = tuple(leaves(tomllib.loads(COMPLETE)))
NUMBERS = tuple((key, value) for key, value in LEAVES if not isinstance(value, str))


def test_the_specified_profiles_are_built_in() -> None:
    assert builtin_profiles() == tuple(sorted(SPECIFIED))


@pytest.mark.parametrize("name", SPECIFIED)
def test_a_built_in_profile_holds_the_specified_thresholds(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert (profile.reward_scale, astuple(profile.approved), astuple(profile.review)) == SPECIFIED[name]


@pytest.mark.parametrize("name", SPECIFIED)
def test_a_built_in_profile_states_its_own_thresholds_in_full(name: str) -> None:
    own = tomllib.loads((files("pytest_modelgate") / "profiles" / f"{name}.toml").read_text(encoding="utf-8"))
    if name != "2.4.5-literal":
        assert own.keys() >= {"reward_scale", "approved", "review"}
        assert len(own["approved"]) == len(own["review"]) == 4


@pytest.mark.parametrize("name", SPECIFIED)
def test_all_built_in_profiles_share_the_other_limits(name: str) -> None:
    profile = load_profile(name)
    assert astuple(profile.flags) == (0.05, 0.10)
    assert astuple(profile.backtest) == (0.15, 0.5, 5, 0.95)
    assert astuple(profile.walk_forward) == (80, 60, 90, 5, 3)
    literal = name == "2.4.5-literal"
    assert astuple(profile.spread) == (("annualised", 1.0, 2.0) if literal else ("chance", 0.05, 0.005))


def test_the_trainers_profile_trades_as_the_trainer_does_and_no_other_has_rules_of_execution() -> None:
    rules = rules_for(load_profile("trainer"), AssetClass.CRYPTO)
    assert rules == TradingRules(0.0025, 0.0010, 0.15, 0.30, 0.20, 1.0, False, 0.40, 0.02, 0.04)
    assert all(set(astuple(load_profile(name).execution)) == {0.0} for name in SPECIFIED if name != "trainer")


def test_limits_that_came_later_leave_the_digest_as_it_was_at_their_usual_values() -> None:
    limits = asdict(load_profile("2.4.5"))
    del limits["name"], limits["execution"], limits["watch"]
    for name in ("spike_deviations", "max_spike", "max_frozen_run", "coarse_tick"):
        del limits["market_data"][name]
    assert load_profile("2.4.5").sha256 == json_sha256(limits, spaced=True)


def test_another_limit_of_doubtful_prices_is_another_digest() -> None:
    profile = load_profile("2.4.5")
    other = replace(profile, market_data=replace(profile.market_data, max_spike=2.0))
    assert other.sha256 != profile.sha256


def test_a_profile_from_before_records_of_accounts_is_read_as_it_was() -> None:
    older = parse(COMPLETE[: COMPLETE.index("[watch]")])
    assert (older, older.sha256) == (parse(COMPLETE), parse(COMPLETE).sha256)


@pytest.mark.parametrize("name", SPECIFIED)
def test_the_strict_profile_alone_asks_for_a_record_of_an_account(name: str) -> None:
    assert load_profile(name).watch == replace(WatchLimits(), required=int(name == "strict"))


def test_crypto_pays_taker_fees_and_cannot_be_shorted() -> None:
    rules = rules_for(load_profile("2.4.5"), AssetClass.CRYPTO)
    assert rules == TradingRules(0.0025, 0.0010, 0.10, 0.05, 0.30, 1.0, can_short=False)


def test_stocks_pay_slippage_only_and_can_be_shorted() -> None:
    rules = rules_for(load_profile("2.4.5"), AssetClass.EQUITY)
    assert rules == TradingRules(0.0, 0.0005, 0.10, 0.05, 0.30, 1.0, can_short=True)


@pytest.mark.parametrize("key", [key for key, _ in LEAVES])
def test_a_missing_key_is_named(key: str) -> None:
    section, _, name = key.rpartition(".")
    start = COMPLETE.index(f"[{section}]") if section else 0
    text = COMPLETE[:start] + re.sub(rf"(?m)^{name} = .*\n", "", COMPLETE[start:], count=1)
    with pytest.raises(SettingsError, match=rf"mine\.toml, key {re.escape(key)}: is missing"):
        parse(text)


@pytest.mark.parametrize("key", [key for key, _ in NUMBERS])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "true", "'0.5'", "[0.5]", "1e300", "-1e300", f"1{'0' * 400}"])
def test_what_is_not_a_usable_number_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"mine\.toml, key {re.escape(key)}: is "):
        parse(edited(key, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "''"),
        ("name", "'two words'"),
        ("name", "3"),
        ("reward_scale", "0"),
        ("approved.max_drawdown", "8"),
        ("approved.max_drawdown", "-0.08"),
        ("approved.consistency", "85"),
        ("approved.profit_factor", "-1"),
        ("backtest.min_closed_trades", "5.0"),
        ("walk_forward.good_percent", "101"),
        ("walk_forward.min_folds_live", "0"),
        ("spread.reading", "'literal'"),
        ("trading.position_size", "0"),
        ("trading.cash_buffer", "1"),
        ("trading.crypto.fee", "0.25"),
        ("execution.stop_loss", "2"),
        ("execution.stop_loss", "1"),
        ("execution.take_profit", "-0.04"),
        ("execution.min_confidence", "1.0"),
        ("execution.min_confidence", "40"),
        ("trading.us_equity.slippage", "-0.0005"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"mine\.toml, key {re.escape(key)}: is "):
        parse(edited(key, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("review.fitness_score", "0.71"),
        ("review.profit_factor", "1.81"),
        ("review.consistency", "0.86"),
        ("review.max_drawdown", "0.07"),
    ],
)
def test_review_must_not_be_stricter_than_approved(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"key {re.escape(key)}: is stricter than in approved"):
        parse(edited(key, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [("walk_forward.marginal_percent", "81"), ("walk_forward.min_folds_paper", "6")],
)
def test_the_bands_of_the_walk_forward_must_be_in_order(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"key {re.escape(key)}: is above"):
        parse(edited(key, value))


@pytest.mark.parametrize(
    ("reading", "moderate", "high"),
    [
        ("chance", 0.005, 0.05),
        ("chance", 0.05, 0.05),
        ("chance", 0.05, 0),
        ("chance", 1, 0.005),
        ("annualised", 2, 1),
        ("annualised", 0, 1),
    ],
)
def test_the_spread_limits_must_be_in_the_order_of_their_reading(reading: str, moderate: float, high: float) -> None:
    text = COMPLETE.replace('reading = "chance"', f'reading = "{reading}"')
    text = text.replace("moderate = 0.05", f"moderate = {moderate}").replace("high = 0.005", f"high = {high}")
    with pytest.raises(SettingsError, match="key spread: is out of order"):
        parse(text)


def test_an_annualised_spread_may_be_moderate_at_one_value_alone() -> None:
    text = COMPLETE.replace('reading = "chance"', 'reading = "annualised"')
    text = text.replace("moderate = 0.05", "moderate = 2").replace("high = 0.005", "high = 2")
    assert parse(text).spread.moderate == 2


@pytest.mark.parametrize(
    ("key", "of"),
    [
        ("review.fitness_score", "approved.fitness_score"),
        ("review.profit_factor", "approved.profit_factor"),
        ("review.consistency", "approved.consistency"),
        ("review.max_drawdown", "approved.max_drawdown"),
        ("walk_forward.marginal_percent", "walk_forward.good_percent"),
        ("walk_forward.min_folds_paper", "walk_forward.min_folds_live"),
        ("market_data.warn_missing", "market_data.max_missing"),
        ("market_data.warn_zero_volume", "market_data.max_zero_volume"),
    ],
)
def test_two_limits_may_be_the_same(key: str, of: str) -> None:
    value = attrgetter(of)(parse(COMPLETE))
    assert attrgetter(key)(parse(edited(key, repr(value)))) == value


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("fitnes_score = 1\n" + COMPLETE, "fitnes_score"),
        (COMPLETE + "\n[extra]\n", "extra"),
        (COMPLETE.replace("[review]", "[review]\nsharpe = 1"), "review.sharpe"),
        (COMPLETE.replace("[trading.crypto]", "[trading.crypto]\nspread = 1"), "trading.crypto.spread"),
    ],
)
def test_an_unknown_key_is_named(text: str, key: str) -> None:
    with pytest.raises(SettingsError, match=rf"key {re.escape(key)}: is unknown"):
        parse(text)


def test_a_value_where_a_table_belongs_is_refused() -> None:
    with pytest.raises(SettingsError, match="key spread: is 1, expected a table"):
        parse_profile('name = "mine"\nextends = "base"\nspread = 1\n', "mine.toml", lambda _: COMPLETE)


@pytest.mark.parametrize("text", ["name =", "[" * 5000, f"x = {'9' * 5000}"])
def test_text_that_is_not_toml_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"mine\.toml: is not TOML"):
        parse(text)


def test_an_extension_takes_what_it_does_not_set_from_its_base() -> None:
    extension = 'name = "mine"\nextends = "base"\n[trading.crypto]\nfee = 0.0015\n'
    profile = parse_profile(extension, "mine.toml", {"base": COMPLETE}.__getitem__)
    assert profile == parse(edited("trading.crypto.fee", "0.0015").replace('name = "2.4.5"', 'name = "mine"'))


def test_an_extension_may_be_extended() -> None:
    texts = {"base": COMPLETE, "middle": 'name = "middle"\nextends = "base"\n[flags]\nfitness_decline = 0.07\n'}
    profile = parse_profile('name = "mine"\nextends = "middle"\n', "mine.toml", texts.__getitem__)
    assert (profile.name, profile.flags.fitness_decline, profile.flags.unstable_training) == ("mine", 0.07, 0.10)


def test_an_extension_needs_a_name_of_its_own() -> None:
    with pytest.raises(SettingsError, match="key name: is missing"):
        parse_profile('extends = "base"', "mine.toml", lambda _: COMPLETE)


def test_profiles_that_extend_each_other_are_refused() -> None:
    texts = {"a": 'name = "a"\nextends = "b"', "b": 'name = "b"\nextends = "a"'}
    with pytest.raises(SettingsError, match="key extends: is 'b'"):
        parse_profile(texts["a"], "a.toml", texts.__getitem__)


def test_the_digest_does_not_depend_on_name_comments_or_key_order() -> None:
    tables = re.split(r"(?m)^(?=\[)", re.sub(r"#.*", "", COMPLETE.replace('"2.4.5"', '"mine"')))
    assert parse("\n".join([tables[0], *reversed(tables[1:])])).sha256 == parse(COMPLETE).sha256


@pytest.mark.parametrize(("key", "value"), NUMBERS)
def test_the_digest_depends_on_every_limit(key: str, value: float) -> None:
    nudged = value + 1 if isinstance(value, int) else value + 0.0001
    nudged = value - 1 if key in ("walk_forward.min_folds_live", "walk_forward.good_percent") else nudged
    assert parse(edited(key, repr(nudged))).sha256 != parse(COMPLETE).sha256
