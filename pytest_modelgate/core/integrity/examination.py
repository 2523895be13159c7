"""Every integrity check of one model, and how it bears noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_modelgate.core.backtest.evaluation import evaluate, evaluate_all
from pytest_modelgate.core.backtest.metrics import Metrics, compounded
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import AccountMode
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.integrity.behaviour import check_account, check_accounting, check_activity, check_feasibility
from pytest_modelgate.core.integrity.causality import check_causality
from pytest_modelgate.core.integrity.check import Check, NoiseDraw
from pytest_modelgate.core.integrity.learned_edge import check_weights
from pytest_modelgate.core.integrity.noise import draw_noise
from pytest_modelgate.core.integrity.perturbations import FoldReplayer
from pytest_modelgate.core.integrity.precision import check_precision
from pytest_modelgate.core.market.windows import Window


@dataclass(frozen=True)
class Examination:
    """Results of the checks in the order of ``CHECKS``, and the draws of noise.

    Attributes:
        undrawn: why there are no draws, half a sentence; empty where there are.
    """

    checks: tuple[Check, ...]
    noise: tuple[NoiseDraw, ...]
    undrawn: str = ""


def examine(
    replayer: FoldReplayer,
    backtest: Window,
    feature_set: FeatureSet,
    profile: Profile,
    sha256: str,
    *,
    account: AccountMode = "neutral",
) -> Examination:
    """Examine a model over its walk-forward; its account skew over the backtest window.

    Everything here feeds neutral account features, as the live trader does.

    Args:
        account: how the folds are judged.
        sha256: of the checkpoint; with the bars it seeds all that is random.

    Raises:
        MarketDataError: too few bars in the windows, or before them.
    """
    candidate = replayer.candidate
    policy, bars = candidate.policy, candidate.series.bars
    neutral, _ = evaluate(candidate, backtest, "neutral", replayer.capital)
    tracked = evaluate(candidate, backtest, "tracked", replayer.capital)[0] if policy.account else None
    actions = replayer.actions(policy)
    folds = evaluate_all(candidate, replayer.folds, "neutral", replayer.capital)
    trajectories = tuple(trajectory for trajectory, _ in folds)
    own = replayer.attribution(trajectories)
    checks = (
        check_causality(bars, feature_set, policy, replayer.rows, candidate.rules.min_confidence),
        check_weights(replayer, actions, own, sha256),
        check_activity(trajectories, own, policy.actions, profile.integrity),
        check_accounting((*trajectories, neutral)),
        check_feasibility(trajectories, bars.instrument.asset_class, candidate.rules),
        check_account(neutral, tracked),
        check_precision(candidate, (*replayer.folds, backtest), profile.integrity, sha256),
    )
    if undrawn := _why_no_noise(replayer, [metrics for _, metrics in folds], checks, account):
        return Examination(checks, (), undrawn)
    return Examination(checks, draw_noise(replayer, actions, feature_set, profile.robustness, sha256))


def _why_no_noise(
    replayer: FoldReplayer, folds: Sequence[Metrics], checks: Sequence[Check], account: AccountMode
) -> str:
    """Why no draw of noise could change the decision, half a sentence; empty where one could.

    A draw can only keep a model from LIVE. That is out of reach, under every rule, profile and waiver, where a check
    failed, which nothing waives, or where the folds made no money together, which a waiver lifts to PAPER.
    """
    if failed := [check.name for check in checks if check.status == "fail"]:
        return f"the integrity checks fail ({', '.join(failed)})"
    if account == "tracked" and replayer.candidate.policy.account:
        return ""  # the folds are judged on other actions than these
    earned = compounded(metrics.total_return for metrics in folds)
    return "" if earned > 0 else "its folds made no money together"
