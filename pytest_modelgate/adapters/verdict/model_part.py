"""One model's part of the verdict, from what was judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from statistics import fmean
from typing import Any

import pandas as pd

from pytest_modelgate.adapters.meanings import written_meanings
from pytest_modelgate.adapters.verdict.schema import (
    ChampionPart,
    CheckPart,
    CheckpointPart,
    CodeSourcePart,
    ContextPart,
    CostPointPart,
    DisturbancePart,
    Part,
    RecommendedCheckpointPart,
    RegimePart,
    SpreadPart,
)
from pytest_modelgate.core.decision.caps import Cap
from pytest_modelgate.core.decision.context import Context
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.decision.proof import Proof
from pytest_modelgate.core.decision.robustness import Robustness
from pytest_modelgate.core.evidence.records import FlaggedBars, WindowEvidence
from pytest_modelgate.core.watching.judging import WatchCase


def model_part(judgement: Judgement) -> dict[str, Any]:
    """Everything the verdict says of a model, by the names of its schema."""
    model, decision = judgement.plan.model, judgement.decision
    backtest, sanity = judgement.backtest, judgement.sanity
    return {
        "id": model.id,
        "symbol": model.instrument.symbol,
        "timeframe": "unknown" if model.name else model.timeframe.value,
        "checkpoint": _checkpoint(judgement),
        "gating": _gating(judgement),
        "backtest": {
            **_window(backtest),
            "status": sanity.status,
            "findings": list(sanity.findings),
            "shown": list(sanity.shown),
        }
        if isinstance(backtest, WindowEvidence) and sanity
        else None,
        "folds": [
            {**_window(fold), "index": index}
            for index, fold in enumerate(judgement.folds, start=1)
            if isinstance(fold, WindowEvidence)
        ],
        "spread": fields_of(SpreadPart, decision.spread) if decision and decision.spread else None,
        "compounded_return": decision.compounded_return if decision else None,
        "proofs": [_proof(proof) for proof in judgement.proofs],
        "integrity": [fields_of(CheckPart, check) | {"figures": dict(check.figures)} for check in judgement.checks],
        "robustness": _robustness(judgement.robustness) if judgement.robustness else None,
        "context": _context(judgement.context) if judgement.context else None,
        "champion": fields_of(ChampionPart, judgement.comparison) if judgement.comparison else None,
        "table_decision": decision.table.name if decision and decision.table is not None else None,
        "decision": judgement.label,
        "reasons": list(judgement.reasons),
        "warnings": list(judgement.warnings),
        "account_mode": judgement.plan.account,
        "choice": model.declared.choice,
        "paper": _paper(judgement.watch) if judgement.watch else None,
        "limits": [_limit(cap) for cap in decision.caps] if decision else [],
    }


def _paper(case: WatchCase) -> dict[str, Any]:
    evidence = case.evidence
    return {
        **{name: getattr(evidence, name) for name in ("account", "kind", "since", "start", "end", "bars", "decision")},
        "days": len(evidence.days),
        "orders": dict(sorted(Counter(order.outcome for order in evidence.orders).items())),
        "unexplained_notional": evidence.unexplained_notional,
        "explained": evidence.explained,
        "slippage": fmean(evidence.slippage) if evidence.slippage else None,
        "fees": evidence.fees.realised,
        "pending": evidence.fees.pending,
        "assumed_cost": evidence.assumed_cost,
        "closure": evidence.closure,
        "outages": evidence.outages,
        "drift": evidence.drift,
        "account_return": evidence.curve[-1] - 1.0 if evidence.curve else None,
        "simulated_return": evidence.simulated_curve[-1] - 1.0 if evidence.simulated_curve else None,
        "evidence_for": case.e_for,
        "evidence_against": case.e_against,
        "claim": case.claim,
        "findings": [asdict(finding) for finding in case.findings],
        "limit": case.limit.name,
        "reason": case.reason,
        "brief": case.brief,
        "lifts": case.lifts,
        "record": evidence.record_sha256,
    }


def _limit(cap: Cap) -> dict[str, Any]:
    return {"level": cap.level.name, "kind": cap.source.kind.value, "name": cap.source.name, "reason": cap.reason}


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "name": proof.name,
        "shown": proof.passed,
        "figure": proof.figure,
        "limit": proof.limit,
        "at_most": proof.at_most,
        "sentence": proof.sentence,
        "details": dict(proof.details),
    }


def _robustness(robustness: Robustness) -> dict[str, Any]:
    return {
        "undisturbed": robustness.undisturbed.name,
        "break_even": robustness.break_even,
        "surface": [fields_of(CostPointPart, point) for point in robustness.surface],
        "disturbances": [
            fields_of(DisturbancePart, item) | {"decision": item.decision.name} for item in robustness.disturbances
        ],
        "undrawn": robustness.undrawn,
    }


def _context(context: Context) -> dict[str, Any]:
    regimes = [fields_of(RegimePart, regime) for regime in context.regimes]
    return {**fields_of(ContextPart, context), "regimes": regimes}


def _checkpoint(judgement: Judgement) -> dict[str, Any] | None:
    reference = judgement.plan.model.checkpoint
    if reference is None:
        return None
    for evidence in judgement.measured:
        checkpoint = evidence.checkpoint
        meanings = written_meanings(None, checkpoint.window, (), checkpoint.account)
        source = checkpoint.feature_source
        told = fields_of(CodeSourcePart, source) | {"modules": list(source.modules)} if source else None
        return fields_of(CheckpointPart, checkpoint) | {"account": meanings["account"], "feature_source": told}
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
        "recommended_checkpoint": fields_of(RecommendedCheckpointPart, advice) if advice else None,
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
        "exits": dict(evidence.exits),
        "flagged": _flagged(evidence.flagged),
        "waited_orders": evidence.waited,
    }


def _flagged(flagged: FlaggedBars | None) -> dict[str, Any] | None:
    if flagged is None:
        return None
    first = pd.Timestamp(flagged.times[0], unit="s", tz="UTC").isoformat()
    return {
        "bars": len(flagged.times),
        "first": first,
        "return": flagged.total_return,
        "share": flagged.share,
        "rest_return": flagged.rest_return,
    }


def fields_of(part: type[Part], source: object) -> dict[str, Any]:
    """The fields of ``part`` from an object that bears the same names."""
    values = {name: getattr(source, name) for name in part.model_fields}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
