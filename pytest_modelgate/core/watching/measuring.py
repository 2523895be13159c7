"""Comparison of one model's part of an account with what its judged bytes would have done, bar by bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.config.settings import AccountMode
from pytest_modelgate.core.market.bars import AssetClass, Bars, Instrument
from pytest_modelgate.core.watching.account_equity import AccountEquity, shared
from pytest_modelgate.core.watching.attribution import own_orders
from pytest_modelgate.core.watching.closure import closure
from pytest_modelgate.core.watching.evidence import FeeFigures, WatchEvidence, unmeasured
from pytest_modelgate.core.watching.fills import NetFill, contradiction, net_fills, of_chains
from pytest_modelgate.core.watching.market import RawMarket
from pytest_modelgate.core.watching.matching import uncovered
from pytest_modelgate.core.watching.period import Period, find_period, split_between
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountRecord, TraderMap
from pytest_modelgate.core.watching.track import simulated_track
from pytest_modelgate.core.watching.walking import Walker, outage_bars

_TAKER = 0.0025  # the most that Alpaca takes of a notional, whatever the profile assumes
_FEWEST = 100  # bars on either side, below which shares of actions say nothing
_DAY = 86_400 * NANOSECONDS
_RECORD = "Record the account again: modelgate watch"


@dataclass(frozen=True)
class InForce:
    """A model that a trader runs: id, sha256 of its bytes, what it trades, since when, and what promoted it."""

    id: str
    sha256: str
    instrument: Instrument
    since: pd.Timestamp
    decision: str


@dataclass(frozen=True, eq=False)
class WatchSubject:
    """One model in front of the market of its period.

    Attributes:
        candidate: its policy before the bars it is judged on, which reach back before ``since``.
        raw: the same bars as they were traded, unadjusted; None where the bars are not adjusted.
        account: how account features are fed to it.
        capital: USD that the simulated track starts with.
        as_of: the period ends before it.
    """

    model: InForce
    candidate: Candidate
    raw: Bars | None
    account: AccountMode
    capital: float
    as_of: pd.Timestamp


def measure_watch(
    subject: WatchSubject, others: Sequence[InForce], record: AccountRecord, told: TraderMap
) -> WatchEvidence:
    """Measure one model's record.

    Args:
        others: all further models that are in force on the same account.
        told: what the user says of the trader.

    Raises:
        CheckpointError: a feature, weight, layer or logit is not finite.
    """
    model, bars, rules = subject.model, subject.candidate.series.bars, subject.candidate.rules
    symbol, since, as_of = model.instrument.symbol, model.since.value, subject.as_of.value
    in_force = {one.id: one.instrument.symbol for one in (model, *others)}
    owned = own_orders(model.id, symbol, in_force, record.orders, told.models)
    if owned.problem:
        remedy = "Give orders ids (pytest_modelgate.order_id), or tell them apart in the map: modelgate watch --map"
        return _without(subject, record, owned.problem, remedy)
    market, fills = RawMarket.of(bars, subject.raw), net_fills(record, rules.fee)
    traded = [fill for fill in fills if fill.symbol == symbol]
    period = find_period(
        record,
        market,
        owned,
        traded,
        symbol=symbol,
        sha256=model.sha256,
        since=since,
        as_of=as_of,
        earliest=subject.candidate.history,
    )
    if period.problem:
        return _without(subject, record, period.problem, _RECORD)
    start = int(market.ends[period.first])
    if problem := contradiction(record, symbol, start):
        return _without(subject, record, problem, _RECORD)
    whole, alone = AccountEquity(record), not (others or owned.foreign or shared(record, symbol))
    capital = _capital(record, market, of_chains(traded, owned.own), subject, start, whole=whole, alone=alone)
    account = None if alone else whole
    walk = Walker(subject, market, period, owned, fills=traded, told=told, capital=capital, account=account).walk()
    track = simulated_track(subject, period, np.array(walk.curve))
    own = [fill for fill in of_chains(traded, owned.own) if start <= fill.at < market.ends[period.last]]
    covered = [uncovered(order) for order in walk.orders]
    inside, rows = slice(period.first, period.last + 1), range(period.first, period.last + 1)
    starts = (market.starts[inside] // NANOSECONDS).tolist()
    expected = sum(order.expected != 0.0 for order in walk.orders)
    explained = sum(order.outcome == "explained" for order in walk.orders)
    return replace(
        _without(subject, record, "", ""),
        start=_iso(market.starts[period.first]),
        end=_iso(market.ends[period.last - 1]),
        bars=period.bars,
        orders=tuple(walk.orders),
        unexplained_notional=_share(sum(part for _, part in covered), sum(part for part, _ in covered)),
        explained=_share(explained, max(expected, explained)),
        slippage=tuple(order.slippage for order in walk.orders if order.slippage is not None),
        fees=_fees(own),
        closure=closure(record, market, fills, symbol=symbol, start=start, rate=max(rules.fee, _TAKER)),
        days=track.days,
        outages=outage_bars(walk.orders, dict(zip(starts, rows, strict=True))),
        drift=_drift(subject, period),
        times=tuple(starts),
        price=tuple((market.closes[inside] / market.closes[period.first]).tolist()),
        curve=tuple(walk.curve),
        simulated_curve=track.curve,
        actions=dict(sorted(walk.actions.items())),
    )


def _without(subject: WatchSubject, record: AccountRecord, problem: str, remedy: str) -> WatchEvidence:
    """Evidence of a record from which nothing was measured."""
    rules, recorded = subject.candidate.rules, record.spans[-1][1] if record.spans else subject.model.since.value
    instrument = subject.model.instrument
    return replace(
        unmeasured(subject.model.id, problem, remedy),
        account=record.account,
        kind=record.kind,
        since=_iso(subject.model.since.value),
        decision=subject.model.decision,
        assumed_cost=rules.fee + rules.slippage,
        record_sha256=record.sha256,
        days_per_year=365.0 if instrument.asset_class is AssetClass.CRYPTO else 252.0,
        silent_days=_silent_days(subject, recorded, since_promoted=bool(problem)),
    )


def _silent_days(subject: WatchSubject, recorded: int, *, since_promoted: bool) -> float:
    """Days since the last recording; where nothing could be compared, since the model was put in force."""
    last = subject.model.since.value if since_promoted else recorded
    return max(0.0, (subject.as_of.value - last) / _DAY)


def _capital(
    record: AccountRecord,
    market: RawMarket,
    own: Sequence[NetFill],
    subject: WatchSubject,
    start: int,
    *,
    whole: AccountEquity,
    alone: bool,
) -> float:
    """USD that the sub-account starts with: the account's equity then, for that is what a trader's sizes refer to.

    Of a model that is alone on it the first recording since, else what was known then; what was known only later, less
    what the model made until then.
    """
    seen = next(((one.at, one.equity) for one in record.snapshots if one.at >= start), None)
    known = whole.last(start) or whole.first
    known = (seen or known) if alone else known
    if known is None:
        return subject.capital
    at, capital = known
    if at >= start:
        inside = [fill for fill in own if start <= fill.at <= at]
        held = sum(fill.net * split_between(market, fill.at, at) for fill in inside)
        paid = sum(fill.quantity * fill.price + fill.usd for fill in inside)
        capital += paid - held * float(market.closes[max(0, market.row_of(at))])
    return capital if 0.0 < capital < math.inf else subject.capital


def _fees(own: Sequence[NetFill]) -> FeeFigures:
    settled = [fill for fill in own if not fill.pending]
    paid = sum(fill.coin * fill.price + fill.usd for fill in settled)
    whole = sum(abs(fill.quantity) * fill.price for fill in own)
    known = sum(abs(fill.quantity) * fill.price for fill in settled)
    return FeeFigures(_share(paid, known), _share(whole - known, whole))


def _drift(subject: WatchSubject, period: Period) -> float | None:
    """Population stability index of the neutral actions in the period against those at the bars before it."""
    candidate = subject.candidate
    before = slice(candidate.history, period.first)
    if min(before.stop - before.start, period.bars) < _FEWEST:
        return None
    shares = []
    for rows in (before, slice(period.first, period.last)):
        actions = candidate.neutral_actions(rows)
        counts = np.bincount(actions + 1, minlength=len(candidate.policy.actions) + 1)
        shares.append((counts + 0.5) / (counts + 0.5).sum())
    old, new = shares
    return float(np.sum((new - old) * np.log(new / old)))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


def _iso(moment: int) -> str:
    return pd.Timestamp(int(moment), tz="UTC").isoformat()
