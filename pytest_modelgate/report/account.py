"""What an account did with a model, on its sheet: findings, figures, curves, orders, costs, what speaks for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pytest_modelgate.adapters.drawing.accounts import ACCOUNT, Curves, Mark, draw_account, draw_costs, draw_odds
from pytest_modelgate.adapters.verdict.schema import PaperPart
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.watching.evidence import WatchedOrder, WatchEvidence
from pytest_modelgate.core.watching.findings import odds_text
from pytest_modelgate.core.watching.skill import against_claim, claim_of, for_skill, standardised
from pytest_modelgate.report.embedded import Series, chart_json, thinned_rows
from pytest_modelgate.report.formats import basis_points, day, moment, plural, ratio, share, signed, to_float
from pytest_modelgate.report.measured import Measured
from pytest_modelgate.report.pictures import Detail, Picture, drawn

_FINDINGS = {
    "record": "Record",
    "orders": "Orders",
    "costs": "Costs",
    "tracking": "Losses",
    "drift": "Actions",
    "promotion": "What it allows",
}
_LOOKS = {"met": "yes", "waiting": "warn", "alarm": "no", "incomplete": "no"}
_WORDS = {
    "match": "as asked for",
    "missing": "not sent",
    "extra": "not asked for",
    "other_side": "to the other side",
    "other_size": "of another size",
    "late": "late",
    "refused": "refused by the broker",
    "partial": "filled in part",
    "explained": "explained",
    "foreign": "by somebody else",
}
_ROWS = 30


def account_of(
    part: PaperPart, watched: WatchEvidence | None, measured: Measured | None, profile: Profile, detail: Detail
) -> dict[str, Any]:
    """What the template of a sheet needs.

    Args:
        watched: the evidence; None where it is not there.
        measured: of the walk-forward, with which the record is compared.
    """
    return {
        "findings": [(_FINDINGS[item.name], item.status, _LOOKS[item.status], item.sentence) for item in part.findings],
        "figures": [row for row in _figures(part) if row[2]] if part.since else [],
        "pictures": _pictures(part, watched, measured, profile, detail) if watched and watched.bars else [],
        "wrong": _wrong(watched.orders) if watched else [],
        "left_out": _left_out(watched.orders) if watched else "",
    }


def _figures(part: PaperPart) -> list[tuple[str, str, str]]:
    """Title, glossary term, text."""
    made, simulated = to_float(part.account_return), to_float(part.simulated_return)
    return [
        ("Account", "account", f"{part.kind} {part.account}"),
        ("In force since", "", part.since[:16].replace("T", " ")),
        ("Compared", "", f"{plural(part.days, 'day')}, {plural(part.bars, 'bar')}"),
        ("Orders", "", f"{sum(part.orders.values()):,}"),
        *(
            (f"\u2003{_WORDS.get(kind, kind)}", "", f"{count:,}")
            for kind, count in sorted(part.orders.items(), key=lambda item: -item[1])
        ),
        ("Account made", "", signed(made)),
        ("Simulation made", "", signed(simulated)),
        ("Slippage of fills, mean", "", basis_points(to_float(part.slippage))),
        ("Fees", "", basis_points(to_float(part.fees) if part.orders else math.nan)),
        ("Assumed, both", "", basis_points(to_float(part.assumed_cost))),
        ("Unaccounted for", "closure", share(to_float(part.closure), 2)),
        ("For skill", "odds", _odds(part.evidence_for)),
        ("Against the claim", "odds", _odds(part.evidence_against)),
        ("Claimed excess Sharpe", "", ratio(to_float(part.claim))),
    ]


def _odds(figure: float | str | None) -> str:
    value = to_float(figure)
    return "" if math.isnan(value) else odds_text(value)


def _pictures(
    part: PaperPart, watched: WatchEvidence, measured: Measured | None, profile: Profile, detail: Detail
) -> list[Picture]:
    found = [_curves(watched, detail), _costs(part, watched, profile), _progress(watched, measured, profile)]
    return [picture for picture in found if picture]


def _curves(watched: WatchEvidence, detail: Detail) -> Picture:
    times = np.array(watched.times, dtype=np.int64)
    count = len(times)
    account, simulated = (_returns(curve, count) for curve in (watched.curve, watched.simulated_curve))
    price = np.array(watched.price, dtype=np.float64)
    orders = [_marked(order, times, price) for order in watched.orders]
    kept = thinned_rows(count, detail.points)
    chart = chart_json(
        times[kept],
        (
            Series("account", account[kept], "model"),
            Series("simulation", simulated[kept], "equal"),
            Series("price", price[kept], "market", "ratio", 1),
        ),
        ACCOUNT,
    )
    matched = sum(order.kind == "match" for order in orders)
    wrong = sum(order.kind == "wrong" for order in orders)
    alt = (
        f"What the account did with {watched.model}, {day(times[0])} to {day(times[-1])}: it ends at "
        f"{signed(account[-1])}, the simulation on the same bars at {signed(simulated[-1])}. Below the price, with "
        f"{plural(matched, 'order')} as asked for and {wrong} that went wrong."
    )
    keys = [("model", f"account {signed(account[-1])}"), ("simulated", f"simulation {signed(simulated[-1])}")]
    keys += [("close", "price"), ("long", "bought"), ("short", "sold"), ("exit", "went wrong")]
    keys += [("peak", "explained")] if any(order.kind == "explained" for order in orders) else []
    rows = [
        (moment(times[row]), signed(account[row]), signed(simulated[row]), ratio(price[row], 4))
        for row in thinned_rows(count, _ROWS)
    ]
    svg = drawn(lambda: draw_account(Curves(times, account, simulated, price), orders, alt))
    columns = ("UTC", "account", "simulation", "price, of the first")
    return Picture("account", "Account and simulation", tuple(keys), svg, alt, columns, rows, "", chart)


def _returns(curve: Sequence[float], count: int) -> Any:  # noqa: ANN401 - an array
    """Returns since the start at every bar; NaN where nothing tells."""
    known = np.array(curve[:count], dtype=np.float64) - 1.0
    return np.concatenate([known, np.full(count - len(known), np.nan)])


def _marked(order: WatchedOrder, times: Any, price: Any) -> Mark:  # noqa: ANN401 - arrays
    row = min(len(times) - 1, max(0, int(times.searchsorted(order.bar))))
    asked = order.expected or order.actual
    kind = order.outcome if order.outcome in ("match", "explained") else "wrong"
    return Mark(order.bar, float(price[row]), 1 if asked > 0.0 else -1, kind)


def _costs(part: PaperPart, watched: WatchEvidence, profile: Profile) -> Picture | None:
    filled = [(order.bar, order.slippage) for order in watched.orders if order.slippage is not None]
    if len(filled) < 2:
        return None
    times = np.array([bar for bar, _ in filled], dtype=np.int64)
    costs = np.array([slippage for _, slippage in filled], dtype=np.float64) + watched.fees.realised
    multiple = min(profile.watch.cost_multiple, profile.proofs.cost_multiple)
    borne, assumed = multiple * watched.assumed_cost, watched.assumed_cost
    dearer = int((costs > borne).sum())
    alt = (
        f"Cost of {plural(len(filled), 'filled order')} of {watched.model}, slippage and "
        f"{basis_points(to_float(part.fees))} of fees: on average {basis_points(float(costs.mean()))}, assumed "
        f"{basis_points(assumed)}, borne {basis_points(borne)}; {dearer} cost more than that."
    )
    svg = drawn(lambda: draw_costs(times, costs, assumed, borne, alt))
    keys = (
        ("dot", f"an order, mean {basis_points(float(costs.mean()))}"),
        ("simulated", f"assumed {basis_points(assumed)}"),
        ("review", f"borne {basis_points(borne)}"),
    )
    rows = [(moment(times[row]), basis_points(float(costs[row]))) for row in thinned_rows(len(times), _ROWS)]
    return Picture("account-costs", "Costs of orders", keys, svg, alt, ("decided, UTC", "cost"), rows)


def _progress(watched: WatchEvidence, measured: Measured | None, profile: Profile) -> Picture | None:
    """What speaks for skill, and against the claim, after each day."""
    if measured is None or len(watched.days) < 2:
        return None
    claim = claim_of(measured.attribution, measured.bars_per_year, watched.days_per_year)
    if not claim.deviation > 0.0:
        return None
    times = np.array([item.day for item in watched.days], dtype=np.int64)
    gains = np.array([item.timing for item in watched.days])
    odds = for_skill(gains, claim.deviation, watched.days_per_year)
    against = against_claim(standardised(gains, claim.deviation), claim.sharpe, watched.days_per_year)
    needed = profile.watch.evidence
    alt = (
        f"Evidence for the skill of {watched.model} after each of {len(watched.days)} days: "
        f"{odds_text(float(odds[-1]))} on the last, {odds_text(float(odds.max()))} at most; {needed:g} : 1 is enough "
        f"for LIVE. Against the claim of {ratio(claim.sharpe)}: {odds_text(float(against[-1]))}."
    )
    svg = drawn(lambda: draw_odds(times, odds, against, needed, alt))
    keys = (
        ("model", f"for skill {odds_text(float(odds[-1]))}"),
        ("against", f"against the claim {odds_text(float(against[-1]))}"),
        ("enough", f"enough, {needed:g} : 1"),
    )
    shown = thinned_rows(len(times), _ROWS)
    rows = [(day(times[row]), odds_text(float(odds[row])), odds_text(float(against[row]))) for row in shown]
    return Picture("account-odds", "What speaks for a skill", keys, svg, alt, ("day", "for", "against"), rows)


def _wrong(orders: Sequence[WatchedOrder]) -> list[tuple[str, ...]]:
    """The last orders that were not as asked for: bar, what happened, asked and sent, and why."""
    return [
        (
            moment(order.bar),
            _WORDS[order.outcome],
            signed(order.expected) if order.expected else "nothing",
            signed(order.actual) if order.actual else "nothing",
            order.why,
        )
        for order in _not_matching(orders)[-_ROWS:]
    ]


def _left_out(orders: Sequence[WatchedOrder]) -> str:
    more = len(_not_matching(orders)) - _ROWS
    return f"{more:,} older ones are left out." if more > 0 else ""


def _not_matching(orders: Sequence[WatchedOrder]) -> list[WatchedOrder]:
    return [order for order in orders if order.outcome != "match"]
