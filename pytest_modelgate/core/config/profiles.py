"""Threshold and decision profiles: what they hold and how their text is read. The numbers live in profiles/*.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pytest_modelgate.core.config.ranges import (
    Chance,
    Cost,
    Count,
    Level,
    Multiple,
    NonNegative,
    Number,
    Percent,
    Positive,
    Share,
    Switch,
    Within,
)
from pytest_modelgate.core.config.watch_limits import WatchLimits
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import SettingsError

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9._+-]{1,60}")
_USUAL_DOUBTS = {"spike_deviations": 10.0, "max_spike": 1.0, "max_frozen_run": 24, "coarse_tick": 0.12}
_USUAL_WATCH = WatchLimits()
_REMEDY = "Correct the profile; `modelgate profiles` shows the built-in ones"


@dataclass(frozen=True)
class Thresholds:
    """Limits of one class for the last validation metrics; a value exactly at a limit meets it."""

    fitness_score: Number
    profit_factor: NonNegative
    consistency: Share
    max_drawdown: Share


@dataclass(frozen=True)
class FlagLimits:
    """Fractions of the absolute peak of the fitness score."""

    fitness_decline: Share
    unstable_training: Share


@dataclass(frozen=True)
class BacktestLimits:
    """Limits of the sanity backtest, all fractions but the count.

    Attributes:
        max_drawdown: above it the backtest fails.
        max_proxy_share: a drawdown above this share of the training proxy warns.
        min_closed_trades: fewer warn.
        max_time_in_market: a position in a larger share of the bars warns.
    """

    max_drawdown: Share
    max_proxy_share: Share
    min_closed_trades: Count
    max_time_in_market: Share


@dataclass(frozen=True)
class WalkForwardLimits:
    """Bands of the walk-forward table in whole percent of folds, and how many folds a decision needs."""

    good_percent: Percent
    marginal_percent: Percent
    losing_percent: Percent
    min_folds_live: Count
    min_folds_paper: Count


@dataclass(frozen=True)
class SpreadLimits:
    """Limits at which the spread of fold Sharpes turns moderate and high.

    Attributes:
        reading: ``chance`` compares with what chance alone gives: the limits are p-values, reached at or below.
            ``annualised`` takes the standard deviation of annualised Sharpes: moderate includes both limits.
    """

    reading: Literal["chance", "annualised"]
    moderate: NonNegative
    high: NonNegative


@dataclass(frozen=True)
class MarketDataLimits:
    """Limits for a series of bars; shares are fractions of its bars, or of those of any window.

    Attributes:
        warn_missing, max_missing: share of the expected bars that are not there; above the first warns, above the
            second fails. ``warn_zero_volume`` and ``max_zero_volume``: likewise, bars without a trade.
        warn_jump: a larger move from one close to the next warns, fraction.
        max_splits: more overnight moves that look like a split which prices were not adjusted for fail.
        spike_deviations: a price further from all around it is flagged, in robust deviations of the series' moves.
        max_spike: one that is further fails, a fraction; 1.0 is twice or half of what is around it.
        max_frozen_run: more bars in a row without any change of price are flagged.
        coarse_tick: a smallest step of prices that is so large a share of the price, or larger, warns.
    """

    warn_missing: Share
    max_missing: Share
    warn_zero_volume: Share
    max_zero_volume: Share
    warn_jump: Positive
    max_splits: Annotated[int, Within(0, 1_000_000)]
    spike_deviations: Annotated[float, Within(3.0, 1e9)]
    max_spike: Positive
    max_frozen_run: Count
    coarse_tick: Positive


@dataclass(frozen=True)
class ProofLimits:
    """Limits that LIVE asks for beyond the table.

    Attributes:
        max_p: probability with which luck may get as far ahead of the model's own positions on other days, over all
            trials together.
        max_rank: share of these positions that may do as well.
        max_p_without_fold: ``max_p`` with any one fold left out, of a single trial.
        retrain_p: beyond it, the model is not told from one that knows nothing: RETRAIN at most.
        min_psr: least probabilistic Sharpe ratio; 0 asks for none, as in the two that follow.
        min_psr_without_best: the same without the best fold.
        min_dsr: least deflated Sharpe ratio; with a single trial it is the probabilistic one.
        cost_multiple: of fees and slippage, at which the compounded return must still be positive.
        noise: 1 asks for a positive compounded return under every draw of noise on prices and weights, 0 does not.
        delay_bars: 1 asks for a positive compounded return with every order one bar later, 0 does not.
        min_trades: closed trades over all folds.
        min_fold_trades: closed trades in every fold.
    """

    max_p: Chance
    max_rank: Level
    max_p_without_fold: Chance
    retrain_p: Level
    min_psr: Share
    min_psr_without_best: Share
    min_dsr: Share
    cost_multiple: Multiple
    delay_bars: Switch
    noise: Switch
    min_trades: Count
    min_fold_trades: Count

    @property
    def asks_for_sharpe(self) -> bool:
        """Whether a Sharpe ratio of the account is a proof, and not only shown."""
        return max(self.min_psr, self.min_psr_without_best, self.min_dsr) > 0.0


@dataclass(frozen=True)
class IntegrityLimits:
    """Limits beyond which a model is degenerate; all are shares of the bars.

    Attributes:
        max_same_action: one action in so many or more fails.
        max_same_position: a position on one side in so many or more fails.
        min_signal_rate: actions other than HOLD in fewer warn.
        max_float32_changes: more actions that are others in float32 fail.
    """

    max_same_action: Share
    max_same_position: Share
    min_signal_rate: Share
    max_float32_changes: Share


@dataclass(frozen=True)
class ImplausibleLimits:
    """Limits of what a true skill can be; what lies beyond one by more than luck caps at PAPER.

    Attributes:
        max_sharpe: annualised, of a single fold and of all together.
        max_win_rate: share of the closed trades of all folds that made a profit.
        min_trades: of fewer closed trades, over all folds, the share is not asked.
        max_p: probability with which luck carries a model at a limit as far beyond it.
    """

    max_sharpe: Positive
    max_win_rate: Annotated[float, Within(0.01, 0.99)]
    min_trades: Count
    max_p: Annotated[float, Within(1e-9, 0.5)]


@dataclass(frozen=True)
class RobustnessLimits:
    """Size of the noise: standard deviation of log prices, and of weights as a fraction of each."""

    price_noise: Cost
    weight_noise: Cost


@dataclass(frozen=True)
class Costs:
    """Fee as a fraction of the notional and slippage as a fraction of the price, both on every fill."""

    fee: Cost
    slippage: Cost


@dataclass(frozen=True)
class Trading:
    """Order sizes as fractions of equity, the smallest order in USD, and costs per asset class."""

    position_size: Share
    cash_buffer: Share
    max_position: Share
    min_order_usd: NonNegative
    crypto: Costs
    us_equity: Costs


@dataclass(frozen=True)
class Execution:
    """What the trader does beside the policy's actions; 0 switches a rule off.

    Attributes:
        min_confidence: an action counts only when its softmax probability reaches it.
        stop_loss: a position that has lost this fraction of its average entry price is closed.
        take_profit: one that has gained it is.
    """

    min_confidence: Share
    stop_loss: Share
    take_profit: Share


@dataclass(frozen=True)
class Profile:
    """Every limit a verdict rests on.

    Attributes:
        name: bears the profile in reports and verdicts.
        reward_scale: the scale of training rewards that the drawdown limits were calibrated for.
    """

    name: str
    reward_scale: Positive
    approved: Thresholds
    review: Thresholds
    flags: FlagLimits
    backtest: BacktestLimits
    walk_forward: WalkForwardLimits
    spread: SpreadLimits
    market_data: MarketDataLimits
    proofs: ProofLimits
    implausible: ImplausibleLimits
    integrity: IntegrityLimits
    robustness: RobustnessLimits
    trading: Trading
    execution: Execution
    watch: WatchLimits = _USUAL_WATCH  # a profile from before it may leave the whole section out

    @cached_property
    def sha256(self) -> str:
        """Digest of all limits, whatever the name, the comments or the order of keys in the file.

        Limits from after the first ledgers leave it as it was before there were any, so that ledgers still count:
        execution rules that are off, and those of doubtful prices and of paper trading at their usual values.
        """
        limits = {key: value for key, value in asdict(self).items() if key != "name"}
        if not any(limits["execution"].values()):
            del limits["execution"]
        if self.watch == _USUAL_WATCH:
            del limits["watch"]
        if {name: limits["market_data"][name] for name in _USUAL_DOUBTS} == _USUAL_DOUBTS:
            for name in _USUAL_DOUBTS:
                del limits["market_data"][name]
        return json_sha256(limits, spaced=True)


def parse_profile(text: str, source: str, load: Callable[[str], str]) -> Profile:
    """Read a profile.

    ``extends = "NAME"`` takes every key that the text does not set itself, except the name, from another profile.

    Args:
        text: TOML.
        source: file name, for error messages.
        load: profile name to the text of the profile to extend.

    Raises:
        SettingsError: not TOML, a key that is unknown or missing, a value of another type or out of its range, or
            limits that contradict each other.
    """
    profile = _read(Profile, _resolve(text, source, load, ()), source, "")
    _check_order(profile, source)
    return profile


def _resolve(text: str, source: str, load: Callable[[str], str], seen: tuple[str, ...]) -> dict[str, Any]:
    try:
        own = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"profile {source}", f"is not TOML: {error}", _REMEDY) from error
    base = own.pop("extends", None)
    if base is None:
        return own
    if not isinstance(base, str) or base in seen:
        problem = f"is {base!r}, expected the name of a profile that does not extend this one"
        raise SettingsError(f"profile {source}, key extends", problem, _REMEDY)
    inherited = _resolve(load(base), base, load, (*seen, base))
    inherited.pop("name", None)
    return _overlay(inherited, own)


def _overlay(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base, **own}
    for key in base.keys() & own.keys():
        if isinstance(base[key], dict) and isinstance(own[key], dict):
            merged[key] = _overlay(base[key], own[key])
    return merged


def _read(cls: type[T], table: object, source: str, path: str) -> T:
    """Build a dataclass from a table whose keys are exactly its fields; ``path`` ends with a dot unless empty."""
    assert is_dataclass(cls)
    location = f"profile {source}"
    if not isinstance(table, dict):
        raise SettingsError(f"{location}, key {path.rstrip('.')}", f"is {table!r}, expected a table", _REMEDY)
    names = [field.name for field in fields(cls)]
    spare = {field.name for field in fields(cls) if is_dataclass(field.default)}
    for key in table:
        if key not in names:
            expected = f"is unknown, expected {', '.join(names)}"
            raise SettingsError(f"{location}, key {path}{key}", expected, _REMEDY)
    hints = get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    for name in names:
        if name in spare and name not in table:
            continue
        if name not in table:
            raise SettingsError(f"{location}, key {path}{name}", "is missing", _REMEDY)
        if is_dataclass(hints[name]):
            values[name] = _read(hints[name], table[name], source, f"{path}{name}.")
        else:
            values[name] = _value(hints[name], table[name], f"{location}, key {path}{name}")
    return cls(**values)


def _value(hint: Any, value: object, location: str) -> object:  # noqa: ANN401 - a type hint has no type of its own
    if hint is str:
        if isinstance(value, str) and _NAME.fullmatch(value):
            return value
        expected = "1 to 60 letters, digits and . _ + -"
    elif get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        expected = " or ".join(repr(choice) for choice in get_args(hint))
    else:
        kind, within = get_args(hint)
        numbers = (int,) if kind is int else (int, float)
        if isinstance(value, numbers) and not isinstance(value, bool) and within.low <= value <= within.high:
            return kind(value)
        expected = f"a {'whole ' if kind is int else ''}number from {within.low:g} to {within.high:g}"
    raise SettingsError(location, f"is {value!r}, expected {expected}", _REMEDY)


def _check_order(profile: Profile, source: str) -> None:
    approved, review, folds, spread = profile.approved, profile.review, profile.walk_forward, profile.spread
    market, execution = profile.market_data, profile.execution
    below_one = "is 1, expected a fraction below 1: 0.02 is 2 %"
    looser = "is stricter than in approved, expected the same or looser"
    by_chance = spread.reading == "chance"
    ordered = 0 < spread.high < spread.moderate < 1 if by_chance else 0 < spread.moderate <= spread.high
    expected = "0 < high < moderate < 1" if by_chance else "0 < moderate <= high"
    contradictions = (
        ("review.fitness_score", review.fitness_score > approved.fitness_score, looser),
        ("review.profit_factor", review.profit_factor > approved.profit_factor, looser),
        ("review.consistency", review.consistency > approved.consistency, looser),
        ("review.max_drawdown", review.max_drawdown < approved.max_drawdown, looser),
        ("walk_forward.marginal_percent", folds.marginal_percent > folds.good_percent, "is above good_percent"),
        ("walk_forward.min_folds_paper", folds.min_folds_paper > folds.min_folds_live, "is above min_folds_live"),
        ("spread", not ordered, f"is out of order, expected {expected} for the reading {spread.reading!r}"),
        ("market_data.warn_missing", market.warn_missing > market.max_missing, "is above max_missing"),
        ("market_data.warn_zero_volume", market.warn_zero_volume > market.max_zero_volume, "is above max_zero_volume"),
        ("trading.position_size", profile.trading.position_size == 0, "is 0, expected a positive fraction"),
        ("trading.cash_buffer", profile.trading.cash_buffer == 1, "is 1, which leaves nothing to trade with"),
        *((f"execution.{rule}", value == 1, below_one) for rule, value in asdict(execution).items()),
    )
    for key, wrong, problem in contradictions:
        if wrong:
            raise SettingsError(f"profile {source}, key {key}", problem, _REMEDY)
