"""What a verdict says, part by part: the schema of ``verdict.json``."""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from pytest_modelgate.core.config.cap_kind import CapKind

SCHEMA = "modelgate.verdict/1"
_DIGITS = 12  # what a reader can use; the last bits of a float may differ between processors


def _figure(value: object) -> object:
    """Undefined becomes null and an infinity is spelled, so that any JSON reader can take the file."""
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(f"{value:.{_DIGITS}g}")


Figure = Annotated[float | Literal["inf", "-inf"] | None, BeforeValidator(_figure)]


class Part(BaseModel):
    """Something a verdict says; nothing else may stand in it."""

    # Deferred here and below: what stands only in a larger part is never built by itself, and that takes a while.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class _ReturnPart(Part):
    """A part with a return, which Python reserves the name of."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True, defer_build=True
    )
    total_return: Figure = Field(alias="return")


class _SparePart(Part):
    """A part with fields that are left out where they are empty: verdicts from before them keep their digests."""

    spare: ClassVar[tuple[str, ...]]

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def] # noqa: ANN202 - else the schema is lost
        fields = handler(self)
        return {key: value for key, value in fields.items() if value or key not in self.spare}


class ArchivePart(_SparePart):
    """Which archive was judged; ``timestamp`` is when training ended (ISO 8601, UTC).

    ``warnings`` say what lies in it and is no model; they are left out where there are none.
    """

    spare: ClassVar[tuple[str, ...]] = ("warnings",)
    name: str
    sha256: str
    timestamp: str | None
    warnings: list[str] = []


class ProfilePart(Part):
    """Which limits were applied."""

    name: str
    sha256: str


class QualityPart(_SparePart):
    """What a series of bars is like; counts are bars, ``largest_move`` is a signed fraction from close to close.

    ``flagged`` bars have doubtful prices: ``worst_spike`` is the signed fraction by which the furthest lay beyond all
    around it, ``frozen_run`` the most bars in a row of one and the same price. ``coarse`` bars are so cheap that the
    smallest step of prices is a large share. ``actions`` are what happened to a company's shares meanwhile, and
    ``actions_from`` says whether Alpaca's list was ``recorded``, or splits are ``guessed`` by their moves, with nothing
    known of names. Each is left out where there is none.
    """

    spare: ClassVar[tuple[str, ...]] = (
        *("flagged", "worst_spike", "worst_spike_at", "frozen_run", "coarse"),
        *("actions", "actions_from"),
    )
    expected: int
    missing: int
    longest_gap: int
    zero_volume: int
    inconsistent: int
    jumps: int
    largest_move: Figure
    largest_move_at: str
    splits: list[str]
    failures: list[str]
    warnings: list[str]
    flagged: int = 0
    worst_spike: Figure = 0.0
    worst_spike_at: str = ""
    frozen_run: int = 0
    coarse: int = 0
    actions: list[str] = []
    actions_from: Literal["", "recorded", "guessed"] = ""


class MarketPart(_SparePart):
    """One series of bars; ``first`` and ``last`` are bar starts (ISO 8601, UTC), ``sha256`` their fingerprint.

    The fingerprint is that of the time stamps and values alone, as little-endian 8-byte numbers: however they were
    recorded, the same bars have the same one. ``traded_sha256`` is that of opens, highs and lows at which orders are
    executed, where these are not the bars' own; ``source`` says which file the user's own bars are from. ``bar_origin``
    says when the first bar of a day begins (``03:00 UTC``) where two or four hours of crypto are not on Alpaca's grid.
    """

    spare: ClassVar[tuple[str, ...]] = ("traded_sha256", "source", "bar_origin")

    symbol: str
    timeframe: str
    feed: str
    adjustment: str
    first: str
    last: str
    bars: int
    sha256: str
    quality: QualityPart
    traded_sha256: str = ""
    source: str = ""
    bar_origin: str = ""


class AccountFeaturePart(Part):
    """One account feature: its column in a row (negative ones count from the end), neutral value and encoding."""

    name: str
    place: int
    neutral: float
    encoding: Literal["linear", "tanh", "log10"]
    factor: float


class CodeSourcePart(Part):
    """Code of the project: ``sha256`` covers the file and the modules of the project that it imports."""

    file: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    modules: list[str]


class CheckpointPart(_SparePart):
    """The judged bytes and what they said of themselves; null where they could not be read.

    ``layers`` names the policy's layers in the order in which they were judged to apply; ``actions`` are the meanings
    of its outputs, ``account`` its account features, ``feature_source`` the project's code of its market features.
    ``format`` is that of its file where that is not the trainer's, ``normaliser`` the archive's name for the statistics
    of its observations, ``observation`` the order in which its trainer flattens them. Where ``uncertified`` is true,
    its actions may be others on another machine.
    """

    spare: ClassVar[tuple[str, ...]] = (
        "actions", "account", "feature_source", "format", "normaliser", "normaliser_sha256", "observation",
        "uncertified",
    )  # fmt: skip
    member: str
    sha256: str | None
    model_version: str | None
    min_trader_version: str | None
    feature_set: str | None
    activation: str | None
    hidden: list[int] | None
    layers: list[str] | None = None
    window: int | None
    n_features: int | None
    n_actions: int | None
    actions: list[str] | None = None
    account: list[AccountFeaturePart] | None = None
    parity: Literal["proven", "unproven"] | None
    parity_detail: str | None
    feature_source: CodeSourcePart | None = None
    format: str | None = None
    normaliser: str | None = None
    normaliser_sha256: str | None = None
    observation: list[str] | None = None
    uncertified: bool | None = None


class RecommendedCheckpointPart(Part):
    """The peak of the fitness: validation number from 1, and training update where the interval is declared."""

    validation: int
    update: int | None


class GatingPart(Part):
    """How the training metrics were judged."""

    classification: Literal["APPROVED", "REVIEW", "DROP"]
    bands: dict[str, Literal["APPROVED", "REVIEW", "DROP"]]
    flags: list[str]
    metrics: dict[str, Figure]
    recommended_checkpoint: RecommendedCheckpointPart | None


class FlaggedPart(_ReturnPart):
    """Bars with doubtful prices at which something was held: how many, and what all of them together returned.

    ``share`` is theirs of the window's logarithmic growth, ``rest_return`` what all other bars returned; ``first`` is
    the start of the first of them (ISO 8601, UTC).
    """

    bars: int
    first: str
    share: Figure
    rest_return: Figure


class WindowPart(_ReturnPart, _SparePart):
    """What one window measured; fractions, USD for ``min_equity``, Sharpe annualised and per bar.

    ``exits`` counts positions that a stop or a target of the profile closed; it is missing in older verdicts.
    ``flagged`` is left out where nothing was held at a bar with doubtful prices. ``waited_orders`` counts orders of a
    closed session that were filled at its open instead of that of their bar; it is left out where there are none.
    """

    spare: ClassVar[tuple[str, ...]] = ("flagged", "waited_orders")
    start: str
    end: str
    sample: Literal["in-sample", "gap", "out-of-sample", "unknown"]
    sharpe: Figure
    sharpe_per_bar: Figure
    max_drawdown: Figure
    profit_factor: Figure
    win_rate: Figure
    trades: int
    exposure: Figure
    time_in_market: Figure
    turnover: Figure
    min_equity: Figure
    bars: int
    refused_orders: dict[str, int]
    exits: dict[str, int] = {}
    flagged: FlaggedPart | None = None
    waited_orders: int = 0


class BacktestPart(WindowPart):
    """The sanity window and how it was judged.

    ``shown`` are findings that hold nothing back, since folds judge the same bars; left out where there are none.
    """

    spare: ClassVar[tuple[str, ...]] = (*WindowPart.spare, "shown")
    status: Literal["pass", "warn", "fail"]
    findings: list[str]
    shown: list[str] = []


class FoldPart(WindowPart):
    """One walk-forward fold, numbered from 1."""

    index: int


class SpreadPart(Part):
    """How far the folds' Sharpe ratios lie apart."""

    column: Literal["low", "moderate", "high", "undefined"]
    reading: Literal["chance", "annualised"]
    noise_units: Figure
    p_value: Figure
    annualised_mean: Figure
    annualised_std: Figure
    chance_std: Figure


