"""Corporate actions from Alpaca, through its own client."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_modelgate.adapters.alpaca.action_rows import all_actions
from pytest_modelgate.adapters.alpaca.client import Credentials, answered, prepare
from pytest_modelgate.core.market.corporate_actions import ActionsRequest, CorporateAction

if TYPE_CHECKING:  # pulls in requests, which a run that replays nothing must not pay for
    from requests import Session

    from pytest_modelgate.adapters.alpaca.transport import Answer, RequestPolicy


def fetch_actions(
    request: ActionsRequest,
    *,
    credentials: Credentials | None,
    data_url: str | None = None,
    request_policy: RequestPolicy | None = None,
    reply: Answer | None = None,
) -> tuple[CorporateAction, ...]:
    """Fetch all corporate actions of a stock, every page of them, by day; also those under names it had before.

    Args, errors: as of ``fetch_bars``.
    """

    def ask(session: Session) -> tuple[CorporateAction, ...]:
        return all_actions(request, lambda name: _question(request, name, credentials, data_url, session)())

    return answered(str(request), ask, credentials, request_policy, reply)


def _question(
    request: ActionsRequest,
    name: str,
    credentials: Credentials | None,
    data_url: str | None,
    session: Session,
) -> Callable[[], Any]:
    """The call that fetches all pages of a name's actions as Alpaca's JSON, by kind."""
    with warnings.catch_warnings():
        # alpaca-py imports a deprecated part of websockets; under -W error that would end the gate.
        warnings.simplefilter("ignore", DeprecationWarning)
        from alpaca.data.historical.corporate_actions import CorporateActionsClient
        from alpaca.data.requests import CorporateActionsRequest

    pair = (credentials.key, credentials.secret) if credentials else ("replay", "replay")
    client = CorporateActionsClient(*pair, raw_data=True, url_override=data_url.rstrip("/") if data_url else None)
    prepare(client, session)
    # With a limit the client would stop there without a word; without one it asks for every page.
    query = CorporateActionsRequest(symbols=[name], start=request.first, end=request.last, limit=None)
    return partial(client.get_corporate_actions, query)
