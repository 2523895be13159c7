"""The verdict as a file: its schema, its digest, and how it is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pytest_modelgate.adapters.atomic import write_atomically
from pytest_modelgate.core.context import Context
from pytest_modelgate.core.evidence import CheckpointEvidence, MarketEvidence, WindowEvidence
from pytest_modelgate.core.judgement import Judgement
from pytest_modelgate.core.plan import Plan
from pytest_modelgate.core.profiles import Profile
from pytest_modelgate.core.robustness import Robustness
from pytest_modelgate.core.settings import Settings

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


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ReturnPart(_Part):
    """A part with a return, which Python reserves the name of."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)
    total_return: Figure = Field(alias="return")


class ArchivePart(_Part):
    """Which archive was judged; ``timestamp`` is when training ended (ISO 8601, UTC)."""

    name: str
    sha256: str
    timestamp: str | None


class ProfilePart(_Part):
    """Which limits were applied."""

    name: str
    sha256: str


class QualityPart(_Part):
    """What a series of bars is like; counts are bars, ``largest_move`` is a signed fraction from close to close."""

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


class MarketPart(_Part):
    """One series of bars; ``first`` and ``last`` are bar starts (ISO 8601, UTC), ``sha256`` their fingerprint.

    The fingerprint is that of the time stamps and values alone, as little-endian 8-byte numbers: however they were
    recorded, the same bars have the same one.
    """

    symbol: str
    timeframe: str
    feed: str
    adjustment: str
    first: str
    last: str
    bars: int
    sha256: str
    quality: QualityPart


class CheckpointPart(_Part):
    """The judged bytes and what they said of themselves; null where they could not be read."""

    member: str
    sha256: str | None
    model_version: str | None
    min_trader_version: str | None
    feature_set: str | None
    activation: str | None
    hidden: list[int] | None
    window: int | None
    n_features: int | None
    n_actions: int | None
    parity: Literal["proven", "unproven"] | None
    parity_detail: str | None


class RecommendedCheckpointPart(_Part):
    """The peak of the fitness: validation number from 1, and training update where the interval is declared."""

    validation: int
    update: int | None


class GatingPart(_Part):
    """How the training metrics were judged."""

    classification: Literal["APPROVED", "REVIEW", "DROP"]
    bands: dict[str, Literal["APPROVED", "REVIEW", "DROP"]]
    flags: list[str]
    metrics: dict[str, Figure]
    recommended_checkpoint: RecommendedCheckpointPart | None


class WindowPart(_ReturnPart):
    """What one window measured; fractions, USD for ``min_equity``, Sharpe annualised and per bar."""

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


class BacktestPart(WindowPart):
    """The sanity window and how it was judged."""

    status: Literal["pass", "warn", "fail"]
    findings: list[str]


class FoldPart(WindowPart):
    """One walk-forward fold, numbered from 1."""

    index: int


class SpreadPart(_Part):
    """How far the folds' Sharpe ratios lie apart."""

    column: Literal["low", "moderate", "high", "undefined"]
    reading: Literal["chance", "annualised"]
    noise_units: Figure
    p_value: Figure
    annualised_mean: Figure
    annualised_std: Figure
    chance_std: Figure


class ProofPart(_Part):
    """One proof that LIVE needs under ``proven``; ``details`` are further figures, by name."""

    name: Literal["out_of_sample", "timing", "sharpe", "costs", "trades", "delay", "noise"]
    shown: bool
    figure: Figure
    limit: Figure
    at_most: bool
    sentence: str
    details: dict[str, Figure]


class CheckPart(_Part):
    """One integrity check; ``fail`` blocks the model."""

    name: Literal["causality", "weights", "activity", "accounting", "feasibility", "account"]
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


class RobustnessPart(_Part):
    """How the model bears disturbances; ``undisturbed`` is the decision to compare theirs with."""

    undisturbed: Literal["LIVE", "PAPER", "RETRAIN", "DROP"]
    break_even: Figure
    surface: list[CostPointPart]
    disturbances: list[DisturbancePart]


class RegimePart(_ReturnPart):
    """Bars of one kind, and what model and market earned at them."""

    name: Literal["calm", "usual", "wild", "rising", "falling"]
    share: Figure
    market_return: Figure


class ContextPart(_Part):
    """What the walk-forward return is to be compared with; ``low`` and ``high`` are its 90 % bootstrap interval."""

    buy_and_hold: Figure
    percentile: Figure
    low: Figure
    high: Figure
    days_needed: Figure
    regimes: list[RegimePart]


