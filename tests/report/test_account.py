"""The part of a page about an account: made of verdict and evidence, and only where one was asked."""

import re
from dataclasses import replace

import pytest
from support.record_factory import unwatched, watched
from support.report_factory import facts_of, judged, traded

from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.report.formats import moment
from pytest_modelgate.report.page import pieces


def page_of(*judgements: Judgement) -> str:
    return "".join(pieces(facts_of(judgements)))


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(traded("UNIUSD", drift=0.0008, watched=watched()))


@pytest.mark.parametrize("name", ["account", "account-costs", "account-odds"])
def test_there_is_a_picture_that_says_in_words_what_it_shows(page: str, name: str) -> None:
    figure = page[page.index(f'data-chart="{name}"') :]

    assert re.match(r'[^>]*>.*?<svg[^>]*aria-label="[^"]*UNIUSD_1Hour', figure[: figure.index("</figure>")], re.DOTALL)


def test_account_and_simulation_are_named_with_what_they_made(page: str) -> None:
    made = f"{100 * (watched().curve[-1] - 1):+.1f}\u00a0%".replace("-", "\u2212")

    assert f">account {made}<" in page


def test_every_finding_stands_there_with_its_sentence(page: str) -> None:
    judgement = traded("UNIUSD", drift=0.0008, watched=watched())
    assert judgement.watch

    assert [finding.sentence for finding in judgement.watch.findings if finding.sentence not in page] == []


def test_orders_that_went_wrong_are_listed_with_their_bar(page: str) -> None:
    order = next(order for order in watched().orders if order.outcome == "missing")
    row = page[page.index("Orders that were not as asked for") :]

    assert f"{moment(order.bar)}</th><td>not sent</td>" in row[: row.index("</table>")]


def test_what_is_missing_for_live_says_how_far_the_account_is() -> None:
    page = page_of(traded("UNIUSD", drift=0.0008, watched=watched(days=12)))

    assert "account: 10 of 60 orders" in page


def test_a_model_that_no_account_trades_says_so_and_has_no_pictures() -> None:
    page = page_of(traded("UNIUSD", drift=0.0008, watched=unwatched()))

    assert "no model of its name is in force there" in page
    assert 'data-chart="account"' not in page


def test_without_an_account_the_page_has_no_part_about_one() -> None:
    assert "On the account</a></h3>" not in page_of(judged("UNIUSD", drift=0.0008))


def test_a_record_of_no_days_and_no_fills_is_drawn_all_the_same() -> None:
    short = replace(watched(days=1), orders=(), slippage=(), days=(), curve=())

    page = page_of(traded("UNIUSD", drift=0.0008, watched=short))

    assert 'data-chart="account"' in page
    assert 'data-chart="account-costs"' not in page


def test_no_amount_of_the_account_is_on_the_page(page: str) -> None:
    """Shares, basis points and counts: the part about it never says USD."""
    part = page[page.index("Findings on the account") : page.index('<h3 class="mg-page-two">')]

    assert "USD" not in part.replace("UNIUSD", "")
