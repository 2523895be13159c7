"""What the figures rest on: costs, sizes, fills, prices; and what the reader has to know before believing them."""

from __future__ import annotations

from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.report.facts import PageFacts
from pytest_modelgate.report.formats import basis_points, share
from pytest_modelgate.report.generated import GENERATED

_COSTS = ("fee", "slippage")


def assumptions(verdict: Verdict, profile: Profile, accounts: str) -> list[tuple[str, str]]:
    """Assumptions in force, as titles and texts."""
    trading, rules, settings = profile.trading, profile.execution, verdict.settings
    costs = {"crypto": trading.crypto, "stocks": trading.us_equity}
    said = (
        (rules.min_confidence, f"actions count from a confidence of {share(rules.min_confidence, 0)}"),
        (rules.stop_loss, f"stop at \u2212{share(rules.stop_loss)} of the entry"),
        (rules.take_profit, f"target at +{share(rules.take_profit)} of the entry"),
    )
    executed = ", ".join(text for value, text in said if value)
    size = trading.position_size * (1.0 - trading.cash_buffer)
    fees, slips = (
        ", ".join(f"{basis_points(getattr(c, name))} for {of}" for of, c in costs.items()) for name in _COSTS
    )
    beyond = f"{share(trading.position_size, 0)} of what is beyond the cash buffer of {share(trading.cash_buffer, 0)}"
    stocks = f"feed {settings['feed']}, adjustment {settings['adjustment']}, {settings['sessions']} sessions"
    return [
        ("Fees", f"{fees}, on every fill"),
        ("Slippage", f"{slips}, of the price and against the trader"),
        ("Order size", f"a full order is {share(size)} of equity: {beyond}; at least {trading.min_order_usd:g} USD"),
        ("Cap", f"no order takes a position beyond {share(trading.max_position, 0)} of equity"),
        ("Fills", "decided at a bar's close, filled whole at the next bar's open; flat at the end of every fold"),
        ("Rules of execution", executed or "none: no stops, targets or least confidence"),
        ("Shorts", "crypto none; stocks as the model asks, fractions of a share included"),
        ("Account features", accounts or str(settings.get("account") or "as each archive declares, else neutral")),
        ("Capital", f"{float(str(settings['capital'])):,.0f} USD for each model"),
        ("Stock prices", stocks),
    ]


def judged_on(verdict: Verdict) -> str:
    """The stretch of the market that folds and backtests cover."""
    windows = [
        part for model in verdict.models for part in (*model.folds, *([model.backtest] if model.backtest else []))
    ]
    if not windows:
        return "none was evaluated"
    start, end = min(part.start for part in windows), max(part.end for part in windows)
    return f"{start[:16].replace('T', ' ')} to {end[:16].replace('T', ' ')} UTC"


def remarks(facts: PageFacts) -> list[tuple[str, str]]:
    """What the reader has to know before believing the figures, as titles and texts."""
    verdict, found = facts.verdict, []
    if verdict.complete is not True:
        found.append(("Not complete", verdict.complete))
    made_up = sorted({series.symbol for series in verdict.market_data if series.sha256 in GENERATED})
    if made_up:
        text = f"the prices of {', '.join(made_up)} are made up by the demo's generator. They bear the names of real "
        found.append(("Generated prices", f"{text}symbols, and neither are nor resemble the market of that name."))
    seen = [model.id for model in verdict.models if any(fold.sample != "out-of-sample" for fold in model.folds)]
    if seen:
        text = (
            f"{len(seen)} of {len(verdict.models)} models were judged on folds that are not shown to lie after their "
            "training data. What a model earned on data it was, or may have been, trained on says nothing about new "
            "data."
        )
        found.append(("In-sample warning", text))
    own = sorted({series.source for series in verdict.market_data if series.source})
    if own:
        found.append(("Own bars", f"judged on the user's own bars, not Alpaca's, from {'; '.join(own)}."))
    found += [("Archive", warning) for warning in verdict.archive.warnings]
    for waiver in verdict.waivers:
        answers = f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason.rstrip('.')}"
        found.append(("Waived", f"{waiver.check} of {waiver.model}, {answers}."))
    return [*found, *facts.notes]
