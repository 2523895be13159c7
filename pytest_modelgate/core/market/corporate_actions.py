"""What happened to a company's shares: splits, dividends, other names; and since when a symbol is its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from pytest_modelgate.core.market.bars import AssetClass
from pytest_modelgate.core.market.requests import MarketRequest

# Alpaca lists by the day on which an action was booked: that of a dividend comes weeks after its ex-date.
_BOOKED_BEFORE, _BOOKED_AFTER = timedelta(days=7), timedelta(days=60)


class ActionKind(StrEnum):
    """Kinds of corporate actions, in the words of messages."""

    SPLIT = "split"
    STOCK_DIVIDEND = "stock dividend"
    CASH_DIVIDEND = "cash dividend"
    SPIN_OFF = "spin-off"
    RIGHTS = "rights distribution"
    RENAME = "change of name"
    UNIT_SPLIT = "unit split"
    MERGER = "merger"
    REMOVAL = "removal"


_COVERED_BY = {
    ActionKind.SPLIT: "split",
    ActionKind.STOCK_DIVIDEND: "split",  # in substance it is one
    ActionKind.CASH_DIVIDEND: "dividend",
    ActionKind.SPIN_OFF: "spin-off",
}


@dataclass(frozen=True, order=True)
class CorporateAction:
    """One action.

    Attributes:
        day: New York date from which on it shows: the ex-date; of names and mergers the day they take effect.
        symbol: whose shares: of a change of name the old symbol, of a merger the company that ends.
        other: the new symbol, that of what was spun off, or of the acquirer; empty where there is none.
        new, old: of a split, that many shares for so many; of a stock dividend shares per share and 1.
        dollars: of a cash dividend, USD per share.
        same_security: of a change of name, whether the number of the security (CUSIP) stayed.
    """

    day: date
    kind: ActionKind
    symbol: str
    other: str = ""
    new: float = 0.0
    old: float = 1.0
    dollars: float = 0.0
    same_security: bool = False

    def __str__(self) -> str:
        return f"{self.what} of {self.day}"

    @property
    def what(self) -> str:
        """The action without its day: ``5:4 split``, ``spin-off GEV``."""
        if self.kind is ActionKind.SPLIT:
            return f"{self.new:g}:{self.old:g} split"
        if self.kind is ActionKind.STOCK_DIVIDEND:
            return f"stock dividend ({self.new:g} per share)"
        if self.kind is ActionKind.CASH_DIVIDEND:
            return f"cash dividend ({self.dollars:g} USD)"
        if self.kind is ActionKind.RENAME:
            return f"change of name from {self.symbol} to {self.other}"
        return f"{self.kind} {self.other}".rstrip()

    @property
    def price_ratio(self) -> float | None:
        """Price before over price after, by itself, in prices that are not adjusted; None where rates do not tell."""
        if self.kind is ActionKind.SPLIT:
            return self.new / self.old
        return 1.0 + self.new if self.kind is ActionKind.STOCK_DIVIDEND else None

    def covered_by(self, adjustment: str) -> bool:
        """Whether prices of an adjustment, in Alpaca's words, should not show it."""
        return adjustment == "all" or _COVERED_BY.get(self.kind) in adjustment.split(",")


@dataclass(frozen=True)
class CompanyHistory:
    """What is known of the company that bears a symbol on some day.

    Attributes:
        actions: its own, by day.
        names: the symbols it bore, the latest first.
        since: New York date from which on the bars are its own; None where nothing says that they are not.
        why: a sentence about that day; empty without one.
    """

    actions: tuple[CorporateAction, ...]
    names: tuple[str, ...]
    since: date | None = None
    why: str = ""


def company_history(symbol: str, actions: Sequence[CorporateAction], until: date) -> CompanyHistory:
    """Walk back from the day on which a symbol is meant, from name to name, to where another company bore it.

    A change of name that leaves the security's number is the same company, whose bars Alpaca serves under the name it
    has as of the day it is asked for. With another number, or none that is told, nothing says that it is the same.

    Args:
        until: the last day that counts: what was not yet in force is nobody's knowledge.
    """
    own: list[CorporateAction] = []
    names = [symbol]

    def ended(action: CorporateAction, why: str) -> CompanyHistory:
        return CompanyHistory((action, *reversed(own)), tuple(names), action.day, why)

    # On one day the symbol is first given up by one company, then taken by the other: backwards, taken comes first.
    for action in sorted(actions, key=lambda action: (action.day, action.other == symbol, action), reverse=True):
        name = names[-1]
        if action.day > until or action.symbol == action.other or name not in (action.symbol, action.other):
            continue
        if action.kind in (ActionKind.RENAME, ActionKind.UNIT_SPLIT):
            if action.other == name and action.same_security:
                own.append(action)
                names.append(action.symbol)
            elif action.other == name:
                how = "units of" if action.kind is ActionKind.UNIT_SPLIT else "called"
                why = f"{name} was {how} {action.symbol} before {action.day}, as another security"
                return ended(action, why)
            else:
                return ended(action, f"until {action.day} {name} meant what has been {action.other} since")
        elif action.symbol == name and action.kind is ActionKind.MERGER:
            into = f" into {action.other}" if action.other else ""
            return ended(action, f"the company called {name} until {action.day} was merged{into}")
        elif action.symbol == name and action.kind is ActionKind.REMOVAL:
            return ended(action, f"the shares called {name} until {action.day} were redeemed or became worthless")
        elif action.symbol == name:
            own.append(action)
    return CompanyHistory(tuple(reversed(own)), tuple(names))


@dataclass(frozen=True)
class ActionsRequest:
    """The corporate actions of a stock.

    Attributes:
        symbol: as it is meant on the last day.
        first, last: days on which they were booked, both inclusive.
        until: the last day on which they may have taken effect: the as-of date, UTC.
    """

    symbol: str
    first: date
    last: date
    until: date

    def __str__(self) -> str:
        return f"corporate actions of {self.symbol} from {self.first} to {self.until}"

    def covers(self, other: ActionsRequest) -> bool:
        """Whether its answer holds that of another."""
        return (self.symbol, self.last, self.until) == (other.symbol, other.last, other.until) and (
            self.first <= other.first
        )


def actions_request(request: MarketRequest) -> ActionsRequest | None:
    """The actions that bars are to be held against; None for crypto, which has none."""
    if request.instrument.asset_class is AssetClass.CRYPTO:
        return None
    first, until = request.first.date(), request.closes_at.date()
    return ActionsRequest(request.instrument.symbol, first - _BOOKED_BEFORE, until + _BOOKED_AFTER, until)