class ChampionPart(_Part):
    """Against the model now deployed; mean logarithmic return per bar, its 90 % interval, compounded returns."""

    outcome: Literal["better", "equal", "worse"]
    champion: str
    difference: Figure
    low: Figure
    high: Figure
    champion_return: Figure
    challenger_return: Figure


class ModelPart(_Part):
    """One model: evidence, decision and why. ``decision`` is INCOMPLETE when evidence is missing."""

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


class WaiverPart(_Part):
    """What was waived; ``expires`` is the last day on which it holds (UTC)."""

    model: str
    check: Literal["gating", "backtest", "folds", "return", "lucky_fold", "champion"]
    reason: str
    owner: str
    expires: date


class Verdict(_Part):
    """What a run decided about an archive, and on what evidence."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True)
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


def make_verdict(
    *,
    archive_sha256: str,
    plan: Plan,
    settings: Settings,
    profile: Profile,
    judgements: Sequence[Judgement],
    ledger: str | None,
    champion: str | None,
    unfinished: str,
    run: Mapping[str, str],
) -> Verdict:
    """Put a verdict together from judgements.

    Args:
        archive_sha256: digest of the archive's bytes.
        judgements: of the plan's models, in the plan's order.
        ledger: seal of the ledger's last line; None without a ledger.
        champion: digest of what says which models are deployed; None when nothing was compared with them.
        unfinished: why the verdict cannot be complete whatever the judgements say; empty if nothing speaks against it.
        run: facts that may differ between runs; the digest leaves them out.
    """
    missing = [f"{judgement.plan.model.id}: {judgement.incomplete}" for judgement in judgements if judgement.incomplete]
    complete: Literal[True] | str = unfinished or "; ".join(missing) or True
    promotable = [item.plan.model.id for item in judgements if complete is True and item.reaches(settings.require)]
    timestamp = plan.run.timestamp
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "archive": {
            "name": plan.run.name,
            "sha256": archive_sha256,
            "timestamp": timestamp.isoformat() if timestamp is not None else None,
        },
        "settings": {**_settings(settings, plan), "ledger": ledger, "champion": champion},
        "profile": {"name": profile.name, "sha256": profile.sha256},
        "trials": plan.trials,
        "waivers": [_plain(WaiverPart, waiver) for waiver in settings.waivers],
        "market_data": _market_data(judgements),
        "models": [_model(judgement) for judgement in judgements],
        "complete": complete,
        "promotable": promotable,
    }
    draft = Verdict.model_validate({**body, "digest": "0" * 64, "run": dict(run)})
    verdict = draft.model_copy(update={"digest": digest(draft.model_dump(mode="json"))})
    return verdict.model_copy(update={"run": {**run, "seal": seal(verdict.model_dump(mode="json"))}})


def digest(document: Mapping[str, Any]) -> str:
    """Sha256 of a verdict's canonical JSON without ``digest`` and ``run``."""
    return _sha256({key: value for key, value in document.items() if key not in ("digest", "run")})


def seal(document: Mapping[str, Any]) -> str:
    """Sha256 of a verdict's canonical JSON without ``run.seal``: it covers what the digest leaves out as well."""
    return _sha256({**document, "run": {key: value for key, value in document["run"].items() if key != "seal"}})


