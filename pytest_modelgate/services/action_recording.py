"""Corporate actions, recorded beside a stock's bars; without them splits are guessed, so a failure is only told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pytest_modelgate.adapters.alpaca import client as alpaca
from pytest_modelgate.adapters.alpaca.actions import fetch_actions
from pytest_modelgate.adapters.cassettes import files as cassette_files
from pytest_modelgate.adapters.cassettes import vcr as cassettes
from pytest_modelgate.core.market.corporate_actions import ActionsRequest, actions_request
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.errors import GateError, MarketDataError
from pytest_modelgate.services.replaying import replay_actions_text

if TYPE_CHECKING:  # pulls in requests, which planning must not pay for
    from pytest_modelgate.adapters.alpaca.transport import RequestPolicy


def record_actions(
    request: MarketRequest,
    folder: Path,
    environ: Mapping[str, str],
    request_policy: RequestPolicy,
    *,
    anew: bool,
    now: Callable[[], pd.Timestamp],
    tell: Callable[[str], None],
) -> None:
    """Record the corporate actions of a stock's company, verified by a replay, unless they are there.

    Args:
        request: for the bars they belong to.
        environ: where keys and APCA_API_DATA_URL are looked up.
        anew: also where they are there.
        now: the clock, UTC.
        tell: is told why there are none; nothing is raised, for bars are judged without them too.
    """
    asked = actions_request(request)
    if asked is None:
        return
    try:
        entry = cassette_files.actions_entry(folder, asked)
        if anew or entry is None or not cassette_files.is_intact(folder, entry):
            _record(asked, folder, environ, request_policy, now())
    except GateError as error:
        tell(f"{asked}: not recorded, so splits can only be guessed: {error.problem}")


def _record(
    request: ActionsRequest,
    folder: Path,
    environ: Mapping[str, str],
    request_policy: RequestPolicy,
    now: pd.Timestamp,
) -> None:
    name = cassette_files.actions_path(request)
    where = f"cassette {folder / name}"
    credentials = alpaca.read_credentials(environ)
    if credentials is None:
        problem = "no keys are set, and Alpaca lists them to known keys only"
        raise MarketDataError(where, problem, f"Name a file with your keys in {alpaca.KEYS_FILE}")
    with cassettes.record(where, (credentials.key, credentials.secret)) as recording:
        url = environ.get(alpaca.DATA_URL) or None  # a workflow sets what it does not know to nothing
        actions = fetch_actions(request, credentials=credentials, data_url=url, request_policy=request_policy)
    if replay_actions_text(request, recording.text, where) != actions:
        raise MarketDataError(
            where, "does not replay what was recorded", "Report this, with the versions of vcrpy and alpaca-py"
        )
    facts = {
        "asked_first": request.first.isoformat(),
        "asked_last": request.last.isoformat(),
        "asof": request.until.isoformat(),
        "actions": len(actions),
        "alpaca_py": version("alpaca-py"),
        "recorded_at": now.floor("s").isoformat(),
    }
    cassette_files.write_cassette(folder, name, recording.text, facts)
