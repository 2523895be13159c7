"""The verdict as a file: how it is put together, its digest, and how it is written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.verdict.schema import (
    SCHEMA,
    ChampionPart,
    CheckPart,
    CheckpointPart,
    ContextPart,
    CostPointPart,
    DisturbancePart,
    MarketPart,
    Part,
    ProofPart,
    QualityPart,
    RecommendedCheckpointPart,
    RegimePart,
    SpreadPart,
    Verdict,
    WaiverPart,
)
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.context import Context
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.decision.robustness import Robustness
from pytest_modelgate.core.evidence.records import CheckpointEvidence, MarketEvidence, WindowEvidence
from pytest_modelgate.core.planning.plan import Plan
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import SettingsError


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
    return json_sha256({key: value for key, value in document.items() if key not in ("digest", "run")})


def seal(document: Mapping[str, Any]) -> str:
    """Sha256 of a verdict's canonical JSON without ``run.seal``: it covers what the digest leaves out as well."""
    return json_sha256({**document, "run": {key: value for key, value in document["run"].items() if key != "seal"}})


def verdict_bytes(verdict: Verdict) -> bytes:
    """The one way a verdict is spelled in its file."""
    return (json.dumps(verdict.model_dump(mode="json"), indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode()


def write_verdict(path: Path, verdict: Verdict) -> None:
    """Replace the file in one step; a reader sees the old verdict or the new one.

    Raises:
        SettingsError: it cannot be written; the old one is as it was.
    """
    try:
        write_atomically(path, verdict_bytes(verdict))
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror}"
        raise SettingsError("--gate-output", problem, "Make room, or name a folder that can be written") from None


def json_schema() -> str:
    """The published JSON Schema of a verdict, as text."""
    return json.dumps(Verdict.model_json_schema(mode="serialization"), indent=2) + "\n"


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


def _plain(part: type[Part], source: CheckpointEvidence | MarketEvidence | object) -> dict[str, Any]:
    """The fields of ``part`` from an object that bears the same names."""
    values = {name: getattr(source, name) for name in part.model_fields}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