def verdict_bytes(verdict: Verdict) -> bytes:
    """The one way a verdict is spelled in its file."""
    return (json.dumps(verdict.model_dump(mode="json"), indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode()


def write_verdict(path: Path, verdict: Verdict) -> None:
    """Replace the file in one step; a reader sees the old verdict or the new one."""
    write_atomically(path, verdict_bytes(verdict))


def json_schema() -> str:
    """The published JSON Schema of a verdict, as text."""
    return json.dumps(Verdict.model_json_schema(mode="serialization"), indent=2) + "\n"


def _sha256(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _settings(settings: Settings, plan: Plan) -> dict[str, str | int | float | list[str] | None]:
    return {
        "version": version("pytest-modelgate"),
        "as_of": plan.as_of.isoformat(),
        "require": settings.require.name,
        "backtest_days": settings.backtest_days,
        "walk_forward_days": settings.walk_forward_days,
        "folds": settings.folds,
        "capital": settings.capital,
        "feature_set": settings.feature_set,
        "activation": settings.activation,
        "decision": settings.decision,
        "account": settings.account,
        "sessions": settings.sessions,
        "feed": settings.feed,
        "adjustment": settings.adjustment,
        "trainer_packages": list(settings.trainer_packages),
        "waivers": settings.waivers_sha256,
        "judged_on": settings.judged_on.isoformat() if settings.judged_on else None,
    }


def _market_data(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    series = {evidence.market for judgement in judgements for evidence in judgement.measured}
    ordered = sorted(series, key=lambda market: (market.symbol, market.timeframe, market.sha256))
    return [{**_plain(MarketPart, market), "quality": _plain(QualityPart, market.quality)} for market in ordered]


def _model(judgement: Judgement) -> dict[str, Any]:
    model, decision = judgement.plan.model, judgement.decision
    backtest, sanity = judgement.backtest, judgement.sanity
    return {
        "id": model.id,
        "symbol": model.instrument.symbol,
        "timeframe": model.timeframe.value,
        "checkpoint": _checkpoint(judgement),
        "gating": _gating(judgement),
        "backtest": {**_window(backtest), "status": sanity.status, "findings": list(sanity.findings)}
        if isinstance(backtest, WindowEvidence) and sanity
        else None,
        "folds": [
            {**_window(fold), "index": index}
            for index, fold in enumerate(judgement.folds, start=1)
            if isinstance(fold, WindowEvidence)
        ],
        "spread": _plain(SpreadPart, decision.spread) if decision and decision.spread else None,
        "compounded_return": decision.compounded_return if decision else None,
        "proofs": [_plain(ProofPart, proof) | {"details": dict(proof.details)} for proof in judgement.proofs],
        "integrity": [_plain(CheckPart, check) | {"figures": dict(check.figures)} for check in judgement.checks],
        "robustness": _robustness(judgement.robustness) if judgement.robustness else None,
        "context": _context(judgement.context) if judgement.context else None,
        "champion": _plain(ChampionPart, judgement.comparison) if judgement.comparison else None,
        "table_decision": decision.table.name if decision and decision.table is not None else None,
        "decision": judgement.word,
        "reasons": list(judgement.reasons),
        "warnings": list(judgement.warnings),
    }


def _robustness(found: Robustness) -> dict[str, Any]:
    return {
        "undisturbed": found.undisturbed.name,
        "break_even": found.break_even,
        "surface": [_plain(CostPointPart, point) for point in found.surface],
        "disturbances": [
            _plain(DisturbancePart, item) | {"decision": item.decision.name} for item in found.disturbances
        ],
    }


def _context(found: Context) -> dict[str, Any]:
    regimes = [_plain(RegimePart, regime) for regime in found.regimes]
    return {**_plain(ContextPart, found), "regimes": regimes}


def _checkpoint(judgement: Judgement) -> dict[str, Any] | None:
    reference = judgement.plan.model.checkpoint
    if reference is None:
        return None
    for evidence in judgement.measured:
        return _plain(CheckpointPart, evidence.checkpoint)
    return dict.fromkeys(CheckpointPart.model_fields) | {"member": reference.member}


def _gating(judgement: Judgement) -> dict[str, Any] | None:
    gating = judgement.plan.gating
    if gating is None:
        return None
    advice = gating.recommended_checkpoint
    return {
        "classification": gating.classification.value,
        "bands": {metric: band.value for metric, band in gating.bands.items()},
        "flags": [flag.value for flag in gating.flags],
        "metrics": dict(gating.metrics),
        "recommended_checkpoint": _plain(RecommendedCheckpointPart, advice) if advice else None,
    }


def _window(evidence: WindowEvidence) -> dict[str, Any]:
    metrics = evidence.metrics
    return {
        "start": evidence.start,
        "end": evidence.end,
        "sample": evidence.sample,
        "return": metrics.total_return,
        "sharpe": metrics.sharpe_annualised,
        "sharpe_per_bar": metrics.sharpe,
        "max_drawdown": metrics.max_drawdown,
        "profit_factor": metrics.profit_factor,
        "win_rate": metrics.win_rate,
        "trades": metrics.closed_trades,
        "exposure": metrics.exposure,
        "time_in_market": metrics.time_in_market,
        "turnover": metrics.turnover,
        "min_equity": metrics.min_equity,
        "bars": metrics.bars,
        "refused_orders": dict(evidence.refused),
    }


def _plain(part: type[_Part], source: CheckpointEvidence | MarketEvidence | object) -> dict[str, Any]:
    """The fields of ``part`` from an object that bears the same names."""
    values = {name: getattr(source, name) for name in part.model_fields}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
