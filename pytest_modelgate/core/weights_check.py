"""Whether the edge comes from what was learned: without the weights, or without the observations, it must be gone."""

from __future__ import annotations

import numpy as np

from pytest_modelgate.core.checks import Check
from pytest_modelgate.core.policy import Actions, MlpPolicy
from pytest_modelgate.core.skill import shift_test
from pytest_modelgate.core.track import Track
from pytest_modelgate.core.variants import Arena, seeded, shuffled, single_minded

_DRAWS = 3
_CLEAR = 1.645  # standard deviations ahead of its own time-shifted copies: 5 % by chance
_SAME_SHARE = 0.95  # of the bars
_SAME_POSITION = 0.01  # of equity


def edge(track: Track) -> float:
    """How far the timing is ahead of all others of the same positions, in standard deviations; 0 without any."""
    timing = shift_test(track)
    return (timing.own - timing.mean) / timing.deviation if timing.p_value < 1.0 else 0.0


def check_weights(arena: Arena, actions: Actions, own: Track, sha256: str) -> Check:
    """Compare the model with itself without what it learned.

    Three times its weights are shuffled within each layer, three times what it saw is dealt out in another order. An
    edge that most of either keep does not come from the model; without an edge there is nothing to lose, and neither is
    tried. The positions of a constant action are no decision.

    Args:
        actions: of the model at every bar of the folds.
        own: its track over all folds.
        sha256: of the checkpoint; seeds the shuffles.
    """
    policy, rules = arena.subject.policy, arena.subject.rules
    chance = seeded(sha256, "weights")
    clear = edge(own)
    figures = {"edge": clear}
    for words, action in single_minded(policy.n_actions, rules.can_short):
        constant = arena.track(arena.trade(np.full(len(actions), action)))
        same = float(np.mean(np.abs(constant.held - own.held) <= _SAME_POSITION))
        figures[words.replace(" ", "_")] = same
        if same >= _SAME_SHARE:
            sentence = f"The model is one that would {words}: {same:.1%} of the bars see the same position."
            return Check("weights", "fail", sentence, figures)
    if clear < _CLEAR:
        sentence = (
            f"There is no clear edge to lose: the model is {clear:.2f} standard deviations ahead of its own positions "
            f"at other times, {_CLEAR} would be clear."
        )
        return Check("weights", "warn", sentence, figures)
    dealt = [edge(arena.track(arena.trade(chance.permutation(actions)))) for _ in range(_DRAWS)]
    figures["permuted_observations"] = max(dealt)
    blind = []
    if isinstance(policy, MlpPolicy):
        blind = [edge(arena.track(arena.trade(arena.actions(shuffled(policy, chance))))) for _ in range(_DRAWS)]
        figures["shuffled_weights"] = max(blind)
    for words, edges in (("with its weights shuffled", blind), ("shown its observations in another order", dealt)):
        kept = sum(value >= _CLEAR for value in edges)
        if 2 * kept > len(edges):
            sentence = (
                f"The edge does not come from what was learned: {words} the model keeps it in {kept} of {len(edges)} "
                f"draws (up to {max(edges):.2f} standard deviations, its own is {clear:.2f})."
            )
            return Check("weights", "fail", sentence, figures)
    sentence = (
        f"The edge of {clear:.2f} standard deviations is gone without the weights "
        f"({f'{max(blind):.2f} at most' if blind else 'not tried: the policy shows none'}) and without the order of "
        f"the observations ({max(dealt):.2f} at most)."
    )
    return Check("weights", "pass", sentence, figures)
