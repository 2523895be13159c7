"""Results that are too good to be true: more likely memory of the data, or a fault in them, than skill."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.config.profiles import ImplausibleLimits

_NORMAL = NormalDist()
_LARGEST_SHARPE = 1e9  # no window measures more, and sums of it cannot overflow


@dataclass(frozen=True)
class TradeCount:
    """Closed trades over all folds, and how many of them made a profit."""

    closed: int
    won: int

    @classmethod
    def over(cls, metrics: Sequence[Metrics]) -> TradeCount:
        """Sum over folds."""
        traded = [fold for fold in metrics if fold.closed_trades]
        won = sum(round(fold.win_rate * fold.closed_trades) for fold in traded)
        return cls(sum(fold.closed_trades for fold in traded), won)


NO_TRADES = TradeCount(0, 0)


def find_implausible(
    folds: Sequence[FoldResult], later: Sequence[FoldResult], trades: TradeCount, limits: ImplausibleLimits
) -> tuple[str, ...]:
    """Half sentences on what nobody earns; none where chance explains it in more than ``limits.max_p`` of cases.

    A limit is one for the true figure. A single fold is short: with a true Sharpe ratio of 3, one of 36 days shows more
    than 10 in one case of seventy. So a figure has to lie beyond its limit by more than chance takes it there.

    Args:
        folds: every fold, in any order.
        later: those among them that start after the archive was made.
        trades: over all folds.
    """
    return (*_sharpes(folds, limits), *_wins(trades, limits), *_lost_edge(folds, later, limits))


def _sharpes(folds: Sequence[FoldResult], limits: ImplausibleLimits) -> Iterator[str]:
    beyond = [fold for fold in folds if fold.sharpe > _least_implausible(fold, limits)]
    if beyond:
        most = max(fold.sharpe_annualised for fold in beyond)
        yield f"an annualised Sharpe ratio of up to {most:.3g} in {len(beyond)} of {len(folds)} folds{_asked(limits)}"
    measured = _measured(folds)
    if not measured:
        return
    per_year = math.fsum(fold.bars * fold.bars_per_year for fold in measured) / _bars(measured)
    whole = FoldResult(0.0, _mean_sharpe(measured), _bars(measured), per_year)
    if whole.sharpe > _least_implausible(whole, limits):
        yield f"an annualised Sharpe ratio of {whole.sharpe_annualised:.3g} over all folds{_asked(limits)}"


def _asked(limits: ImplausibleLimits) -> str:
    return f", more than luck adds to a true one of {limits.max_sharpe:g}"


def _least_implausible(result: FoldResult, limits: ImplausibleLimits) -> float:
    """The per-bar Sharpe ratio that a true one at the limit exceeds with a probability of ``max_p``.

    Its standard error over n bars is sqrt((1 + s^2 / 2) / n) (Lo 2002, "The Statistics of Sharpe Ratios").
    """
    limit = limits.max_sharpe / math.sqrt(result.bars_per_year)
    return limit + _distance(limits) * math.sqrt((1.0 + limit * limit / 2.0) / result.bars)


def _wins(trades: TradeCount, limits: ImplausibleLimits) -> Iterator[str]:
    if trades.closed < limits.min_trades or trades.won <= limits.max_win_rate * trades.closed:
        return  # not even more than the limit itself
    if _binomial_tail(trades.won, trades.closed, limits.max_win_rate) <= limits.max_p:
        share = f"{trades.won / trades.closed:.0%} of {trades.closed} trades made a profit"
        yield f"{share}, more than luck adds to a true share of {limits.max_win_rate:.0%}"


def _lost_edge(folds: Sequence[FoldResult], later: Sequence[FoldResult], limits: ImplausibleLimits) -> Iterator[str]:
    """Two Sharpe ratios of independent returns, each with a variance of 1 / n over n bars."""
    whole, after = _measured(folds), _measured(later)
    bars = _bars(whole) - _bars(after)
    lost = math.prod(max(0.0, 1.0 + fold.total_return) for fold in later) <= 1.0
    if not (after and bars and lost):
        return
    before = (_mean_sharpe(whole) * _bars(whole) - _mean_sharpe(after) * _bars(after)) / bars
    fall = before - _mean_sharpe(after)
    if fall > _distance(limits) * math.sqrt(1.0 / bars + 1.0 / _bars(after)):
        yield "what it earned up to the archive's time stamp is lost entirely on the bars after that"


def _distance(limits: ImplausibleLimits) -> float:
    return _NORMAL.inv_cdf(1.0 - limits.max_p)


def _measured(folds: Sequence[FoldResult]) -> list[FoldResult]:
    return [fold for fold in folds if abs(fold.sharpe) <= _LARGEST_SHARPE]


def _bars(folds: Sequence[FoldResult]) -> int:
    return sum(fold.bars for fold in folds)


def _mean_sharpe(folds: Sequence[FoldResult]) -> float:
    """Per bar, weighted with the bars; the sum is exact, so that the order of the folds cannot matter."""
    return math.fsum(fold.bars * fold.sharpe for fold in folds) / _bars(folds)


def _binomial_tail(won: int, closed: int, share: float) -> float:
    """Probability of so many wins or more among so many trades."""
    return math.fsum(
        math.exp(
            math.lgamma(closed + 1)
            - math.lgamma(wins + 1)
            - math.lgamma(closed - wins + 1)
            + wins * math.log(share)
            + (closed - wins) * math.log1p(-share)
        )
        for wins in range(won, closed + 1)
    )
