"""The company behind a stock's symbol: what is recorded of it, which bars are its own, what to do about its splits."""

from __future__ import annotations

from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.corporate_actions import CompanyHistory, CorporateAction, company_history
from pytest_modelgate.core.market.quality import Quality
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.sessions import exchange_dates
from pytest_modelgate.errors import MarketDataError
from pytest_modelgate.services.replaying import replay_actions


def company_of(request: MarketRequest, settings: Settings) -> CompanyHistory | None:
    """What is recorded of the company that bears a stock's symbol at the as-of date; None without a recording.

    Raises:
        MarketDataError: the cassette is altered or unusable.
    """
    actions = replay_actions(request, settings.cassettes, settings.record_command)
    if actions is None:
        return None
    return company_history(request.instrument.symbol, actions, request.closes_at.date())


def actions_during(bars: Bars, company: CompanyHistory | None) -> tuple[CorporateAction, ...] | None:
    """The company's actions since its first bar; None without a recording of them."""
    first = exchange_dates(bars.index[:1])[0].date()
    return None if company is None else tuple(action for action in company.actions if action.day >= first)


def cut_to_company(bars: Bars, company: CompanyHistory | None) -> tuple[Bars, list[str]]:
    """The bars of the company itself, and a sentence about those of another that were left out before them, if any.

    Raises:
        MarketDataError: none are its own.
    """
    if company is None or company.since is None:
        return bars, []
    since = exchange_dates(bars.index).searchsorted(company.since.isoformat())
    if since == 0:
        return bars, []
    if since == len(bars):
        where = f"bars of {bars.instrument.symbol} {bars.timeframe}"
        remedy = "Judge the model as of a day on which the company bore the symbol (--gate-as-of), or not at all"
        raise MarketDataError(where, f"{company.why}, and there are no bars from then on", remedy)
    return bars.rows(slice(int(since), len(bars))), [f"{company.why}: its {since} bars of before are left out"]


def against_splits(quality: Quality, adjustment: str, record_command: str) -> str:
    """What to do about prices that were not adjusted, or look like it: nothing that is done already."""
    adjusted = adjustment.split(",")
    splits = any("spin-off" not in split for split in quality.splits)
    if adjustment != "all" and (not splits or "split" not in adjusted):
        return "Record and judge adjusted prices (--adjustment all, --gate-adjustment all)"
    asked = f"Prices were asked for adjusted ({adjustment}), so"
    allow = "max_splits in the profile's [market_data] allows for it"
    if quality.actions_from == "recorded":
        return f"{asked} Alpaca has not adjusted them yet: record again later with --record-mode all; {allow}"
    return (
        f"{asked} look the day up, or have the corporate actions recorded that tell splits from news: "
        f"{record_command}; if it was news, {allow}"
    )
