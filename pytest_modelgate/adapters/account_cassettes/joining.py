"""One record out of all recordings of an account, each of which tells the last three days of the one before again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

from pytest_modelgate.adapters.account_cassettes.files import AccountFolder, Manifest, Part, Recording
from pytest_modelgate.adapters.account_cassettes.rows import to_equity, to_fees, to_fills, to_orders, to_snapshot
from pytest_modelgate.core.watching.moments import parse_moment, write_moment
from pytest_modelgate.core.watching.records import (
    AccountFee,
    AccountFill,
    AccountRecord,
    Order,
    Promotion,
    Snapshot,
)
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import AccountError

_PARTS: tuple[Part, ...] = ("orders", "activities", "portfolio", "snapshot")
_Entry = TypeVar("_Entry", AccountFill, AccountFee)
_CHANGED = "Ask Alpaca which is right; to go on, move the folder {folder} away and record the account anew"


@dataclass(frozen=True)
class Told:
    """What one recording tells.

    Attributes:
        span: half-open stretch of moments.
        created: when the account was opened or reset last.
        promotion: in force at its end.
    """

    span: tuple[int, int]
    created: int
    orders: tuple[Order, ...]
    fills: tuple[AccountFill, ...]
    fees: tuple[AccountFee, ...]
    equity: tuple[tuple[int, float], ...]
    snapshot: Snapshot
    promotion: Promotion


def told_by(recording: Recording, parts: Mapping[Part, Any], where: str) -> Told:
    """What the parts of one recording tell.

    Args:
        parts: their content, scrubbed.
        where: names the recording in error messages.

    Raises:
        AccountError: they tell nothing of the kind, or a row twice and differently.
    """
    snapshot = parts["snapshot"]
    try:
        created = parse_moment(snapshot["account"].get("created_at", "1970-01-01T00:00:00Z"))
        orders, activities = list(parts["orders"]), list(parts["activities"])
        portfolio = list(parts["portfolio"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise AccountError(where, "is no recording of an account", "Record the account anew: modelgate watch") from None
    promotion = Promotion(recording.promotion.digest, dict(sorted(recording.promotion.models.items())))
    return Told(
        recording.span,
        created,
        _latest(to_orders(orders, where)),
        _each_once(to_fills(activities, where), where),
        _each_once(to_fees(activities, where), where),
        tuple(to_equity(portfolio, where)),
        to_snapshot(recording.span[1], snapshot, where),
        promotion,
    )


def read_told(folder: AccountFolder, manifest: Manifest) -> list[Told]:
    """What every recording of an account tells, oldest first.

    Raises:
        AccountError: a cassette is missing, altered or unusable.
    """
    told = []
    for recording in manifest.recordings:
        parts = {part: folder.read(recording, part) for part in _PARTS}
        told.append(told_by(recording, parts, f"account {folder.path}, recording until {recording.until}"))
    return told


def join(folder: AccountFolder, recordings: Sequence[Told]) -> AccountRecord:
    """The record of an account.

    A reset begins a new one: what was before it is left out.

    Args:
        recordings: oldest first; at least one.

    Raises:
        AccountError: one tells something else than the one before did of the same fill or fee.
    """
    since = recordings[-1].created
    told = [recording for recording in recordings if recording.created == since]
    for earlier, later in pairwise(told):
        _check(earlier, later, folder)
    orders: dict[str, Order] = {}
    fills: dict[str, AccountFill] = {}
    fees: dict[str, AccountFee] = {}
    equity: dict[int, float] = {}
    for recording in told:
        orders |= {order.key: order for order in recording.orders}
        fills |= {fill.key: fill for fill in recording.fills}
        fees |= {fee.key: fee for fee in recording.fees}
        equity |= dict(recording.equity)
    record = AccountRecord(
        account=folder.account,
        kind=folder.kind,
        spans=_united((max(first, since), until) for first, until in (recording.span for recording in told)),
        orders=tuple(sorted(orders.values(), key=lambda order: (order.submitted, order.key))),
        fills=tuple(sorted(fills.values(), key=lambda fill: (fill.at, fill.key))),
        fees=tuple(sorted(fees.values(), key=lambda fee: (fee.at, fee.key))),
        equity=tuple(sorted(equity.items())),
        snapshots=tuple(recording.snapshot for recording in told),
        promotions=_changes(recording.promotion for recording in told),
        sha256="",
        since=since,
    )
    return replace(record, sha256=json_sha256(asdict(record)))


def _check(earlier: Told, later: Told, folder: AccountFolder) -> None:
    """Refuse a past that is told differently: fills and fees never change, and orders do not vanish."""
    where = f"account {folder.path}"
    remedy = _CHANGED.format(folder=folder.path)
    for what, old, new in (("fill", earlier.fills, later.fills), ("fee", earlier.fees, later.fees)):
        known = {entry.key: entry for entry in new}
        for entry in old:
            again = known.get(entry.key)
            if again is not None and again != entry:
                problem = f"a {what} of {write_moment(entry.at)} has changed since it was recorded first"
                raise AccountError(where, problem, remedy)
    both = range(later.span[0], earlier.span[1])
    fills, orders = {fill.key for fill in later.fills}, {order.key for order in later.orders}
    for fill in earlier.fills:
        if fill.at in both and fill.key not in fills:
            problem = f"a fill of {write_moment(fill.at)} that was recorded before is gone"
            raise AccountError(where, problem, remedy)
    for order in earlier.orders:
        if order.parent is None and order.submitted in both and order.key not in orders:
            problem = f"an order of {write_moment(order.submitted)} that was recorded before is gone"
            raise AccountError(where, problem, remedy)


def _latest(orders: Iterable[Order]) -> tuple[Order, ...]:
    """Each order as it was told last."""
    return tuple({order.key: order for order in orders}.values())


def _each_once(entries: Sequence[_Entry], where: str) -> tuple[_Entry, ...]:
    once: dict[str, _Entry] = {}
    for entry in entries:
        if once.setdefault(entry.key, entry) != entry:
            problem = f"one activity of {write_moment(entry.at)} is told twice, and differently"
            raise AccountError(where, problem, "Record the account again later, and report it if it stays")
    return tuple(once.values())


def _united(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Stretches without a gap, of such as may overlap."""
    united: list[tuple[int, int]] = []
    for first, until in sorted(spans):
        if united and first <= united[-1][1]:
            united[-1] = (united[-1][0], max(until, united[-1][1]))
        else:
            united.append((first, until))
    return tuple(united)


def _changes(promotions: Iterable[Promotion]) -> tuple[Promotion, ...]:
    """Promotions one after the other, each once as long as it stays."""
    changes: list[Promotion] = []
    for promotion in promotions:
        if not changes or changes[-1] != promotion:
            changes.append(promotion)
    return tuple(changes)
