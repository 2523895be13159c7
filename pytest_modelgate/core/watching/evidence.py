"""Evidence of what an account did with one model: measured facts, ratios and counts, never USD of the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_modelgate.core.watching.records import AccountKind

Mismatch = Literal["missing", "extra", "other_side", "other_size", "late", "refused", "partial", "explained", "foreign"]


@dataclass(frozen=True)
class WatchedOrder:
    """One bar at which an order was expected or sent.

    Attributes:
        bar: start of the bar at whose close it was decided, seconds since 1970 UTC.
        expected, actual: signed quantity as a fraction of the sub-account's equity at that close; 0 for none.
        outcome: ``match`` or a kind of mismatch.
        why: what explains it, empty where nothing does.
        slippage: fraction by which its fills were worse than the next bar's raw open; None without fills.
    """

    bar: int
    expected: float
    actual: float
    outcome: Literal["match"] | Mismatch
    why: str = ""
    slippage: float | None = None


@dataclass(frozen=True)
class DayFigures:
    """One calendar day (stocks: session) of the period, fractions of the sub-account's equity.

    Attributes:
        day: start of the day, seconds since 1970 UTC.
        simulated: net return of the judged bytes on these bars, by the simulation.
        account: net return of the model's part of the account; None where nothing tells.
        timing: sum of (h - b) R - costs, b the mean of the track's own earlier exposure: what skill is measured on.
        exposure: mean signed exposure of the simulated track.
    """

    day: int
    simulated: float
    account: float | None
    timing: float
    exposure: float


@dataclass(frozen=True)
class FeeFigures:
    """Fees as fractions of the notional traded; ``pending`` is the share of it whose fees may still come."""

    realised: float
    pending: float


@dataclass(frozen=True)
class WatchEvidence:
    """What is known of one model on one account; ``window`` is ``paper``.

    Attributes:
        problem: why there is no complete record, one sentence; empty where there is.
        remedy: what to do about it.
        of_model: the problem is about this model alone.
        account: pseudonym of the account; empty without a record.
        since: when these bytes were put in force (ISO 8601, UTC); empty where they are not.
        start, end: half-open range of the bars compared (ISO 8601, UTC); empty without any.
        bars: how many.
        decision: what promoted them: LIVE or PAPER; empty where they are not in force.
        orders: every bar with an order expected or sent, oldest first.
        unexplained_notional: share of the notional expected or sent that no match and no explanation covers.
        explained: share of expected orders that something explains.
        slippage: per filled order, fractions; same order as the orders that have one.
        fees: realised.
        assumed_cost: cost per notional the profile assumes, fee and slippage, a fraction.
        closure: largest difference between the account's change of equity and its parts, a fraction of equity; None
            where it cannot be told.
        days: of the period, oldest first.
        outages: bars inside the period for which nothing is on record or the trader was silent while bars came.
        drift: population stability index of the actions against the walk-forward's; None where too few.
        times, price: bar starts (seconds since 1970 UTC) and closes relative to the first, for the picture.
        curve, simulated_curve: equity at each bar's close relative to the start; ``curve`` empty where nothing tells.
        actions: how often each action was taken, by name.
        record_sha256: of the account's record.
        days_per_year: of such days: 365 of a market that never closes, 252 sessions of another.
        earned: whether what promoted them to LIVE was such a record, and not the walk-forward alone.
        silent_days: from the end of the last complete recording to the run's ``--gate-as-of``.
    """

    model: str
    window: str
    problem: str
    remedy: str
    of_model: bool
    account: str
    kind: AccountKind
    since: str
    start: str
    end: str
    bars: int
    decision: str
    orders: tuple[WatchedOrder, ...]
    unexplained_notional: float
    explained: float
    slippage: tuple[float, ...]
    fees: FeeFigures
    assumed_cost: float
    closure: float | None
    days: tuple[DayFigures, ...]
    outages: int
    drift: float | None
    times: tuple[int, ...]
    price: tuple[float, ...]
    curve: tuple[float, ...]
    simulated_curve: tuple[float, ...]
    actions: Mapping[str, int]
    record_sha256: str
    days_per_year: float = 365.0
    silent_days: float = 0.0
    earned: bool = False


def unmeasured(model: str, problem: str, remedy: str) -> WatchEvidence:
    """Evidence of a model of which nothing was measured, and why."""
    return WatchEvidence(
        model=model,
        window="paper",
        problem=problem,
        remedy=remedy,
        of_model=True,
        account="",
        kind="paper",
        since="",
        start="",
        end="",
        bars=0,
        decision="",
        orders=(),
        unexplained_notional=0.0,
        explained=0.0,
        slippage=(),
        fees=FeeFigures(0.0, 0.0),
        assumed_cost=0.0,
        closure=None,
        days=(),
        outages=0,
        drift=None,
        times=(),
        price=(),
        curve=(),
        simulated_curve=(),
        actions={},
        record_sha256="",
    )
