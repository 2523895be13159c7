"""What nobody earns is told from what luck adds to a short record."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pytest_modelgate.adapters.config_files.profiles import builtin_profiles, load_profile
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.decision.plausibility import NO_TRADES, TradeCount, find_implausible

LIMITS = load_profile("2.4.5").implausible
HOURS, BARS = 8760.0, 36 * 24
METRICS = Metrics(0.1, 0.03, 0.1, 2.0, 2.0, 0.6, 9, 0.1, 0.2, 4.0, 99_000.0, 864, 8760.0)


def folds_of(*sharpes: float, total_return: float = 0.05, bars: int = BARS) -> list[FoldResult]:
    """Folds with these annualised Sharpes."""
    return [FoldResult(total_return, sharpe / math.sqrt(HOURS), bars, HOURS) for sharpe in sharpes]


def findings(
    folds: Sequence[FoldResult], later: Sequence[FoldResult] = (), trades: TradeCount = NO_TRADES
) -> tuple[str, ...]:
    return find_implausible(folds, later, trades, LIMITS)


def test_a_policy_that_memorised_its_folds_is_too_good_to_be_true() -> None:
    """What such policies showed: Sharpe 26 to 31, and 79 to 100 % wins."""
    told = findings(folds_of(26.0, 28.0, 31.0, 27.0, 29.0), trades=TradeCount(60, 57))

    assert told == (
        "an annualised Sharpe ratio of up to 31 in 5 of 5 folds, more than luck adds to a true one of 10",
        "an annualised Sharpe ratio of 28.2 over all folds, more than luck adds to a true one of 10",
        "95% of 60 trades made a profit, more than luck adds to a true share of 75%",
    )


@pytest.mark.parametrize(
    ("sharpes", "count"),
    [
        ([12.4, 7.8, 9.5, 6.3, 4.9], 0),  # a fold of 36 days beyond 10 is luck
        ([15.2, 1.0, 1.0, 1.0, 1.0], 0),
        ([15.3, 1.0, 1.0, 1.0, 1.0], 1),
        ([12.3] * 5, 0),
        ([12.4] * 5, 1),  # all of them together are not
    ],
    ids=str,
)
def test_a_sharpe_ratio_must_lie_beyond_its_limit_by_more_than_luck(sharpes: list[float], count: int) -> None:
    assert len(findings(folds_of(*sharpes))) == count


def test_a_true_sharpe_ratio_of_three_is_never_too_good() -> None:
    rng = np.random.default_rng(5)
    drawn = 3.0 + math.sqrt(HOURS / BARS) * rng.standard_normal((5000, 5))

    assert (drawn.max(axis=1) > LIMITS.max_sharpe).mean() > 0.05  # the bare limit would take one in fifteen
    assert not any(findings(folds_of(*sharpes)) for sharpes in drawn)


@pytest.mark.parametrize(
    ("closed", "won", "told"),
    [(29, 29, False), (30, 26, False), (30, 27, True), (45, 38, False), (45, 39, True), (200, 160, False)],
)
def test_a_win_rate_must_lie_beyond_its_limit_by_more_than_luck(closed: int, won: int, *, told: bool) -> None:
    assert bool(findings([], trades=TradeCount(closed, won))) == told


@given(closed=st.integers(30, 3000), share=st.floats(0.0, 1.0))
def test_the_luck_of_wins_is_binomial(closed: int, share: float) -> None:
    won = round(share * closed)
    tail = float(binom.sf(won - 1, closed, LIMITS.max_win_rate))
    if not math.isclose(tail, LIMITS.max_p, rel_tol=1e-9):
        assert bool(findings([], trades=TradeCount(closed, won))) == (tail <= LIMITS.max_p)


def test_an_edge_that_ends_with_the_archive_is_told() -> None:
    after = folds_of(-3.0, -2.0, total_return=-0.02)

    assert findings([*folds_of(9.0, 8.0, 9.0), *after], after) == (
        "what it earned up to the archive's time stamp is lost entirely on the bars after that",
    )


@pytest.mark.parametrize(
    ("before", "after", "total_return"),
    [
        (9.0, 1.0, 0.01),  # less, and not lost
        (3.0, -1.0, -0.01),  # no further apart than luck takes them
        (-3.0, -3.0, -0.02),  # there was none
    ],
)
def test_an_edge_that_chance_may_have_hidden_is_not_called_lost(
    before: float, after: float, total_return: float
) -> None:
    later = folds_of(after, after, total_return=total_return)

    assert findings([*folds_of(before, before, before), *later], later) == ()


def test_all_folds_after_the_archive_leave_nothing_to_compare_with() -> None:
    later = folds_of(-3.0, -3.0, total_return=-0.1)

    assert findings(later, later) == ()


@pytest.mark.parametrize("sharpe", [math.nan, -math.inf, -1e300])
def test_what_is_undefined_or_bad_is_not_too_good(sharpe: float) -> None:
    assert findings(folds_of(3.0, sharpe)) == ()


@pytest.mark.parametrize("sharpe", [math.inf, 1e300])
def test_no_figure_is_too_large_to_be_told(sharpe: float) -> None:
    assert len(findings(folds_of(3.0, sharpe))) == 1


def test_wins_are_counted_over_folds_with_trades() -> None:
    folds = [
        replace(METRICS, closed_trades=closed, win_rate=rate) for closed, rate in ((3, 2 / 3), (0, math.nan), (7, 1.0))
    ]

    assert TradeCount.over(folds) == TradeCount(10, 9)


@pytest.mark.parametrize("name", builtin_profiles())
def test_every_profile_knows_what_nobody_earns(name: str) -> None:
    assert load_profile(name).implausible == LIMITS
