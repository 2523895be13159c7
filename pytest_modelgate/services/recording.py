"""Cassettes from Alpaca: what is missing is fetched, verified by a replay, and put in place whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pytest_modelgate.adapters.alpaca import client as alpaca
from pytest_modelgate.adapters.cassettes import files as cassette_files
from pytest_modelgate.adapters.cassettes import vcr as cassettes
from pytest_modelgate.adapters.cassettes.entries import Entry
from pytest_modelgate.adapters.cassettes.own import own_text
from pytest_modelgate.adapters.exchange_calendar import regular_sessions
from pytest_modelgate.adapters.own_bars import OwnBars
from pytest_modelgate.core.config.settings import RECORDING_MODE, REQUESTS_PER_MINUTE, RecordingMode
from pytest_modelgate.core.market.bars import AssetClass, Bars
from pytest_modelgate.core.market.requests import MarketRequest, Span, cover
from pytest_modelgate.errors import GateError, MarketDataError, SettingsError
from pytest_modelgate.services.action_recording import record_actions
from pytest_modelgate.services.replaying import differences, replay_bars, replay_text

if TYPE_CHECKING:  # pulls in requests, which planning must not pay for
    from pytest_modelgate.adapters.alpaca.transport import RequestPolicy

_TRIES = 5
_OPEN_SINCE_MIDNIGHT = pd.Timedelta(hours=9.5)  # in New York, whose clocks are never changed between the two
_SECONDS_PER_PAGE = 0.2  # what an answer takes, beside waiting for its turn


class Outcome(StrEnum):
    """Outcome of recording a request."""

    KEPT = "kept"
    EXTENDED = "extended"
    RECORDED = "recorded"


@dataclass(frozen=True)
class Recorder:
    """Records market data into a folder; several processes may do so at once.

    Attributes:
        folder: the cassettes.
        environ: where keys and APCA_API_DATA_URL are looked up.
        mode: in vcrpy's words; ``once`` records a request without a cassette, ``new_episodes`` what is missing,
            ``all`` everything anew.
        requests_per_minute: for all processes that record into the folder, together.
        tell: is told of every wait, in a sentence.
        page: is told the starts of the first and the last bar of every page (ISO 8601).
        now: the clock, UTC; of bars it tells which are final, and when they were asked for.
        own: bars of the user's own, for requests that ask for such.
    """

    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    mode: RecordingMode = RECORDING_MODE
    requests_per_minute: float = REQUESTS_PER_MINUTE
    tell: Callable[[str], None] = lambda _: None
    page: Callable[[str, str], None] = lambda _, __: None
    now: Callable[[], pd.Timestamp] = lambda: pd.Timestamp.now("UTC")
    own: OwnBars | None = None

    def missing(self, request: MarketRequest) -> MarketRequest | None:
        """Part of a request that has to be fetched: all of it, what follows the last recording, or nothing (None).

        Raises:
            MarketDataError: the manifest is unusable.
        """
        missing = self._missing(request)
        return missing.request if missing else None

    def _missing(self, request: MarketRequest) -> _Missing | None:
        """As ``missing``, with what is there before it."""
        path = cassette_files.path_of(request)
        if self.mode == "all" or (self.mode == "once" and not (self.folder / path).exists()):
            return _Missing(request)
        entries = [
            entry
            for entry in cassette_files.entries_of(self.folder, request)
            if entry.final(request) and cassette_files.is_intact(self.folder, entry) and not self._outdated(entry)
        ]
        spans = [entry.span for entry in entries]
        if self.mode == "once" or cover(request, spans):
            return None
        if request.grows_only:
            for entry in sorted(entries, key=lambda entry: (entry.last_bar, entry.span), reverse=True):
                if request.first <= entry.last_bar and entry.span.last < request.last:
                    earlier = request.over(Span(entry.span.last, request.first))
                    if cover(earlier, spans):
                        # The last day that is there is asked for once more: it shows whether the past was revised.
                        again = max(request.first, _last_day(request, entry.last_bar))
                        return _Missing(request.over(Span(request.last, again)), earlier)
        return _Missing(request)

    def _outdated(self, entry: Entry) -> bool:
        """Whether a recording is of another file than the one now given; Alpaca's never are."""
        return bool(entry.source and self.own and self.mode != "once" and entry.source != self.own.source)

    def record(self, request: MarketRequest) -> tuple[Outcome, Bars]:
        """Record what is missing of a request; return its bars as they replay, all sessions.

        Of stocks the corporate actions are recorded beside them; what keeps those from being recorded is told only.

        Raises:
            SettingsError: stocks are asked for without keys, or the keys are unusable.
            MarketDataError: the last bar is not final yet, Alpaca did not answer with bars, or the folder cannot be
                written; what was recorded before is as it was.
        """
        with self._alone(request):
            outcome, bars = self._record_bars(request)
            if outcome is not Outcome.KEPT or self.mode != "once":
                record_actions(
                    request,
                    self.folder,
                    self.environ,
                    self._request_policy(),
                    anew=self.mode == "all",
                    now=self.now,
                    tell=self.tell,
                )
            return outcome, bars

    def _record_bars(self, request: MarketRequest) -> tuple[Outcome, Bars]:
        missing = self._missing(request)
        if missing is None:
            return Outcome.KEPT, replay_bars(request, self.folder)
        now = self.now()
        _check_final(request, now)
        outcome = Outcome.EXTENDED if missing.after else Outcome.RECORDED
        text, bars = self._fetch(missing.request)
        if missing.after and self._corrected(missing, bars):
            missing, outcome = _Missing(request), Outcome.RECORDED
            text, bars = self._fetch(request)
        path, facts = cassette_files.path_of(request), _facts(missing, bars, now)
        cassette_files.write_cassette(self.folder, path, text, facts)
        return outcome, replay_bars(request, self.folder)

    def _corrected(self, missing: _Missing, bars: Bars) -> bool:
        """Whether the day that was fetched once more differs from what is recorded of it; if so, it is told."""
        assert missing.after is not None
        earlier, since = replay_bars(missing.after, self.folder), missing.request.first
        changed, compared = differences(earlier.frame, bars.frame, since, missing.after.last)
        if not len(changed):
            return False
        count = f"{len(changed)} of the {compared} bars from {since:%Y-%m-%d %H:%M} UTC on that were recorded before"
        first = f"the first of them {changed[0]:%Y-%m-%d %H:%M} UTC"
        self.tell(f"{missing.request}: Alpaca has revised {count}, {first}, so all of the series is recorded anew")
        return True

    def _fetch(self, request: MarketRequest) -> tuple[str, Bars]:
        """Fetch a request: its recording and its bars, verified by a replay; nothing is written."""
        where = f"cassette {self.folder / cassette_files.path_of(request)}"
        if request.own:
            return self._taken(request, where)
        credentials = alpaca.read_credentials(self.environ)
        if credentials is None and request.instrument.asset_class is AssetClass.EQUITY:
            problem = f"no keys are set, and Alpaca serves {request.instrument.symbol} to known keys only"
            raise SettingsError(alpaca.KEYS_FILE, problem, "Name a file with your keys; crypto needs none")
        secrets = (credentials.key, credentials.secret) if credentials else ()
        with cassettes.record(where, secrets) as recording:
            url = self.environ.get(alpaca.DATA_URL) or None  # a workflow sets what it does not know to nothing
            bars = alpaca.fetch_bars(
                request, credentials=credentials, data_url=url, request_policy=self._request_policy()
            )
        if replay_text(request, recording.text, where).sha256 != bars.sha256:
            raise MarketDataError(
                where, "does not replay what was recorded", "Report this, with the versions of vcrpy and alpaca-py"
            )
        return recording.text, bars

    def _taken(self, request: MarketRequest, where: str) -> tuple[str, Bars]:
        """As ``_fetch``, from the user's own file."""
        if self.own is None:
            problem = "not recorded, and Alpaca is not asked for bars of your own"
            remedy = "Record them from their file: modelgate record ARCHIVE --from FILE"
            raise MarketDataError(f"market data of {request}", problem, remedy)
        bars = self.own.bars(request)
        text = own_text(bars)
        if replay_text(request, text, where).sha256 != bars.sha256:
            raise MarketDataError(where, "does not replay what was recorded", "Report this")
        return text, bars

    def _request_policy(self) -> RequestPolicy:
        from pytest_modelgate.adapters.alpaca.transport import RateLimiter, RequestPolicy

        limiter = RateLimiter(cassette_files.work_folder(self.folder), 60.0 / self.requests_per_minute)
        return RequestPolicy(limiter=limiter, tries=_TRIES, tell=self.tell, page=self.page)

    @contextmanager
    def _alone(self, request: MarketRequest) -> Iterator[None]:
        """Let one process at a time record a series; the others then find it complete."""
        from filelock import FileLock

        try:
            lock = FileLock(cassette_files.work_folder(self.folder) / cassette_files.series_lock_name(request))
            lock.acquire()
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise MarketDataError(
                f"folder {self.folder}", problem, "Check its permissions and the free space"
            ) from None
        try:
            cassette_files.settle(self.folder, request)
            yield
        finally:
            lock.release()