class ProofPart(Part):
    """One proof that LIVE needs under ``proven``; ``details`` are further figures, by name."""

    name: Literal[
        "out_of_sample", "timing", "single_fold", "money", "trades", "sharpe", "delay", "noise", "costs"
    ]  # the last in older verdicts
    shown: bool
    figure: Figure
    limit: Figure
    at_most: bool
    sentence: str
    details: dict[str, Figure]


class CheckPart(Part):
    """One integrity check; ``fail`` blocks the model."""

    name: Literal["causality", "weights", "activity", "accounting", "feasibility", "account", "precision"]
    status: Literal["pass", "warn", "fail"]
    sentence: str
    figures: dict[str, Figure]


class CostPointPart(_ReturnPart):
    """Compounded return at multiples of fees and slippage."""

    fees: Figure
    slippage: Figure


class DisturbancePart(_ReturnPart):
    """What one disturbance does; ``decision`` by the table and the caps that always apply."""

    name: str
    actions_changed: Figure
    decision: Literal["LIVE", "PAPER", "RETRAIN", "DROP"]


class RobustnessPart(_SparePart):
    """How the model bears disturbances; ``undisturbed`` is the decision to compare theirs with.

    ``undrawn`` says why no noise was drawn; it is left out where it was.
    """

    spare: ClassVar[tuple[str, ...]] = ("undrawn",)
    undisturbed: Literal["LIVE", "PAPER", "RETRAIN", "DROP"]
    break_even: Figure
    surface: list[CostPointPart]
    disturbances: list[DisturbancePart]
    undrawn: str = ""


class RegimePart(_ReturnPart):
    """Bars of one kind, and what model and market earned at them."""

    name: Literal["calm", "usual", "wild", "rising", "falling"]
    share: Figure
    market_return: Figure


