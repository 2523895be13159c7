"""Scrubbing: what of a trading account is kept in a cassette, which others will read."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_modelgate.core.watching.order_ids import parse_order_id
from pytest_modelgate.errors import AccountError

Row = Mapping[str, Any]
_NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,30})?([eE][+-]?\d{1,3})?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d))?")
_WORD = re.compile(r"[A-Za-z_]{1,32}")
_SYMBOL = re.compile(r"[A-Z0-9.]{1,20}(/[A-Z0-9]{1,10})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_FIELD_NAME = re.compile(r"[a-z0-9_]{1,40}")
_DIGITS_ONLY = re.compile(r"\d+")
_SHORTEST = 4  # of what is looked for in a text: less would be found in any
_ORDER = {
    **dict.fromkeys(("qty", "notional", "filled_qty", "filled_avg_price", "limit_price", "stop_price"), _NUMBER),
    **dict.fromkeys(("created_at", "submitted_at", "filled_at", "expired_at"), _MOMENT),
    **dict.fromkeys(("canceled_at", "failed_at", "replaced_at"), _MOMENT),
    **dict.fromkeys(("order_class", "type", "side", "time_in_force", "status"), _WORD),
    "symbol": _SYMBOL,
}
_ACTIVITY = {
    **dict.fromkeys(("price", "qty", "net_amount"), _NUMBER),
    **dict.fromkeys(("transaction_time", "created_at", "date"), _MOMENT),
    **dict.fromkeys(("activity_type", "type", "side", "status"), _WORD),
    "symbol": _SYMBOL,
}
_POSITION = {"symbol": _SYMBOL, "qty": _NUMBER, "side": _WORD}
_ACCOUNT = {"equity": _NUMBER, "cash": _NUMBER, "created_at": _MOMENT}
_IDS = {"order": ("id", "replaces"), "activity": ("id", "order_id"), "position": (), "account": ()}
_KEPT = {"order": _ORDER, "activity": _ACTIVITY, "position": _POSITION, "account": _ACCOUNT}
# Fields that Alpaca documents and nobody needs; what is in neither list is told of as unknown.
_LEFT_OUT = {
    "order": "updated_at replaced_by asset_id asset_class order_type trail_percent trail_price hwm subtag source "
    "extended_hours position_intent expires_at commission ratio_qty client_order_id legs",
    "activity": "leaves_qty cum_qty order_status description per_share_amount activity_sub_type account_id "
    "execution_id group_id cusip swap_rate",
    "position": "asset_id exchange asset_class asset_marginable qty_available avg_entry_price avg_entry_swap_rate "
    "market_value cost_basis unrealized_pl unrealized_plpc unrealized_intraday_pl unrealized_intraday_plpc "
    "current_price lastday_price change_today swap_rate usd",
    "account": "id account_number status crypto_status options_approved_level options_trading_level currency "
    "buying_power regt_buying_power daytrading_buying_power effective_buying_power non_marginable_buying_power "
    "options_buying_power bod_dtbp accrued_fees pending_transfer_in pending_transfer_out pending_reg_taf_fees "
    "portfolio_value pattern_day_trader trading_blocked transfers_blocked account_blocked trade_suspended_by_user "
    "multiplier shorting_enabled last_equity long_market_value short_market_value position_market_value "
    "initial_margin maintenance_margin last_maintenance_margin sma daytrade_count balance_asof crypto_tier "
    "intraday_adjustments admin_configurations user_configurations",
}


class Pseudonyms:
    """Names that stand for what an account's own id is the key to: nobody tells one from the other without it."""

    def __init__(self, account_id: str) -> None:
        self._key = account_id.encode()
        self.account8: str = self.of("account")[:8]

    def of(self, text: str) -> str:
        """Sixteen hexadecimal digits that stand for a text."""
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:16]

    def without_ids(self, text: str) -> str:
        """A text in which every UUID is replaced by eight digits that stand for it."""
        return _UUID.sub(lambda match: self.of(match[0].lower())[:8], text)