def record_each(
    recorder: Recorder, requests: Sequence[MarketRequest]
) -> Iterator[tuple[MarketRequest, tuple[Outcome, Bars] | GateError]]:
    """Record requests one after the other; one that fails does not keep the others from being recorded.

    Of requests that share a cassette the longest is recorded, and answers the others.

    Raises:
        SettingsError: what is wrong for one is wrong for all, such as the keys.
    """
    longest, done = _longest(requests), set[MarketRequest]()
    for request in requests:
        try:
            whole = longest[request]
            outcome, bars = (Outcome.KEPT, None) if whole in done else recorder.record(whole)
            done.add(whole)
            if bars is None or whole != request:
                bars = replay_bars(request, recorder.folder)
            yield request, (outcome, bars)
        except SettingsError:
            raise
        except GateError as error:
            yield request, error


def estimate(recorder: Recorder, requests: Sequence[MarketRequest]) -> tuple[list[MarketRequest], float]:
    """Parts of some requests that are missing, and about how many seconds it will take to fetch them."""
    wholes = dict.fromkeys(_longest(requests).values())
    missing = [rest for request in wholes if (rest := recorder.missing(request))]
    pages = sum(request.estimated_pages for request in missing)
    return missing, pages * (60.0 / recorder.requests_per_minute + _SECONDS_PER_PAGE)


