"""The proofs that rest on net timing: over all folds, and without any one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.config.profiles import ProofLimits
from pytest_modelgate.core.decision.proof import FoldAttribution, Proof
from pytest_modelgate.core.market.sessions import DayPlaces
from pytest_modelgate.core.statistics.net_timing import NORMAL, NetTiming, needed_p, net_timing, without_each

_POWER = 0.80  # chance of finding it that the smallest Sharpe ratio is told for
_DAYS_PER_YEAR = 365.25


def prove_timing(attribution: BarAttribution, places: DayPlaces, limits: ProofLimits, trials: float) -> Proof:
    """Whether the model, its costs paid, is further ahead of its own positions on other days than luck gets."""
    timing, limit = net_timing(attribution, places), needed_p(limits.max_p, trials)
    smallest = smallest_sharpe(attribution, places, limit)
    passed = timing.p_value <= limit and timing.rank <= limits.max_rank
    details = {
        "z": timing.z,
        "needed_z": -NORMAL.inv_cdf(limit),
        "rank": timing.rank,
        "percentile": timing.percentile,
        "shifts": timing.shifts,
        "trials": trials,
        "own": timing.own,
        "copies": timing.mean,
        "smallest_sharpe": smallest,
    }
    sentence = _timing_sentence(timing, limit, limits, trials, passed=passed)
    found = f" The smallest true Sharpe ratio that such a record shows in {_POWER:.0%} of cases is {smallest:.1f}."
    return Proof("timing", passed, timing.p_value, limit, at_most=True, sentence=sentence + found, details=details)


def prove_without_each(
    folds: Sequence[FoldAttribution], attribution: BarAttribution, places: DayPlaces, limits: ProofLimits
) -> Proof:
    """Whether the timing stays ahead whichever fold is left out."""
    numbers = np.repeat(np.arange(len(folds)), [len(fold.attribution) for fold in folds])
    figures = without_each(attribution, places, numbers)
    least, limit = float(np.min(figures)), -NORMAL.inv_cdf(limits.max_p_without_fold)
    passed = least >= limit
    if math.isnan(least):
        sentence = "Without one of the folds nothing can be said of the timing."
    else:
        luck = f"luck alone gets that far in {NORMAL.cdf(-least):.1%} of cases"
        verb = "stays ahead" if passed else "does not stay clearly ahead"
        sentence = (
            f"Whichever fold is left out, the model {verb} of its own positions on other days: by "
            f"{least:.2f} standard deviations without fold {int(np.argmin(figures)) + 1} ({luck}); {limit:.2f} are "
            f"asked for ({limits.max_p_without_fold:.0%})."
        )
    return Proof("single_fold", passed, least, limit, at_most=False, sentence=sentence)


def smallest_sharpe(attribution: BarAttribution, places: DayPlaces, limit: float) -> float:
    """The true annual Sharpe ratio that so long a record finds with 80 % chance at a limit of p.

    A model that is in the market for a share p of the time sees 1 - p of the scatter: its copies are in it, too.
    """
    share = float(np.mean(attribution.intraday_weight != 0.0))
    years = float(np.ptp(places.days) + 1) / _DAYS_PER_YEAR
    return (NORMAL.inv_cdf(_POWER) - NORMAL.inv_cdf(limit)) * math.sqrt((1.0 - share) / years)


def _timing_sentence(timing: NetTiming, limit: float, limits: ProofLimits, trials: float, *, passed: bool) -> str:
    asked = f"at most {limit:.2%} is asked for"
    if trials > 1:
        asked += f" ({limits.max_p:.0%} shared among {trials:.4g} trials)"
    if timing.shifts * limits.max_rank < 1.0:
        return (
            f"Whether the model beats its own exposure cannot be shown: it would have to be ahead of all but "
            f"{limits.max_rank:.0%} of its positions on other days, and there are {timing.shifts} days."
        )
    standing = (
        f"the same positions on other days, at the same hours and free of costs, gain {timing.mean:+.2%} on average, "
        f"the model {timing.own:+.2%} after costs; {timing.rank:.1%} of the {timing.shifts} ways to shift them do as "
        f"well, and luck alone gets that far ahead with a probability of {timing.p_value:.2%}; {asked}."
    )
    if passed:
        return f"The model earns by its timing, not by being in the market, and more than it pays: {standing}"
    return f"Being in the market as often on other days might have done as well: {standing}"
