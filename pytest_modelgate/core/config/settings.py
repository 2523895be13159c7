"""Settings: everything a run was asked for, parsed once and frozen. Their defaults are those of every command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.waivers import Waiver
from pytest_modelgate.errors import SettingsError

if TYPE_CHECKING:  # --help reads the defaults, and must not pay for pandas
    import pandas as pd

DecisionRule = Literal["proven", "pooled", "table"]
AccountMode = Literal["neutral", "tracked"]
Sessions = Literal["regular", "extended"]
RecordingMode = Literal["once", "new_episodes", "all"]
RecordMode = Literal["none", RecordingMode]
DeviceChoice = Literal["auto", "cpu", "cuda"]
OWN_FEED = "own"
"""The feed of bars that came from a file of the user's, of any market."""
FEEDS = ("sip", "iex", "delayed_sip", "otc", "boats", "overnight", OWN_FEED)
"""Alpaca's feeds of stocks, and that."""
RECORDING_MODE: RecordingMode = "new_episodes"
# Of a stock's prices, in Alpaca's words; it takes any list of the three, and this gate one spelling of each.
ADJUSTMENTS = ("raw", "split", "dividend", "spin-off", "split,dividend", "split,spin-off", "dividend,spin-off", "all")
REQUESTS_PER_MINUTE = 180.0  # Alpaca's free plan allows 200
TRADING_REQUESTS_PER_MINUTE = 30.0  # of the 200 that Alpaca allows an account: the trader needs the rest


@dataclass(frozen=True)
class Shard:
    """One of several machines that share the windows, numbered from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of INTERFACE: what can change a result, and where things lie.

    Attributes:
        archive: zip or extracted folder.
        profile: a built-in profile's name or the path of a TOML file.
        require: the least decision with which a model passes; LIVE or PAPER.
        as_of: the last bar used is the last one closed before it (UTC); None means the archive's time stamp.
        backtest_days, walk_forward_days: calendar days.
        folds: number of walk-forward folds.
        capital: starting capital of every window, USD.
        cassettes: folder of recorded market data.
        record_mode: what is recorded before the first test, in vcrpy's words; ``none`` replays only.
        record_command: the command line that records what this run replays, for error messages.
        feature_set, activation: None means what the checkpoint or the summary declares.
        decision: whether LIVE needs the statistical proofs, and with them fewer good folds.
        model_version: of checkpoints that bear none; None tells it from their shape.
        account: how account features are fed to policies; None means as the archive declares, else neutral.
        device: where policies are evaluated; ``auto`` takes a GPU when there is one and enough to do. No result depends
            on it.
        sessions, feed, adjustment: which stock bars are used.
        trainer_packages: whose config classes get inert stand-ins in a checkpoint.
        ledger: file of all models ever tried; None keeps none.
        champion: folder of a promotion, or a verdict beside its evidence: what is deployed now; None compares nothing.
        paper: folder of a promotion whose models an account trades: its record is judged; None judges none.
        waivers: what is waived, for which models; ``waivers_sha256`` is the digest of their file, None without one.
        judged_on: the day on which waivers were seen to hold (UTC); None without a file.
        compare: verdict that the report compares with; None takes the one that the run replaces.
        output: folder of report, verdict and evidence.
        evidence: folders with evidence of earlier or other runs, to be used before anything is computed.
        merge: decide from evidence alone, compute nothing.
        shard: evaluate only this machine's share of the windows; None means all of them.
        evaluate_dropped: show the walk-forward of models that gating dropped, too; no decision depends on it.
    """

    archive: Path
    output: Path = Path("gate-report")
    cassettes: Path = Path("cassettes")
    record_mode: RecordMode = "none"
    record_command: str = "modelgate record ARCHIVE"
    profile: str = "2.4.5"
    require: DecisionLevel = DecisionLevel.PAPER
    as_of: pd.Timestamp | None = None
    backtest_days: int = 30
    walk_forward_days: int = 180
    folds: int = 5
    capital: float = 100_000.0
    feature_set: str | None = None
    activation: str | None = None
    model_version: str | None = None
    decision: DecisionRule = "proven"
    account: AccountMode | None = None
    device: DeviceChoice = "auto"
    sessions: Sessions = "regular"
    feed: str = "sip"
    adjustment: str = "all"
    trainer_packages: tuple[str, ...] = ("alpaca_trading",)
    evidence: tuple[Path, ...] = ()
    merge: bool = False
    shard: Shard | None = None
    evaluate_dropped: bool = False
    ledger: Path | None = None
    champion: Path | None = None
    paper: Path | None = None
    compare: Path | None = None
    waivers: tuple[Waiver, ...] = ()
    waivers_sha256: str | None = None
    judged_on: date | None = None

    def __post_init__(self) -> None:
        """Refuse numbers no window can be built from.

        Raises:
            SettingsError: a count below one, more folds than days, or a capital that is not a positive number.
        """
        for option, days in (
            ("--gate-backtest-days", self.backtest_days),
            ("--gate-walk-forward-days", self.walk_forward_days),
            ("--gate-folds", self.folds),
        ):
            if days < 1:
                raise SettingsError(option, f"is {days}, expected a whole number of at least 1", "Choose a larger one")
        if self.folds > self.walk_forward_days:
            problem = f"{self.folds} folds in {self.walk_forward_days} days leave less than a day for each"
            raise SettingsError("--gate-folds", problem, "Ask for fewer folds or more --gate-walk-forward-days")
        if not 0 < self.capital < float("inf"):
            problem = f"is {self.capital!r}, expected a positive amount in USD"
            raise SettingsError("--gate-capital", problem, "Name the capital the model will trade with")
        if self.merge and self.shard:
            problem = "a shard evaluates windows and a merge evaluates none"
            raise SettingsError("--gate-merge and --gate-shard", problem, "Run the shards first, then merge them")
        for folder in self.evidence:
            if not folder.is_dir():
                problem = "is not there" if not folder.exists() else "is not a folder"
                raise SettingsError(f"--gate-evidence {folder}", problem, "Name the evidence/ folder of another run")


def parse_shard(text: str) -> Shard:
    """``2/3``: the second of three.

    Raises:
        SettingsError: not two whole numbers of that kind.
    """
    index, slash, count = text.partition("/")
    if slash and index.isascii() and index.isdigit() and count.isascii() and count.isdigit():
        shard = Shard(int(index), int(count))
        if 1 <= shard.index <= shard.count:
            return shard
    problem = f"is {text!r}, expected i/n with i from 1 to n, for example 1/3"
    raise SettingsError("--gate-shard", problem, "Give every machine a number of its own")


def parse_as_of(text: str) -> pd.Timestamp:
    """A date or a date and time; without a zone it is read as UTC.

    Raises:
        SettingsError: not a date.
    """
    import pandas as pd

    try:
        moment = pd.Timestamp(datetime.fromisoformat(text))
    except ValueError:
        problem = f"{text!r} is not a date, expected for example 2024-12-27 or 2024-12-27T21:18"
        raise SettingsError("--gate-as-of", problem, "Write it as year-month-day, UTC") from None
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
