"""The proofs that LIVE needs: each a figure, a limit and a sentence for people who do not read p-values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution, concatenate
from pytest_modelgate.core.config.profiles import Profile, ProofLimits
from pytest_modelgate.core.decision.proof import FoldAttribution, Proof, compound
from pytest_modelgate.core.decision.timing_proofs import prove_timing, prove_without_each
from pytest_modelgate.core.integrity.check import NoiseDraw
from pytest_modelgate.core.market.sessions import DayPlaces, join_places
from pytest_modelgate.core.statistics.sharpe import deflated_sharpe, probabilistic_sharpe, sharpe_shape


def prove(
    folds: Sequence[FoldAttribution], profile: Profile, trials: float, noise: Sequence[NoiseDraw] = ()
) -> tuple[Proof, ...]:
    """Measure every proof over all folds.

    Args:
        folds: in any order, at least one.
        profile: its ``proofs`` hold the limits.
        trials: independent looks at models on the same market window, this one included; at least 1, not always whole.
        noise: what the folds show under noise.
    """
    limits = profile.proofs
    ordered, attribution, places = pool(folds)
    proofs = [
        _out_of_sample(ordered),
        prove_timing(attribution, places, limits, trials),
        prove_without_each(ordered, attribution, places, limits),
        _money(ordered, limits),
        _trades(ordered, limits),
    ]
    if limits.asks_for_sharpe:
        proofs.append(_sharpe(ordered, attribution, limits, trials))
    if limits.delay_bars:
        proofs.append(_delay(ordered))
    if limits.noise:
        proofs.append(_noise(noise))
    return tuple(proofs)


def pool(folds: Sequence[FoldAttribution]) -> tuple[list[FoldAttribution], BarAttribution, DayPlaces]:
    """The folds in the order of time, and all their bars one after the other."""
    ordered = sorted(folds, key=lambda fold: fold.start)
    attribution = concatenate([fold.attribution for fold in ordered])
    return ordered, attribution, join_places([fold.places for fold in ordered])


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


def _money(folds: Sequence[FoldAttribution], limits: ProofLimits) -> Proof:
    """Compounded return over all folds, without the best one, and at higher costs; the last is the figure."""
    multiple = limits.cost_multiple
    returns = sorted(fold.attribution.total_return() for fold in folds)
    total, without_best = compound(returns), compound(returns[:-1])
    rest = compound([fold.attribution.total_return(multiple, multiple) for fold in folds])
    passed = total > 0.0 and without_best > 0.0 and rest > 0.0
    verb = "makes money" if passed else "does not always make money"
    sentence = (
        f"The model {verb}: {total:+.2%} over all folds, {without_best:+.2%} without the best of them, and "
        f"{rest:+.2%} with fees and slippage {multiple:g} times as high; each has to be more than 0."
    )
    details = {"multiple": multiple, "total": total, "without_best": without_best}
    return Proof("money", passed, rest, 0.0, at_most=False, sentence=sentence, details=details)


def _sharpe(folds: Sequence[FoldAttribution], attribution: BarAttribution, limits: ProofLimits, trials: float) -> Proof:
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
                f" That it is more than the luck of the best of {trials:.4g} trials is {deflated:.1%} likely "
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
    passed = worst > 0.0
    verb = "still earns" if passed else "no longer earns"
    sentence = (
        f"Under the worst of {len(rests)} draws of a little noise on prices and weights the model {verb}: "
        f"{worst:+.2%}; more than 0 is asked for."
    )
    return Proof("noise", passed, worst, 0.0, at_most=False, sentence=sentence)
