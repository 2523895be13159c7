"""Check that the edge was learned: without the weights, or without the observations, it must be gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.integrity.check import Check
from pytest_modelgate.core.integrity.perturbations import FoldReplayer, constant_policies, seeded, shuffled
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.statistics.net_timing import net_timing
from pytest_modelgate.core.typing import Actions

_DRAWS = 5  # on a market with a pattern a random network finds an edge in up to a quarter of them
_CLEAR = 1.645  # standard deviations, before costs, ahead of its own positions on other days: 5 % by chance
_SAME_SHARE = 0.95  # of the bars
_SAME_POSITION = 0.01  # of equity


def edge(replayer: FoldReplayer, attribution: BarAttribution) -> float:
    """Distance, before costs, from the mean of the same positions on other days, in deviations; 0 without any."""
    return net_timing(attribution, replayer.places).edge


def check_weights(replayer: FoldReplayer, actions: Actions, own: BarAttribution, sha256: str) -> Check:
    """Compare the model with itself without what it learned.

    Its observations are permuted, and its weights are shuffled within each layer, up to five times each: an edge that
    all draws keep does not come from the model, and the first that loses it tells enough. Without an edge there is
    nothing to lose, and neither is tried. The positions of a constant action are no decision.

    Args:
        actions: of the model at every bar of the folds.
        own: its attribution over all folds.
        sha256: of the checkpoint; seeds the shuffles.
    """
    figures = {"edge": edge(replayer, own)}
    if sentence := _constant_position(replayer, len(actions), own, figures):
        return Check("weights", "fail", sentence, figures)
    if figures["edge"] < _CLEAR:
        sentence = (
            f"There is no clear edge to lose: the model is {figures['edge']:.2f} standard deviations ahead of its own "
            f"positions on other days, {_CLEAR} would be clear."
        )
        return Check("weights", "warn", sentence, figures)
    if sentence := _kept_edge(replayer, actions, sha256, figures):
        return Check("weights", "fail", sentence, figures)
    blind = figures.get("shuffled_weights")
    sentence = (
        f"The edge of {figures['edge']:.2f} standard deviations is gone without the weights "
        f"({'not tried: the policy shows none' if blind is None else f'{blind:.2f}'}) and without the order of the "
        f"observations ({figures['permuted_observations']:.2f})."
    )
    return Check("weights", "pass", sentence, figures)


def _constant_position(replayer: FoldReplayer, bars: int, own: BarAttribution, figures: dict[str, float]) -> str:
    """Sentence on the constant policy that the model amounts to, empty if none; ``figures`` gets shares of bars."""
    policy, rules = replayer.candidate.policy, replayer.candidate.rules
    for words, action in constant_policies(policy.actions, sells=rules.can_short):
        constant = replayer.attribution(replayer.trade(np.full(bars, action)))
        same = float(np.mean(np.abs(constant.intraday_weight - own.intraday_weight) <= _SAME_POSITION))
        figures[words.replace(" ", "_")] = same
        if same >= _SAME_SHARE:
            return f"The model is one that would {words}: {same:.1%} of the bars see the same position."
    return ""


def _kept_edge(replayer: FoldReplayer, actions: Actions, sha256: str, figures: dict[str, float]) -> str:
    """Sentence on what the edge survives in all draws, empty if nothing; ``figures`` gets the least edges."""
    policy, rng = replayer.candidate.policy, seeded(sha256, "weights")
    trials: list[tuple[str, str, Callable[[], Actions]]] = [
        ("permuted_observations", "shown its observations in another order", lambda: rng.permutation(actions))
    ]
    if isinstance(policy, MlpPolicy):
        trials.append(
            ("shuffled_weights", "with its weights shuffled", lambda: replayer.actions(shuffled(policy, rng)))
        )
    for name, words, draw in trials:
        least = figures[name] = _least(
            edge(replayer, replayer.attribution(replayer.trade(draw()))) for _ in range(_DRAWS)
        )
        if least >= _CLEAR:
            return (
                f"The edge does not come from what was learned: {words} the model keeps it in {_DRAWS} of {_DRAWS} "
                f"draws (by {least:.2f} standard deviations or more, its own is {figures['edge']:.2f})."
            )
    return ""


def _least(edges: Iterable[float]) -> float:
    """The first edge that is not clear, else the least."""
    least = np.inf
    for value in edges:
        least = min(least, value)
        if value < _CLEAR:
            break
    return float(least)
