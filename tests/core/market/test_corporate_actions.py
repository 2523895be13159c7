"""Since when a symbol is its company's own, from what is known of names."""

from __future__ import annotations

from datetime import date

import pytest

from pytest_modelgate.core.market.corporate_actions import ActionKind, CorporateAction, company_history

UNTIL = date(2022, 12, 30)
FUND = CorporateAction(date(2022, 1, 31), ActionKind.RENAME, "META", "METV", same_security=True)
FACEBOOK = CorporateAction(date(2022, 6, 9), ActionKind.RENAME, "FB", "META", same_security=True)
DIVIDEND = CorporateAction(date(2022, 3, 1), ActionKind.CASH_DIVIDEND, "FB", dollars=1.0)
OF_THE_FUND = CorporateAction(date(2022, 1, 3), ActionKind.CASH_DIVIDEND, "META", dollars=1.0)


def test_a_name_is_followed_back_and_another_company_of_that_name_is_not() -> None:
    history = company_history("META", [FUND, OF_THE_FUND, FACEBOOK, DIVIDEND], UNTIL)

    assert (history.names, history.since) == (("META", "FB"), None)
    assert history.actions == (DIVIDEND, FACEBOOK)


def test_a_symbol_that_was_given_up_is_its_next_bearers_from_then_on() -> None:
    history = company_history("META", [FUND, OF_THE_FUND], UNTIL)

    assert (history.since, history.actions) == (FUND.day, (FUND,))
    assert history.why == "until 2022-01-31 META meant what has been METV since"


def test_given_up_and_taken_on_one_day_is_one_change() -> None:
    given = CorporateAction(FACEBOOK.day, ActionKind.RENAME, "META", "METV", same_security=True)

    assert company_history("META", [given, FACEBOOK], UNTIL).since is None


def test_what_is_not_yet_in_force_is_not_known() -> None:
    assert company_history("META", [FACEBOOK], date(2022, 6, 8)).names == ("META",)


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (
            CorporateAction(date(2022, 5, 2), ActionKind.RENAME, "IPOE", "SOFI"),
            "SOFI was called IPOE before 2022-05-02, as another security",
        ),
        (
            CorporateAction(date(2022, 5, 2), ActionKind.UNIT_SPLIT, "SOFIU", "SOFI"),
            "SOFI was units of SOFIU before 2022-05-02, as another security",
        ),
        (
            CorporateAction(date(2022, 5, 2), ActionKind.MERGER, "SOFI", "BIG"),
            "the company called SOFI until 2022-05-02 was merged into BIG",
        ),
        (
            CorporateAction(date(2022, 5, 2), ActionKind.REMOVAL, "SOFI"),
            "the shares called SOFI until 2022-05-02 were redeemed or became worthless",
        ),
    ],
)
def test_a_sentence_names_both_and_the_day(action: CorporateAction, why: str) -> None:
    history = company_history("SOFI", [action], UNTIL)

    assert (history.since, history.why) == (action.day, why)


def test_whoever_acquires_stays_itself() -> None:
    bought = CorporateAction(date(2022, 5, 2), ActionKind.MERGER, "SMALL", "SOFI")

    assert company_history("SOFI", [bought], UNTIL).since is None
