"""What the gate's own code says of simulated models: sanity, table, caps and proofs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import DecisionRule
from pytest_modelgate.core.decision.backtest_sanity import judge_backtest, one_sided
from pytest_modelgate.core.decision.decision import decide
from pytest_modelgate.core.decision.model_case import ModelCase
from pytest_modelgate.core.decision.plausibility import TradeCount
from pytest_modelgate.core.decision.proof import FoldAttribution, Proof
from pytest_modelgate.core.decision.proofs import pool, prove
from pytest_modelgate.core.decision.timing_proofs import prove_timing
from pytest_modelgate.core.integrity.parity import Parity
from pytest_modelgate.core.statistics.effective_models import DayGains, effective_models
from pytest_modelgate.core.statistics.net_timing import net_timing
from pytest_modelgate.core.training.gating import Classification

from .accounts import Accounts

Terms = tuple[DecisionRule, int]  # and trials
TRAINING_DRAWDOWN = 0.08  # APPROVED at most
_OF_THE_FOLDS = ("spread", "compounded_return", "compounded_without_best")  # the same on all terms, and dear
_PROVEN = Parity("proven", "nothing is simulated that could differ")


def judge(
    accounts: Accounts, profile: Profile, terms: Sequence[Terms], counts: Sequence[float]
) -> Iterator[dict[Terms, DecisionLevel]]:
    """Decide on every model, on all terms; gating counts it as APPROVED, and parity as proven.

    Args:
        counts: trials that ``COUNTED`` stands for, of every path.
    """
    first = accounts.grid.backtest
    for path, (backtest, count) in enumerate(zip(accounts.backtests, counts, strict=True)):
        one_side = one_sided(backtest, accounts.paths.held[path, first:])
        case = ModelCase(
            Classification.APPROVED,
            judge_backtest(backtest, TRAINING_DRAWDOWN, profile, one_side=one_side, in_folds=True),
            accounts.results(path),
            profile,
            "table",
            parity=_PROVEN,
            trades=TradeCount(int(accounts.trades[path].sum()), int(accounts.won[path])),
        )
        proofs = _prove(accounts.attributions(path), profile, [trials or count for _, trials in terms])
        levels: dict[tuple[DecisionRule, tuple[bool, ...]], DecisionLevel] = {}
        decided = {}
        for (rule, trials), found in zip(terms, proofs, strict=True):
            shown = rule, tuple(proof.passed for proof in found)  # all that trials change
            if shown not in levels:
                asked = replace(case, rule=rule, proofs=found)
                vars(asked).update({name: getattr(case, name) for name in _OF_THE_FOLDS})
                levels[shown] = decide(asked).level
            decided[rule, trials] = levels[shown]
        yield decided


def _prove(folds: Sequence[FoldAttribution], profile: Profile, trials: Sequence[float]) -> list[tuple[Proof, ...]]:
    """The proofs for each number of trials, of which only timing knows; it alone where it fails: none counts then."""
    _, attribution, places = pool(folds)
    timings = {number: prove_timing(attribution, places, profile.proofs, number) for number in set(trials)}
    passed = any(timing.passed for timing in timings.values())
    others = [proof for proof in prove(folds, profile, 1.0) if proof.name != "timing"] if passed else []
    return [(timings[number], *others) for number in trials]


def count_models(models: Sequence[Accounts], path: int) -> float:
    """As how many independent models those of one path count, seen together."""
    gains = {}
    for number, accounts in enumerate(models):
        _, attribution, places = pool(accounts.attributions(path))
        timing = net_timing(attribution, places)
        gains[str(number)] = DayGains(timing.days, timing.gains)
    return effective_models(gains)
