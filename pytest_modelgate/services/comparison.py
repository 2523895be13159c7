"""Changes from one verdict to another, per model and figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pytest_modelgate.adapters.verdict.schema import Figure, ModelPart, Verdict

Direction = Literal["down", "gone", "new", "up", "same"]
_LABELS = ("INCOMPLETE", "DROP", "RETRAIN", "PAPER", "LIVE")
_ORDER: tuple[Direction, ...] = ("down", "gone", "new", "up", "same")  # most severe first


class Metric(NamedTuple):
    """One figure of a model: how it is read from a verdict, written, and which way is better (0: neither)."""

    name: str
    read: Callable[[ModelPart], Figure]
    written: Callable[[float], str]
    better: int


@dataclass(frozen=True)
class Change:
    """One figure that is not what it was; texts, and whether that is better (None: neither, or not comparable)."""

    metric: str
    old: str
    new: str
    better: bool | None


@dataclass(frozen=True)
class ModelChange:
    """Changes of one model.

    Attributes:
        old, new: its decisions; empty where the model is not in that verdict.
        changes: figures that differ.
        reason: the first one of the newer verdict, else of the older.
    """

    model: str
    direction: Direction
    old: str
    new: str
    changes: tuple[Change, ...]
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Two verdicts side by side.

    Attributes:
        terms: facts they were reached on, those that differ: name, old, new.
        models: most severe first.
    """

    old: Verdict
    new: Verdict
    terms: tuple[tuple[str, str, str], ...]
    models: tuple[ModelChange, ...]

    @property
    def counts(self) -> dict[Direction, int]:
        """Number of models by direction; those that none went are left out."""
        counts = {way: sum(model.direction == way for model in self.models) for way in _ORDER}
        return {way: count for way, count in counts.items() if count}


def compare_verdicts(old: Verdict, new: Verdict) -> Comparison:
    """Compare two verdicts, complete or not, on whatever archives."""
    before, after = ({model.id: model for model in verdict.models} for verdict in (old, new))
    models = [_model(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]
    ordered = sorted(models, key=lambda model: (_ORDER.index(model.direction), model.model))
    return Comparison(old, new, _terms(old, new), tuple(ordered))


def _terms(old: Verdict, new: Verdict) -> tuple[tuple[str, str, str], ...]:
    before, after = _facts(old), _facts(new)
    names = dict.fromkeys((*before, *after))
    return tuple(
        (name, before.get(name, "-"), after.get(name, "-")) for name in names if before.get(name) != after.get(name)
    )


def _facts(verdict: Verdict) -> dict[str, str]:
    """Facts that a verdict was reached on; of digests the beginning."""
    market = {
        f"market data {series.symbol} {series.timeframe}": f"{series.last[:16]} {series.sha256[:8]}"
        for series in verdict.market_data
    }
    return {
        "archive": f"{verdict.archive.name} {verdict.archive.sha256[:8]}",
        "profile": f"{verdict.profile.name} {verdict.profile.sha256[:8]}",
        "trials": str(verdict.trials),
        **{name: _text(value) for name, value in verdict.settings.items()},
        **market,
    }


def _text(value: str | float | list[str] | None) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "-" if value is None else str(value)


def _model(name: str, old: ModelPart | None, new: ModelPart | None) -> ModelChange:
    labels = [part.decision if part else "" for part in (old, new)]
    reason = next((part.reasons[0] for part in (new, old) if part and part.reasons), "")
    if not old or not new:
        return ModelChange(name, "gone" if old else "new", labels[0], labels[1], (), reason)
    before, after = (_LABELS.index(label) for label in labels)
    direction: Direction = "same" if before == after else "up" if after > before else "down"
    changes = [change for metric in METRICS if (change := _change(metric, old, new))]
    return ModelChange(name, direction, labels[0], labels[1], tuple(changes), reason)


def _change(metric: Metric, old: ModelPart, new: ModelPart) -> Change | None:
    before, after = (_number(metric.read(model)) for model in (old, new))
    was, now = ("-" if math.isnan(value) else metric.written(value) for value in (before, after))
    if before == after or was == now == "-":
        return None
    comparable = metric.better and not math.isnan(before) and not math.isnan(after)
    return Change(metric.name, was, now, (after - before) * metric.better > 0 if comparable else None)


def _number(figure: Figure) -> float:
    return math.nan if figure is None else float(figure)


def _percent(value: float) -> str:
    return f"{value:+.2%}"


def _depth(value: float) -> str:
    return f"{value:.2%}"


def _plain(value: float) -> str:
    return f"{value:.4g}"


def _training(metric: str) -> Callable[[ModelPart], Figure]:
    return lambda model: model.gating.metrics.get(metric) if model.gating else None


def _backtest(name: str) -> Callable[[ModelPart], Figure]:
    return lambda model: getattr(model.backtest, name) if model.backtest else None


def _share(model: ModelPart) -> Figure:
    won = sum(_number(fold.total_return) > 0.0 for fold in model.folds)
    return won / len(model.folds) if model.folds else None


def _worst_drawdown(model: ModelPart) -> Figure:
    return max((_number(fold.max_drawdown) for fold in model.folds), default=None)


def _trades(model: ModelPart) -> Figure:
    return float(sum(fold.trades for fold in model.folds)) if model.folds else None


def _proofs(model: ModelPart) -> Figure:
    return float(sum(proof.shown for proof in model.proofs)) if model.proofs else None


def _checks(model: ModelPart) -> Figure:
    return float(sum(check.status == "pass" for check in model.integrity)) if model.integrity else None


def _paper(name: str) -> Callable[[ModelPart], Figure]:
    return lambda model: getattr(model.paper, name) if model.paper else None


def _paper_orders(model: ModelPart) -> Figure:
    return float(sum(model.paper.orders.values())) if model.paper else None


def _paper_match(model: ModelPart) -> Figure:
    counts = model.paper.orders if model.paper else {}
    return counts.get("match", 0) / sum(counts.values()) if counts else None


METRICS = (
    Metric("training fitness", _training("fitness_score"), _plain, 1),
    Metric("training profit factor", _training("profit_factor"), _plain, 1),
    Metric("training consistency", _training("consistency"), _plain, 1),
    Metric("training max drawdown", _training("max_drawdown"), _plain, -1),
    Metric("backtest return", _backtest("total_return"), _percent, 1),
    Metric("backtest Sharpe", _backtest("sharpe"), _plain, 1),
    Metric("backtest max drawdown", _backtest("max_drawdown"), _depth, -1),
    Metric("folds that made money", _share, lambda value: f"{value:.0%}", 1),
    Metric("return of the folds", lambda model: model.compounded_return, _percent, 1),
    Metric("worst drawdown of a fold", _worst_drawdown, _depth, -1),
    Metric("closed trades in the folds", _trades, _plain, 0),
    Metric("spread in noise units", lambda model: model.spread.noise_units if model.spread else None, _plain, -1),
    Metric("costs break even at", lambda model: model.robustness.break_even if model.robustness else None, _plain, 1),
    Metric("buy and hold", lambda model: model.context.buy_and_hold if model.context else None, _percent, 0),
    Metric("proofs shown", _proofs, _plain, 1),
    Metric("integrity checks passed", _checks, _plain, 1),
    Metric("orders on the account", _paper_orders, _plain, 0),
    Metric("orders as asked for", _paper_match, lambda value: f"{value:.1%}", 1),
    Metric("odds for skill on the account", _paper("evidence_for"), _plain, 1),
    Metric("odds against the claim", _paper("evidence_against"), _plain, -1),
    Metric("return on the account", _paper("account_return"), _percent, 1),
)
