"""Cassettes from Alpaca: what is missing is fetched, verified by a replay, and put in place whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelgate.adapters.alpaca import client as alpaca
from pytest_modelgate.adapters.cassettes import files as cassette_files
from pytest_modelgate.adapters.cassettes import vcr as cassettes
from pytest_modelgate.core.config.settings import RECORDING_MODE, REQUESTS_PER_MINUTE, RecordingMode
from pytest_modelgate.core.market.bars import AssetClass, Bars
from pytest_modelgate.core.market.requests import MarketRequest, Span, cover
from pytest_modelgate.errors import GateError, MarketDataError, SettingsError
from pytest_modelgate.services.market_data import first_difference, replay_bars, replay_text

if TYPE_CHECKING:  # pulls in requests, which planning must not pay for
    from pytest_modelgate.adapters.alpaca.transport import RequestPolicy

_TRIES = 5
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
    """

    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    mode: RecordingMode = RECORDING_MODE
    requests_per_minute: float = REQUESTS_PER_MINUTE
    tell: Callable[[str], None] = lambda _: None
    page: Callable[[str, str], None] = lambda _, __: None

    def missing(self, request: MarketRequest) -> MarketRequest | None:
        """Part of a request that has to be fetched: all of it, what follows the last recording, or nothing (None).

        Raises:
            MarketDataError: the manifest is unusable.
        """
        path = cassette_files.path_of(request)
        if self.mode == "all" or (self.mode == "once" and not (self.folder / path).exists()):
            return request
        entries = [
            entry
            for entry in cassette_files.entries_of(self.folder, request)
            if cassette_files.is_intact(self.folder, entry)
        ]
        spans = [entry.span for entry in entries]
        if self.mode == "once" or cover(request, spans):
            return None
        if request.grows_only:
            for end in sorted((entry.last_bar for entry in entries), reverse=True):
                if request.first <= end < request.last and cover(request.over(Span(end, request.first)), spans):
                    # The last bar that is there is asked for once more: it shows whether the past was revised.
                    return request.over(Span(request.last, end))
        return request

    def record(self, request: MarketRequest) -> tuple[Outcome, Bars]:
        """Record what is missing of a request; return its bars as they replay, all sessions.

        Raises:
            SettingsError: stocks are asked for without keys, or the keys are unusable.
            MarketDataError: Alpaca did not answer with bars, or the folder cannot be written; what was recorded
                before is as it was.
        """
        with self._alone(request):
            missing = self.missing(request)
            if missing is None:
                return Outcome.KEPT, replay_bars(request, self.folder)
            outcome, text, bars = Outcome.RECORDED, *self._fetch(missing)
            if missing != request:
                outcome = Outcome.EXTENDED
                earlier = replay_bars(request.over(Span(missing.first, request.first)), self.folder)
                if first_difference(earlier.frame, bars.frame, missing.first) is not None:
                    self.tell(f"{request}: Alpaca has revised the past, so all of it is recorded anew")
                    missing, outcome = request, Outcome.RECORDED
                    text, bars = self._fetch(request)
            cassette_files.write_cassette(self.folder, cassette_files.path_of(missing), text, _facts(missing, bars))
            return outcome, replay_bars(request, self.folder)

    def _fetch(self, request: MarketRequest) -> tuple[str, Bars]:
        """Fetch a request: its recording and its bars, verified by a replay; nothing is written."""
        credentials = alpaca.read_credentials(self.environ)
        if credentials is None and request.instrument.asset_class is AssetClass.EQUITY:
            problem = f"no keys are set, and Alpaca serves {request.instrument.symbol} to known keys only"
            raise SettingsError(alpaca.KEYS_FILE, problem, "Name a file with your keys; crypto needs none")
        secrets = (credentials.key, credentials.secret) if credentials else ()
        where = f"cassette {self.folder / cassette_files.path_of(request)}"
        with cassettes.record(where, secrets) as recording:
            url = self.environ.get(alpaca.DATA_URL)
            bars = alpaca.fetch_bars(
                request, credentials=credentials, data_url=url, request_policy=self._request_policy()
            )
        if replay_text(request, recording.text, where).sha256 != bars.sha256:
            raise MarketDataError(where, "does not replay what was recorded", "Report this, with the version of vcrpy")
        return recording.text, bars

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

    Raises:
        SettingsError: what is wrong for one is wrong for all, such as the keys.
    """
    for request in requests:
        try:
            yield request, recorder.record(request)
        except SettingsError:
            raise
        except GateError as error:
            yield request, error


def estimate(recorder: Recorder, requests: Sequence[MarketRequest]) -> tuple[list[MarketRequest], float]:
    """Parts of some requests that are missing, and about how many seconds it will take to fetch them."""
    missing = [rest for request in requests if (rest := recorder.missing(request))]
    pages = sum(request.estimated_pages for request in missing)
    return missing, pages * (60.0 / recorder.requests_per_minute + _SECONDS_PER_PAGE)


def _facts(request: MarketRequest, bars: Bars) -> dict[str, str | int]:
    """Entry of a cassette in the manifest, without its digest."""
    return {
        "asked_first": request.first.isoformat(),
        "asked_last": request.last.isoformat(),
        "bars": len(bars),
        "first": bars.index[0].isoformat(),
        "last": bars.index[-1].isoformat(),
        "bars_sha256": bars.sha256,
        "feed": request.feed,
        "adjustment": request.adjustment,
        "alpaca_py": version("alpaca-py"),
    }
