"""One bar: what the judged bytes would have ordered from the position really held, and what was sent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_modelgate.core.watching.attribution import Chain
from pytest_modelgate.core.watching.evidence import Mismatch, WatchedOrder
from pytest_modelgate.core.watching.fills import NetFill
from pytest_modelgate.core.watching.records import JournalLine, TraderMap

_SIZE = 0.10  # more of a quantity is another size
_REFUSED = ("rejected",)
_ENDED = ("canceled", "expired", "rejected", "done_for_day", "stopped", "suspended")
_SAME_CLOSE = 1e-3  # relative
_AMOUNT = re.compile(r"\d[\d,]*\.\d+|\d[\d,]{3,}")
_CENT = 0.01  # USD; less is rounding, which no broker takes an order for


@dataclass(frozen=True)
class Decision:
    """What was expected at one bar.

    Attributes:
        bar: its start, seconds since 1970 UTC.
        action: name of what the judged bytes decided; ``NONE`` where nothing was sure enough.
        quantity: units that the sub-account would order, signed; ``or_else`` likewise, had fees left nothing of the
            position; None where they left no doubt.
        close, next_open: USD, raw; the second that orders are filled at.
        equity: of the sub-account at the close, USD.
        late: moment from which an order is late.
        dust: units that fees in kind leave in doubt.
    """

    bar: int
    action: str
    quantity: float
    close: float
    next_open: float
    equity: float
    late: int
    or_else: float | None = None
    dust: float = 0.0

    def share(self, quantity: float) -> float:
        """A quantity as a fraction of equity."""
        return quantity * self.close / self.equity if self.equity > 0.0 else 0.0


@dataclass(frozen=True)
class Sent:
    """What a model sent of one decision: its orders without legs, and the fills of these."""

    chains: tuple[Chain, ...]
    fills: tuple[NetFill, ...]

    def quantity(self, close: float) -> float:
        """Units ordered, signed; of a notional, what it buys at the close."""
        return sum(chain.sign * _units(chain, close) for chain in self.chains)

    @property
    def refused(self) -> bool:
        """Whether the broker took none of them."""
        return bool(self.chains) and all(chain.last.status in _REFUSED for chain in self.chains)

    @property
    def ended(self) -> bool:
        """Whether none of them can be filled any further, all of them short of that."""
        return all(chain.last.status in _ENDED for chain in self.chains)

    @property
    def filled(self) -> float:
        """Units, signed."""
        return sum(chain.filled for chain in self.chains)

    @property
    def returned(self) -> float:
        """Units that were bought and sold again, or the other way round."""
        filled = [chain.filled for chain in self.chains]
        return min(sum(units for units in filled if units > 0.0), -sum(units for units in filled if units < 0.0))

    def slippage(self, opened: float) -> float | None:
        """By how much the average price was worse than a bar's open, a fraction; None without fills."""
        units = sum(fill.quantity for fill in self.fills)
        if units == 0.0:
            return None
        average = sum(fill.quantity * fill.price for fill in self.fills) / units
        return (average / opened - 1.0) * (1.0 if units > 0.0 else -1.0)


def compare(decision: Decision, sent: Sent) -> WatchedOrder | None:
    """Hold what was sent against what was expected; None where both are nothing."""
    found = _compare(decision, sent)
    if found is None or found.outcome == "match" or decision.or_else is None:
        return found
    other = _compare(replace(decision, quantity=decision.or_else), sent)
    return other if other is None or other.outcome in {"match", "partial"} else found


def _compare(decision: Decision, sent: Sent) -> WatchedOrder | None:
    expected, actual = decision.quantity, sent.quantity(decision.close)
    if sent.refused:
        actual = 0.0
    if (churned := _churned(decision, sent, actual, expected)) is not None:
        return churned
    largest = max(abs(expected), abs(actual))
    if largest * decision.close < _CENT or largest <= decision.dust:
        return None
    outcome, why = _outcome(decision, sent, actual)
    if outcome == "other_size" and abs(actual - expected) <= decision.dust:
        return None  # too small to tell
    measured = expected * actual > 0.0
    return WatchedOrder(
        bar=decision.bar,
        expected=decision.share(expected),
        actual=decision.share(actual),
        outcome=outcome or "match",
        why=why,
        slippage=sent.slippage(decision.next_open) if measured else None,
    )


def _churned(decision: Decision, sent: Sent, actual: float, expected: float = 0.0) -> WatchedOrder | None:
    """What was traded to and fro within a bar, which its sum does not show; None where nothing was."""
    if sent.returned * decision.close < _CENT or sent.returned <= decision.dust:
        return None
    traded = decision.share(actual + math.copysign(sent.returned, actual))
    return WatchedOrder(decision.bar, decision.share(expected), traded, "extra", "traded to and fro within the bar")