@dataclass
class Conformance:
    """What a service sent: names of fields and words, without any value.

    Attributes:
        fields: seen, by kind of row; ``unknown`` are those that Alpaca does not document, ``odd`` those whose value is
            nothing that such a field holds, which is left out.
        statuses: words for the state of an order.
    """

    fields: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    unknown: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    odd: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    statuses: set[str] = field(default_factory=set)

    def lines(self, secrets: Sequence[str] = ()) -> tuple[str, ...]:
        """The list, a line for each kind of row and finding, in which no secret is spelled."""
        lines = [f"{kind}: fields {', '.join(sorted(names))}" for kind, names in sorted(self.fields.items())]
        lines += [f"{kind}: unknown fields {', '.join(sorted(n))}" for kind, n in sorted(self.unknown.items()) if n]
        lines += [f"{kind}: odd values of {', '.join(sorted(n))}" for kind, n in sorted(self.odd.items()) if n]
        lines += [f"order: statuses {', '.join(sorted(self.statuses))}"] if self.statuses else []
        for pattern in _spellings(secrets):
            lines = [pattern.sub("(hidden)", line) for line in lines]
        return tuple(lines)


@dataclass(frozen=True)
class Scrubber:
    """Makes rows fit for a cassette.

    Attributes:
        pseudonyms: of the account.
        owner: the model whose order bears a ``client_order_id``, as the user says; None for none.
        seen: is told what came.
    """

    pseudonyms: Pseudonyms
    owner: Callable[[str], str | None] = lambda _: None
    seen: Conformance = field(default_factory=Conformance)

    def orders(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """Orders with their legs."""
        return [self._order(row) for row in rows]

    def activities(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """Fills and fees; whatever else was sent is left out."""
        return [self._row("activity", row) for row in rows if row.get("activity_type") in {"FILL", "CFEE", "FEE"}]

    def positions(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """Symbols and quantities."""
        return [self._row("position", row) for row in rows]

    def account(self, row: Row) -> dict[str, Any]:
        """Equity, cash, and since when it is."""
        return self._row("account", row)

    def _order(self, row: Row) -> dict[str, Any]:
        kept = self._row("order", row)
        self.seen.statuses.add(kept.get("status", "none"))
        if isinstance(name := row.get("client_order_id"), str):
            kept["client_order_id"] = self._client_order_id(name)
        legs = row.get("legs")
        if isinstance(legs, list):
            kept["legs"] = [self._order(leg) for leg in legs if isinstance(leg, dict)]
        return kept

    def _client_order_id(self, text: str) -> str:
        if parse_order_id(text) is not None:
            return text
        owner, pseudonym = self.owner(text), self.pseudonyms.of(text)[:8]
        return f"map.{owner}.{pseudonym}" if owner else f"other-{pseudonym}"

    def _row(self, kind: str, row: Row) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        known = {*_KEPT[kind], *_IDS[kind], *_LEFT_OUT[kind].split()}
        for name, value in row.items():
            shown = name if _FIELD_NAME.fullmatch(name) and not _UUID.search(name) else "(one of an odd name)"
            self.seen.fields[kind].add(shown)
            if name not in known:
                self.seen.unknown[kind].add(shown)
            if value is None or value == "":
                continue
            if name in _IDS[kind]:
                kept[name] = self.pseudonyms.of(str(value))
            elif pattern := _KEPT[kind].get(name):
                text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
                if pattern.fullmatch(text):
                    kept[name] = text
                else:
                    self.seen.odd[kind].add(shown)
        return kept


def refuse_secrets(where: str, texts: Iterable[str], secrets: Sequence[str]) -> None:
    """Refuse to keep what holds a secret in spite of all.

    Args:
        texts: what would be written.
        secrets: keys, and what names the account.

    Raises:
        AccountError: one of them is in a text.
    """
    patterns = _spellings(secrets)
    if any(pattern.search(text) for text in texts for pattern in patterns):
        problem = "would have held one of your keys, or the account's number or id, so it was not written"
        raise AccountError(where, problem, "Have the trader write none of them into its orders and journal")


def _spellings(secrets: Sequence[str]) -> list[re.Pattern[str]]:
    return [_spelled(secret) for secret in secrets if len(secret) >= _SHORTEST]


def _spelled(secret: str) -> re.Pattern[str]:
    """A secret however JSON spells it; of digits alone only where it is no part of a number."""
    inner = re.escape(json.dumps(secret)[1:-1])
    return re.compile(rf"(?<![\d.]){inner}(?![\d.])" if _DIGITS_ONLY.fullmatch(secret) else inner, re.IGNORECASE)
