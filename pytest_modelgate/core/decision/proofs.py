"""The proofs that LIVE needs: each a figure, a limit and a sentence for people who do not read p-values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution, concatenate
from pytest_modelgate.core.config.profiles import Profile, ProofLimits
from pytest_modelgate.core.integrity.check import NoiseDraw
from pytest_modelgate.core.statistics.sharpe import deflated_sharpe, probabilistic_sharpe, sharpe_shape
from pytest_modelgate.core.statistics.timing import shift_test

PROOFS = ("out_of_sample", "timing", "sharpe", "costs", "trades")
TITLES = {
    "out_of_sample": "data it never saw",
    "timing": "better than its own exposure",
    "sharpe": "probabilistic Sharpe ratio",
    "costs": "higher costs",
    "trades": "enough trades",
    "delay": "one bar later",
    "noise": "a little noise",
}


@dataclass(frozen=True)
class FoldAttribution:
    """Facts of one fold that the proofs need.

    Attributes:
        start: orders the folds (ISO 8601, UTC).
        sample: in-sample, gap, out-of-sample or unknown.
        closed_trades: round trips.
        delayed_return: total return had every order come one bar later, a fraction.
        attribution: bar by bar.
    """

    start: str
    sample: str
    closed_trades: int
    delayed_return: float
    attribution: BarAttribution


@dataclass(frozen=True)
class Proof:
    """One proof.

    Attributes:
        name: one of ``PROOFS``, or ``delay`` or ``noise`` where the profile asks for them.
        passed: whether the figure meets the limit; an undefined figure never does.
        figure: what was measured; NaN when undefined.
        limit: what LIVE asks for.
        at_most: whether the figure must not exceed the limit; otherwise it must reach it.
        sentence: the finding.
        details: further figures, by name.
    """

    name: str
    passed: bool
    figure: float
    limit: float
    at_most: bool
    sentence: str
    details: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def title(self) -> str:
        """A few words."""
        return TITLES[self.name]


def prove(
    folds: Sequence[FoldAttribution], profile: Profile, trials: int, noise: Sequence[NoiseDraw] = ()
) -> tuple[Proof, ...]:
    """Measure every proof over all folds.

    Args:
        folds: in any order, at least one.
        profile: its ``proofs`` hold the limits.
        trials: independent looks at distinct models on the same market window, this one included.
        noise: what the folds show under noise.
    """
    limits = profile.proofs
    ordered = sorted(folds, key=lambda fold: fold.start)
    attribution = concatenate([fold.attribution for fold in ordered])
    proofs = [
        _out_of_sample(ordered),
        _timing(attribution, limits, trials),
        _sharpe(ordered, attribution, limits, trials),
        _costs(ordered, limits),
        _trades(ordered, limits),
    ]
    if limits.delay_bars:
        proofs.append(_delay(ordered))
    if limits.noise:
        proofs.append(_noise(noise))
    return tuple(proofs)


def compound(returns: Sequence[float]) -> float:
    """One window after the other, a fraction; nothing comes back from a ruin."""
    return math.prod(max(0.0, 1.0 + value) for value in sorted(returns)) - 1.0


def _out_of_sample(folds: Sequence[FoldAttribution]) -> Proof:
    counts = Counter(fold.sample for fold in folds)
    clean = counts.pop("out-of-sample", 0)
    if clean == len(folds):
        sentence = f"All {clean} folds lie after the training data and an embargo: the model never saw them."
    else:
        others = " and ".join(f"{count} {sample}" for sample, count in sorted(counts.items()))
        sentence = (
            f"{clean} of {len(folds)} folds are out-of-sample ({others}): what a model earned on data it was, or may "
            "have been, trained on proves nothing."
        )
    return Proof("out_of_sample", clean == len(folds), clean, len(folds), at_most=False, sentence=sentence)


def _timing(attribution: BarAttribution, limits: ProofLimits, trials: int) -> Proof:
    timing, limit = shift_test(attribution), limits.max_p / trials
    passed = timing.p_value <= limit and timing.rank <= limits.max_p
    standing = (
        f"{timing.rank:.2%} of the {timing.shifts} ways to shift its positions in time earn at least as much, and luck "
        f"alone gets that far ahead of them with a probability of {timing.p_value:.2%}"
    )
    asked = f"at most {limit:.2%} is asked for"
    if trials > 1:
        asked += f" ({limits.max_p:.0%} shared among {trials} trials)"
    if 1.0 / timing.shifts > limit:
        sentence = (
            f"Whether the model beats its own exposure cannot be shown: {asked}, and {timing.shifts} bars cannot show "
            f"less than {1.0 / timing.shifts:.2%}. Judge it on a longer walk-forward, or on one that fewer looked at."
        )
    elif passed:
        sentence = f"The model earns by its timing, not by being in the market: {standing}; {asked}."
    else:
        sentence = f"Being in the market as often at other times would have done as well: {standing}; {asked}."
    details = {"rank": timing.rank, "percentile": timing.percentile, "shifts": timing.shifts, "trials": trials}
    return Proof("timing", passed, timing.p_value, limit, at_most=True, sentence=sentence, details=details)


def _sharpe(folds: Sequence[FoldAttribution], attribution: BarAttribution, limits: ProofLimits, trials: int) -> Proof:
    best = max(folds, key=lambda fold: fold.attribution.total_return())
    rest = [fold.attribution.returns for fold in folds if fold is not best]
    shape = sharpe_shape(attribution.returns)
    probability, deflated = probabilistic_sharpe(shape), deflated_sharpe(shape, trials)
    without_best = probabilistic_sharpe(sharpe_shape(np.concatenate(rest))) if rest else math.nan
    lasting, steady = deflated >= limits.min_dsr, without_best >= limits.min_psr_without_best
    if math.isnan(probability):
        sentence = "The returns do not vary, so nothing can be said of a Sharpe ratio."
    else:
        sentence = (
            f"The returns make it {probability:.1%} likely that the true Sharpe ratio is above 0; "
            f"at least {limits.min_psr:.0%} are asked for. Without the best fold it is "
            f"{'undefined' if math.isnan(without_best) else f'{without_best:.1%}'} ({limits.min_psr_without_best:.0%})."
        )
        if trials > 1 or not lasting:
            sentence += (
                f" That it is more than the luck of the best of {trials} trials is {deflated:.1%} likely "
                f"({limits.min_dsr:.0%})."
            )
    details = {
        "deflated": deflated,
        "min_deflated": limits.min_dsr,
        "without_best": without_best,
        "min_without_best": limits.min_psr_without_best,
        "trials": trials,
    }
    passed = probability >= limits.min_psr and lasting and steady
    return Proof("sharpe", passed, probability, limits.min_psr, at_most=False, sentence=sentence, details=details)


def _costs(folds: Sequence[FoldAttribution], limits: ProofLimits) -> Proof:
    multiple = limits.cost_multiple
    rest = compound([fold.attribution.total_return(multiple, multiple) for fold in folds])
    passed = rest > 0.0
    verb = "still earns" if passed else "no longer earns"
    sentence = (
        f"With fees and slippage {multiple:g} times as high the model {verb}: {rest:+.2%}; more than 0 is asked for."
    )
    return Proof("costs", passed, rest, 0.0, at_most=False, sentence=sentence, details={"multiple": multiple})


def _trades(folds: Sequence[FoldAttribution], limits: ProofLimits) -> Proof:
    counts = [fold.closed_trades for fold in folds]
    total, least = sum(counts), min(counts)
    passed = total >= limits.min_trades and least >= limits.min_fold_trades
    sentence = (
        f"{total} closed trades, at least {least} in every fold; LIVE needs {limits.min_trades}, "
        f"and {limits.min_fold_trades} in every fold."
    )
    return Proof("trades", passed, total, limits.min_trades, at_most=False, sentence=sentence, details={"least": least})


def _delay(folds: Sequence[FoldAttribution]) -> Proof:
    rest = compound([fold.delayed_return for fold in folds])
    passed = rest > 0.0
    verb = "still earns" if passed else "no longer earns"
    sentence = f"With every order one bar later the model {verb}: {rest:+.2%}; more than 0 is asked for."
    return Proof("delay", passed, rest, 0.0, at_most=False, sentence=sentence)


def _noise(draws: Sequence[NoiseDraw]) -> Proof:
    rests = [compound([fold.total_return for fold in draw.folds]) for draw in draws]
    worst = min(rests, default=math.nan)
    if not draws:
        sentence = "No noise was drawn, so nothing is shown; more than 0 under every draw is asked for."
        return Proof("noise", passed=False, figure=worst, limit=0.0, at_most=False, sentence=sentence)
    passed = worst > 0.0
    verb = "still earns" if passed else "no longer earns"
    sentence = (
        f"Under the worst of {len(rests)} draws of a little noise on prices and weights the model {verb}: "
        f"{worst:+.2%}; more than 0 is asked for."
    )
    return Proof("noise", passed, worst, 0.0, at_most=False, sentence=sentence)
