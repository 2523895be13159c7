"""Recording a trading account: what is missing is fetched, scrubbed, held against what is there, and then written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pytest_modelgate.adapters.account_cassettes.files import (
    AccountFolder,
    Manifest,
    Part,
    account_folders,
    recording_of,
    to_text,
)
from pytest_modelgate.adapters.account_cassettes.joining import Told, join, read_told, told_by
from pytest_modelgate.adapters.account_cassettes.journal import read_journal
from pytest_modelgate.adapters.account_cassettes.scrubbing import Pseudonyms, Scrubber, refuse_secrets
from pytest_modelgate.adapters.account_cassettes.told import (
    owner_of,
    pattern_digest,
    read_map,
    read_trader_told,
    to_document,
)
from pytest_modelgate.adapters.alpaca.trading import TRADING_URL, TradingService
from pytest_modelgate.adapters.cassettes.files import work_folder
from pytest_modelgate.adapters.config_files.trader_map import read_trader_map
from pytest_modelgate.adapters.promotion import Record
from pytest_modelgate.core.config.settings import TRADING_REQUESTS_PER_MINUTE
from pytest_modelgate.core.watching.moments import parse_moment, write_moment
from pytest_modelgate.core.watching.records import NANOSECONDS, AccountKind, AccountRecord, TraderMap
from pytest_modelgate.errors import AccountError, SettingsError
from pytest_modelgate.services.account_replaying import saw_promotion

if TYPE_CHECKING:  # pulls in requests
    from pytest_modelgate.adapters.alpaca.transport import RequestPolicy

_TRIES = 5
_OVERLAP = 3 * 86_400 * NANOSECONDS
_MOST_SKEW = 300 * NANOSECONDS  # between this machine's clock and Alpaca's
_LOOKS = 3  # at positions, until two in a row agree


@dataclass(frozen=True)
class RecordedAccount:
    """What became of recording an account.

    Attributes:
        folder: where it lies.
        span: half-open stretch of moments that was recorded now.
        record: the account as it replays.
        conformance: what the service sent, in lines; told of at an account's first recording.
        is_first: whether this is that.
    """

    folder: AccountFolder
    span: tuple[int, int]
    record: AccountRecord
    conformance: tuple[str, ...]
    is_first: bool


@dataclass(frozen=True, kw_only=True)
class AccountRecorder:
    """Records an account into a folder of cassettes.

    Attributes:
        cassettes: the folder.
        kind: paper or live.
        environ: where keys and APCA_API_TRADING_URL are looked up.
        map_file, journal_file: what the user says of the trader; None for nothing.
        requests_per_minute: for all processes that record an account into the folder, together.
        tell: is told of every wait, in a sentence.
        now: the clock, UTC.
    """

    cassettes: Path
    kind: AccountKind = "paper"
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    map_file: Path | None = None
    journal_file: Path | None = None
    requests_per_minute: float = TRADING_REQUESTS_PER_MINUTE
    tell: Callable[[str], None] = lambda _: None
    now: Callable[[], pd.Timestamp] = lambda: pd.Timestamp.now("UTC")

    def record(self, promotion: Record, since: pd.Timestamp | None = None) -> RecordedAccount:
        """Record what an account did since it was recorded last, and the three days before that once more.

        Args:
            promotion: what it trades.
            since: where this recording begins; None for a first one with the model that is in force longest.

        Raises:
            SettingsError: the keys, the address, the map or the journal are unusable.
            AccountError: Alpaca did not answer with an account, its past was revised, another account was recorded with
                this promotion, or the folder cannot be written; what was recorded before is as it was.
        """
        map_ = read_trader_map(self.map_file) if self.map_file else None
        if self.journal_file:
            read_journal(self.journal_file)  # what is wrong with it is told before anything is asked
        for model in sorted({m.id for m in map_.models} - {m.id for m in promotion.models}) if map_ else ():
            self.tell(f"the map names {model}, which is not in force")
        service = TradingService.of(self.kind, self.environ, self._request_policy())
        account = service.account()
        names = Pseudonyms(_id_of(account, self.kind))
        folder = AccountFolder.within(self.cassettes, self.kind, names.account8)
        with self._alone(folder):
            past = _Past.of(folder)
            self._refuse_others(folder, promotion)
            told = self._told(past, map_, names)
            scrubber = Scrubber(names, owner_of(map_))
            snapshot = _snapshot(service, scrubber)
            until = self._until(service, past)
            first = min(past.begin(promotion, pattern_digest(map_), since), until - NANOSECONDS)
            content: dict[Part, Any] = {
                "orders": scrubber.orders(service.orders(first, until)),
                "activities": scrubber.activities(service.activities(first, until)),
                "portfolio": [(at * NANOSECONDS, usd) for at, usd in service.equity(first, until)],
                "snapshot": snapshot,
                **({"told": told} if told else {}),
            }
            recording = recording_of(first, until, **_facts(promotion, map_))
            record = join(folder, [*past.told, told_by(recording, content, f"{self.kind} account")])
            texts: dict[Part, str] = {part: to_text(what) for part, what in content.items()}
            secrets = _secrets(service, account)
            refuse_secrets(f"account {folder.path}", texts.values(), secrets)
            folder.write(past.manifest, recording, texts)
        return RecordedAccount(folder, (first, until), record, scrubber.seen.lines(secrets), not past.told)

    def _told(self, past: _Past, map_: TraderMap | None, names: Pseudonyms) -> dict[str, Any] | None:
        """What the user says anew of the trader; None for nothing.

        Raises:
            SettingsError: the recordings were made with a map, and there is none now.
        """
        recordings = past.manifest.recordings
        if map_ is None and recordings and recordings[-1].map_sha256:
            problem = "is not given, but the account was recorded with a map that tells whose orders are whose"
            raise SettingsError("--map", problem, "Give it again; one without [[model]] ends that")
        known = read_trader_told(past.folder, past.manifest)
        lines = read_journal(self.journal_file, names.without_ids) if self.journal_file else ()
        kept = set(known.journal)
        news = [line for line in dict.fromkeys(lines) if line not in kept]
        document = to_document(map_, news, names.without_ids)
        if map_ is not None and read_map(document["map"]) == replace(known, journal=()):
            del document["map"]
        return document if news or "map" in document else None

    def _until(self, service: TradingService, past: _Past) -> int:
        """Whole second up to which the account is recorded now, by Alpaca's clock.

        Raises:
            AccountError: this machine's clock is another, or it was recorded up to then already.
        """
        where, ours = f"{self.kind} account, clock", self.now()
        try:
            moment = parse_moment(service.clock()["timestamp"])
        except (KeyError, TypeError, ValueError):
            raise AccountError(where, "Alpaca does not tell the time", "Record again later") from None
        if abs(moment - ours.value) > _MOST_SKEW:
            problem = f"Alpaca's clock says {write_moment(moment)[:19]}, this machine's {ours:%Y-%m-%dT%H:%M:%S}, UTC"
            raise AccountError(where, problem, "Set this machine's clock: it tells which bars are final")
        until = moment // NANOSECONDS * NANOSECONDS
        if past.told and until <= past.told[-1].span[1]:
            problem = f"Alpaca's clock says {write_moment(until)}, but the account is recorded up to then already"
            raise AccountError(where, problem, "Record again later")
        return until

    def _refuse_others(self, folder: AccountFolder, promotion: Record) -> None:
        """Refuse a second account: nobody could tell which of the two shows what the models are worth.

        Raises:
            AccountError: another account was recorded with the promotion in force.
        """
        others = {other: other.manifest() for other in account_folders(self.cassettes) if other != folder}
        for other in saw_promotion(others, promotion.digest):
            problem = f"these keys are another account's than {other.path}, which was recorded with this promotion"
            remedy = "Use that one's keys, promote into a folder for each account, or remove that one if it was reset"
            raise AccountError(f"{self.kind} account {folder.account}", problem, remedy)

    def _request_policy(self) -> RequestPolicy:
        from pytest_modelgate.adapters.alpaca.transport import RateLimiter, RequestPolicy

        try:
            turns = work_folder(self.cassettes) / "trading"
            turns.mkdir(exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None
        limiter = RateLimiter(turns, 60.0 / self.requests_per_minute)
        return RequestPolicy(limiter=limiter, tries=_TRIES, tell=self.tell, url=TRADING_URL)

    @contextmanager
    def _alone(self, folder: AccountFolder) -> Iterator[None]:
        """Let one process at a time record an account, after what a killed one left was settled."""
        from filelock import FileLock

        try:
            with FileLock(work_folder(self.cassettes) / f"{folder.kind}_{folder.account}.lock"):
                folder.settle(folder.manifest())
                yield
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> AccountError:
        problem = f"cannot be written: {error.strerror}"
        return AccountError(f"folder {self.cassettes}", problem, "Check its permissions and the free space")


@dataclass(frozen=True)
class _Past:
    """What is recorded of an account already."""

    folder: AccountFolder
    manifest: Manifest
    told: list[Told]

    @classmethod
    def of(cls, folder: AccountFolder) -> _Past:
        manifest = folder.manifest()
        return cls(folder, manifest, read_told(folder, manifest))

    def begin(self, promotion: Record, patterns: str, since: pd.Timestamp | None) -> int:
        """Where the next recording begins.

        With the oldest order that was open at the end of the last one, and three days before that end at least; at the
        very beginning where patterns for ids changed, since what they tell is told when orders are recorded, or where
        that is later than a model in force: no record of it counts that leaves out its first days.
        """
        if since is not None:
            return _whole(since)
        longest = min(_whole(pd.Timestamp(promotion.since_of(model))) for model in promotion.models)
        first = min((told.span[0] for told in self.told), default=longest)
        if not self.told or longest < first or self.manifest.recordings[-1].map_sha256 != patterns:
            return min(longest, first)
        until = self.told[-1].span[1]
        orders = join(self.folder, self.told).orders
        open_since = min((order.submitted for order in orders if order.ended is None), default=until)
        return max(first, min(until - _OVERLAP, open_since // NANOSECONDS * NANOSECONDS))


def _id_of(account: Mapping[str, Any], kind: AccountKind) -> str:
    if isinstance(account.get("id"), str) and account["id"]:
        return str(account["id"])
    raise AccountError(f"{kind} account", "Alpaca does not tell its id", f"Check {TRADING_URL}")


def _secrets(service: TradingService, account: Mapping[str, Any]) -> list[str]:
    """What must not be kept: the keys, and what names the account."""
    number = account.get("account_number")
    return [service.credentials.key, service.credentials.secret, account["id"], *([str(number)] if number else [])]


def _snapshot(service: TradingService, scrubber: Scrubber) -> dict[str, Any]:
    """The account and what it holds, looked at until nothing is traded in between."""
    positions = scrubber.positions(service.positions())
    for _ in range(_LOOKS):
        account, before = scrubber.account(service.account()), positions
        positions = scrubber.positions(service.positions())
        if positions == before:
            break
    return {"account": account, "positions": positions}


def _facts(promotion: Record, map_: TraderMap | None) -> dict[str, Any]:
    models = {model.id: model.sha256 for model in promotion.models}
    seen = {"digest": promotion.digest, "models": dict(sorted(models.items()))}
    return {"promotion": seen, "map_sha256": pattern_digest(map_), "alpaca_py": version("alpaca-py")}


def _whole(moment: pd.Timestamp) -> int:
    """Nanoseconds since 1970 UTC of the second that a moment lies in."""
    return int(moment.tz_convert("UTC").as_unit("ns").value) // NANOSECONDS * NANOSECONDS
