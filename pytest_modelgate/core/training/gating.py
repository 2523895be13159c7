"""Training metrics to a classification: histories and a profile in, bands, flags and checkpoint advice out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from pytest_modelgate.core.config.profiles import FlagLimits, Profile, Thresholds
from pytest_modelgate.core.training.run import METRICS, Declared
from pytest_modelgate.errors import ArchiveError, SettingsError

_FRACTIONS = ("consistency", "max_drawdown")
_SMALLER_IS_BETTER = ("max_drawdown",)
_MIN_POINTS = 4  # fewer validations say nothing about stability


class Classification(StrEnum):
    """The class of a model, and the band of one metric; best first."""

    APPROVED = "APPROVED"
    REVIEW = "REVIEW"
    DROP = "DROP"


class Flag(StrEnum):
    """Oddities of a training run, in the order in which they are reported."""

    FITNESS_DECLINE = "FITNESS_DECLINE"
    UNSTABLE_TRAINING = "UNSTABLE_TRAINING"
    LOW_FITNESS = "LOW_FITNESS"
    LOW_PF = "LOW_PF"
    LOW_CONSISTENCY = "LOW_CONSISTENCY"
    HIGH_DRAWDOWN = "HIGH_DRAWDOWN"


_BEYOND_REVIEW = dict(
    zip(METRICS, (Flag.LOW_FITNESS, Flag.LOW_PF, Flag.LOW_CONSISTENCY, Flag.HIGH_DRAWDOWN), strict=True)
)


@dataclass(frozen=True)
class RecommendedCheckpoint:
    """The checkpoint to take instead of the last one.

    Attributes:
        validation: the best validation, counted from 1.
        update: the training update it was taken at; None when the validation interval is not declared.
    """

    validation: int
    update: int | None


@dataclass(frozen=True)
class Gating:
    """Judgement of the training metrics.

    Attributes:
        classification: the worst of ``bands``.
        bands: per metric.
        metrics: the last validation value per metric; may be NaN or infinite, its band is DROP then.
        flags: in the order of ``Flag``.
        findings: one sentence per metric that is not APPROVED, the most severe first.
        recommended_checkpoint: None unless fitness declined.
        warnings: facts that the reader should know, though no limit asks for them.
    """

    classification: Classification
    bands: Mapping[str, Classification]
    metrics: Mapping[str, float]
    flags: tuple[Flag, ...]
    findings: tuple[str, ...]
    recommended_checkpoint: RecommendedCheckpoint | None
    warnings: tuple[str, ...]


def check_reward_scale(model_id: str, declared: Declared, profile: Profile) -> None:
    """Refuse drawdown limits that were calibrated for another reward scale.

    Raises:
        SettingsError: the summary declares a reward scale other than the profile's.
    """
    if declared.reward_scale is not None and declared.reward_scale != profile.reward_scale:
        raise SettingsError(
            f"{model_id}, reward_scale",
            f"is {declared.reward_scale}, profile {profile.name} is calibrated for {profile.reward_scale}",
            "Name the profile of the trainer's generation with --gate-profile",
        )


def judge_training(history: Mapping[str, tuple[float, ...]], profile: Profile, declared: Declared) -> Gating:
    """Classify a model by its validation history.

    Args:
        history: per metric of METRICS, oldest first, none empty. A value that is not finite puts its metric into DROP,
            wherever in the history it stands.
        profile: the limits.
        declared: what the summary says of the run; ``check_reward_scale`` must have accepted it.

    Raises:
        ArchiveError: a consistency or drawdown outside 0 to 1: percent given for a fraction, or a negative drawdown.
    """
    _check_fractions(history)
    metrics = {metric: history[metric][-1] for metric in METRICS}
    broken = {metric: text for metric in METRICS if (text := _not_finite(metric, history[metric]))}
    bands = {
        metric: Classification.DROP if metric in broken else _band(metric, metrics[metric], profile)
        for metric in METRICS
    }
    flags = (
        *(() if "fitness_score" in broken else _fitness_flags(history["fitness_score"], profile.flags)),
        *(_BEYOND_REVIEW[metric] for metric in METRICS if not _meets(metric, metrics[metric], profile.review)),
    )
    declined = Flag.FITNESS_DECLINE in flags
    return Gating(
        classification=max(bands.values(), key=list(Classification).index),
        bands=bands,
        metrics=metrics,
        flags=flags,
        findings=_findings(bands, metrics, broken, profile),
        recommended_checkpoint=_recommend(history["fitness_score"], declared) if declined else None,
        warnings=(*broken.values(), *_undeclared(declared, profile)),
    )


def _findings(
    bands: Mapping[str, Classification], metrics: Mapping[str, float], broken: Mapping[str, str], profile: Profile
) -> tuple[str, ...]:
    return tuple(
        broken.get(metric) or _shortfall(metric, metrics[metric], profile, band)
        for band in (Classification.DROP, Classification.REVIEW)
        for metric in METRICS
        if bands[metric] is band
    )


def _check_fractions(history: Mapping[str, tuple[float, ...]]) -> None:
    for metric in _FRACTIONS:
        for number, value in enumerate(history[metric], start=1):
            if math.isfinite(value) and not 0.0 <= value <= 1.0:
                raise ArchiveError(
                    f"training summary, {metric}",
                    f"is {value} at validation {number}, expected a fraction from 0 to 1 (8 % is 0.08)",
                    "Write fractions into the training summary",
                )


def _not_finite(metric: str, values: Sequence[float]) -> str | None:
    for number, value in enumerate(values, start=1):
        if not math.isfinite(value):
            return f"{metric} is {value} at validation {number} of {len(values)}: training diverged"
    return None


def _meets(metric: str, value: float, limits: Thresholds) -> bool:
    """Both comparisons are false for NaN."""
    limit: float = getattr(limits, metric)
    return value <= limit if metric in _SMALLER_IS_BETTER else value >= limit


def _band(metric: str, value: float, profile: Profile) -> Classification:
    if _meets(metric, value, profile.approved):
        return Classification.APPROVED
    return Classification.REVIEW if _meets(metric, value, profile.review) else Classification.DROP


def _shortfall(metric: str, value: float, profile: Profile, band: Classification) -> str:
    missed = Classification.REVIEW if band is Classification.DROP else Classification.APPROVED
    limit = getattr(profile.review if missed is Classification.REVIEW else profile.approved, metric)
    bound = "at most" if metric in _SMALLER_IS_BETTER else "at least"
    short = f"{value:.4g}"
    figure = value if float(short) == limit else short  # never "is 0.7, needs at least 0.7"
    return f"{metric} is {figure}, {missed} needs {bound} {limit}"


def _fitness_flags(fitness: Sequence[float], limits: FlagLimits) -> tuple[Flag, ...]:
    # Exact decimals: a value written exactly at the limit must not be flagged for a rounding of the product.
    values = [Fraction(str(value)) for value in fitness]
    peak = max(values)
    recent = values[-max(_MIN_POINTS, len(values) - len(values) // 2) :]
    declined = values[-1] < peak - Fraction(str(limits.fitness_decline)) * abs(peak)
    swing = max(recent) - min(recent)
    unstable = len(recent) >= _MIN_POINTS and swing > Fraction(str(limits.unstable_training)) * abs(peak)
    return (*((Flag.FITNESS_DECLINE,) if declined else ()), *((Flag.UNSTABLE_TRAINING,) if unstable else ()))


def _recommend(fitness: Sequence[float], declared: Declared) -> RecommendedCheckpoint:
    validation = fitness.index(max(fitness)) + 1
    interval = declared.validation_interval
    return RecommendedCheckpoint(validation, None if interval is None else validation * interval)


def _undeclared(declared: Declared, profile: Profile) -> tuple[str, ...]:
    if declared.reward_scale is not None:
        return ()
    limits = f"the drawdown limits of profile {profile.name} are calibrated for {profile.reward_scale}"
    return (f"The summary declares no reward scale; {limits}.",)