class ContextPart(_SparePart):
    """What the walk-forward return is to be compared with; ``low`` and ``high`` are its 90 % bootstrap interval.

    ``psr`` and ``deflated`` are the probabilistic and the deflated Sharpe ratio; they are missing in older verdicts.
    """

    spare: ClassVar[tuple[str, ...]] = ("psr", "deflated")

    buy_and_hold: Figure
    percentile: Figure
    low: Figure
    high: Figure
    days_needed: Figure
    psr: Figure = None
    deflated: Figure = None
    regimes: list[RegimePart]


class ChampionPart(Part):
    """Against the model now deployed; mean logarithmic return per bar, its 90 % interval, compounded returns."""

    outcome: Literal["better", "equal", "worse"]
    champion: str
    difference: Figure
    low: Figure
    high: Figure
    champion_return: Figure
    challenger_return: Figure


class PaperFindingPart(Part):
    """One question about the record: ``waiting`` is not enough yet or explained, ``alarm`` is against the model."""

    name: Literal["record", "orders", "costs", "tracking", "drift", "promotion"]
    status: Literal["met", "waiting", "alarm", "incomplete"]
    sentence: str


class PaperPart(Part):
    """What an account did with the model, and what that is worth; fractions, counts and moments (ISO 8601, UTC).

    ``account`` is a pseudonym, ``since`` when these bytes were put in force, ``decision`` what promoted them; all are
    empty where no account trades them. ``orders`` counts bars with an order expected or sent, by what became of it;
    ``slippage`` is the mean of its filled ones, ``fees`` of the notional, ``pending`` the share whose fees may still
    come. ``account_return`` and ``simulated_return`` are of the whole period. ``evidence_for`` is the odds to 1 for
    skill, ``evidence_against`` those against ``claim``, the walk-forward's excess Sharpe ratio a year. ``limit`` is the
    most the record allows, and ``brief`` what decides that, in a few words; where ``lifts`` is true, it outweighs
    training in REVIEW, a doubtful backtest and one lucky fold. Nothing in it is an amount of money.
    """

    account: str
    kind: Literal["paper", "live"]
    since: str
    start: str
    end: str
    bars: int
    days: int
    decision: str
    orders: dict[str, int]
    unexplained_notional: Figure
    explained: Figure
    slippage: Figure
    fees: Figure
    pending: Figure
    assumed_cost: Figure
    closure: Figure
    outages: int
    drift: Figure
    account_return: Figure
    simulated_return: Figure
    evidence_for: Figure
    evidence_against: Figure
    claim: Figure
    findings: list[PaperFindingPart]
    limit: Literal["LIVE", "PAPER", "RETRAIN", "DROP"]
    reason: str
    brief: str
    lifts: bool
    record: str


class LimitPart(Part):
    """The most that one kind of evidence allows; ``name`` is that of the integrity check or proof, else empty."""

    level: Literal["LIVE", "PAPER", "RETRAIN", "DROP"]
    kind: CapKind
    name: str
    reason: str


class ModelPart(_SparePart):
    """One model: evidence, decision and why. ``decision`` is INCOMPLETE when evidence is missing.

    ``timeframe`` is ``unknown`` where the archive tells none. ``choice`` says which checkpoint the trainer chose,
    and why, in its own words; it is left out where nothing is said. ``account_mode`` says how account features were
    fed. ``limits`` are all that hold it below LIVE beside the table; they are missing in older verdicts. ``paper`` is
    left out where no account was asked.
    """

    spare: ClassVar[tuple[str, ...]] = ("choice", "account_mode", "limits", "paper")
    id: str
    symbol: str
    timeframe: str
    checkpoint: CheckpointPart | None
    gating: GatingPart | None
    backtest: BacktestPart | None
    folds: list[FoldPart]
    spread: SpreadPart | None
    compounded_return: Figure
    proofs: list[ProofPart]
    integrity: list[CheckPart]
    robustness: RobustnessPart | None
    context: ContextPart | None
    champion: ChampionPart | None
    table_decision: Literal["LIVE", "PAPER", "RETRAIN", "DROP"] | None
    decision: Literal["LIVE", "PAPER", "RETRAIN", "DROP", "INCOMPLETE"]
    reasons: list[str]
    warnings: list[str]
    choice: str | None = None
    account_mode: Literal["neutral", "tracked"] | None = None
    limits: list[LimitPart] = []
    paper: PaperPart | None = None


class WaiverPart(Part):
    """What was waived; ``expires`` is the last day on which it holds (UTC)."""

    model: str
    check: Literal["gating", "backtest", "folds", "return", "lucky_fold", "champion"]
    reason: str
    owner: str
    expires: date


class Verdict(Part):
    """What a run decided about an archive, and on what evidence."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True, defer_build=True
    )
    schema_name: Literal["modelgate.verdict/1"] = Field(alias="schema")
    archive: ArchivePart
    settings: dict[str, str | int | float | list[str] | None]
    profile: ProfilePart
    trials: int
    waivers: list[WaiverPart]
    market_data: list[MarketPart]
    models: list[ModelPart]
    complete: Literal[True] | str
    promotable: list[str]
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    run: dict[str, str]