def _outcome(decision: Decision, sent: Sent, actual: float) -> tuple[Mismatch | None, str]:
    expected = decision.quantity
    if expected != 0.0 and actual == 0.0:
        return ("refused", "rejected by the broker") if sent.refused else ("missing", "")
    if expected == 0.0:
        return "extra", ""
    if expected * actual < 0.0:
        return "other_side", ""
    if sent.ended and abs(sent.filled) <= _SIZE * abs(actual):  # so little of it is as good as nothing
        return "missing", f"sent, and {sent.chains[-1].last.status} before it was filled"
    if abs(actual / expected - 1.0) > _SIZE:
        return "other_size", f"{actual / expected:.0%} of what was expected"
    if min(chain.first.submitted for chain in sent.chains) >= decision.late:
        return "late", ""
    if sent.ended and abs(sent.filled) < (1.0 - _SIZE) * abs(actual):
        return "partial", f"{sent.filled / actual:.0%} filled"
    return None, ""


def explain(
    order: WatchedOrder, decision: Decision, model: str, line: JournalLine | None, told: TraderMap
) -> WatchedOrder:
    """The order with what explains it: the user's table, or what the trader's journal says of that bar.

    A journal explains an order that it decided as the judged bytes did and says why it did not send; where it decided
    otherwise, or saw another close, it only tells what went wrong. A broker's refusal stays one.

    Args:
        line: of the journal, of this very model and bar; None without one.
    """
    if order.outcome == "match":
        return order
    for one in told.explained:
        if one.model == model and one.kind == order.outcome and one.start <= order.bar < one.end:
            return replace(order, outcome="explained", why=one.reason)
    if line is None:
        return order
    if line.close is not None and abs(line.close / decision.close - 1.0) > _SAME_CLOSE:
        return replace(order, why=f"the trader saw a close {line.close / decision.close - 1.0:+.2%} off")
    if line.action != decision.action:
        return replace(order, why=f"the trader decided {line.action}, the judged bytes {decision.action}")
    if order.outcome != "missing" or line.sent:
        return order
    why = _AMOUNT.sub("#", line.why)  # a broker's words quote what the account has
    if line.code is not None:
        return replace(order, outcome="refused", why=f"refused with {line.code}{f': {why}' if why else ''}")
    return replace(order, outcome="explained", why=why) if why else order


def compare_exit(decision: Decision, held: float, sent: Sent, cause: str, *, certain: bool) -> WatchedOrder | None:
    """Hold an order within a bar against the profile's stop or target.

    Args:
        held: units, signed, that are held in the bar.
        cause: ``stop_loss`` or ``take_profit`` where the bar reaches one; empty where it reaches none.
        certain: it reaches it by more than prices of two feeds differ.
    """
    actual = sent.filled
    if (churned := _churned(decision, sent, actual, -held if cause else 0.0)) is not None:
        return churned
    if not cause:
        extra = WatchedOrder(decision.bar, 0.0, decision.share(actual), "extra", "within the bar")
        return extra if actual else None
    if not actual:
        missing = WatchedOrder(decision.bar, decision.share(-held), 0.0, "missing", cause)
        return missing if certain else None
    outcome: Mismatch | None = None
    if actual * held > 0.0:
        outcome = "other_side"
    elif abs(-actual / held - 1.0) > _SIZE:
        outcome = "other_size"
    return WatchedOrder(decision.bar, decision.share(-held), decision.share(actual), outcome or "match", cause)


def foreign_order(decision: Decision, chain: Chain) -> WatchedOrder | None:
    """An order of nobody in force in the model's symbol, at the bar in which it was sent; None where it did nothing."""
    if chain.filled == 0.0:
        return None
    return WatchedOrder(decision.bar, 0.0, decision.share(chain.filled), "foreign")


def uncovered(order: WatchedOrder) -> tuple[float, float]:
    """Notional of an order as a fraction of equity, and as much of it as neither match nor explanation covers."""
    whole = max(abs(order.expected), abs(order.actual))
    if order.outcome in {"match", "partial", "explained"}:
        return whole, 0.0
    return whole, whole if order.outcome == "late" else min(whole, abs(order.actual - order.expected))


def journal_of(lines: Sequence[JournalLine], model: str, sha256: str) -> Mapping[int, JournalLine]:
    """The lines of these very bytes, by bar; of two the first, for what is said later may be said for a purpose."""
    return {line.bar: line for line in reversed(lines) if line.model == model and line.sha256 == sha256}


def _units(chain: Chain, close: float) -> float:
    """Units that an order asked for; of one that replaced others, at least what all of them filled."""
    order = chain.last
    asked = order.quantity if order.quantity is not None else (order.notional or 0.0) / close
    return max(asked, abs(chain.filled))