def _longest(requests: Sequence[MarketRequest]) -> dict[MarketRequest, MarketRequest]:
    """Of each request the longest that ends alike: cassettes bear the name of their last bar."""
    firsts: dict[str, pd.Timestamp] = {}
    for request in requests:
        path = cassette_files.path_of(request)
        firsts[path] = min(request.first, firsts.get(path, request.first))
    return {request: replace(request, first=firsts[cassette_files.path_of(request)]) for request in requests}


@dataclass(frozen=True)
class _Missing:
    """What has to be fetched.

    Attributes:
        after: what is there and is continued; None where everything is fetched.
    """

    request: MarketRequest
    after: MarketRequest | None = None


def _last_day(request: MarketRequest, last_bar: pd.Timestamp) -> pd.Timestamp:
    """Start of the last day of recorded bars: 24 hours before the last, of stocks midnight before the last session."""
    if request.instrument.asset_class is AssetClass.CRYPTO:
        return last_bar - pd.Timedelta(days=1)
    sessions = regular_sessions(last_bar, last_bar)
    over = int(sessions.closes.searchsorted(last_bar + request.timeframe.delta, side="right"))
    return sessions.opens[over - 1] - _OPEN_SINCE_MIDNIGHT


def _check_final(request: MarketRequest, now: pd.Timestamp) -> None:
    """Refuse to record a bar that is still open, or to which trades may still be added.

    Raises:
        MarketDataError: the last bar is not final yet.
    """
    if now < request.final_at:
        closes, final, now_is = (
            f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (request.closes_at, request.final_at, now)
        )
        problem = f"not recorded, its last bar closes at {closes} and is final from {final} on, now it is {now_is}"
        remedy = "Record it then, or say an earlier moment with --as-of; time stamps of archives are read as UTC"
        raise MarketDataError(f"market data of {request}", problem, remedy)


def _facts(missing: _Missing, bars: Bars, now: pd.Timestamp) -> dict[str, str | int]:
    """Entry of a cassette in the manifest, without its digest."""
    request = missing.request
    facts: dict[str, str | int] = {
        "asked_first": request.first.isoformat(),
        "asked_last": request.last.isoformat(),
        "bars": len(bars),
        "first": bars.index[0].isoformat(),
        "last": bars.index[-1].isoformat(),
        "bars_sha256": bars.sha256,
        "feed": request.feed,
        "adjustment": request.adjustment,
        **({"source": bars.source} if request.own else {"alpaca_py": version("alpaca-py")}),
        "recorded_at": now.floor("s").isoformat(),
    }
    if request.asof:
        facts["asof"] = request.asof
    if missing.after:
        facts["continues"] = missing.after.last.isoformat()
    return facts
