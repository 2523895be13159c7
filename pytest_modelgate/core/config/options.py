"""Options: how a setting is asked for by pytest's command line, its configuration, and ``modelgate record``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.settings import (
    ADJUSTMENTS,
    FEEDS,
    AccountMode,
    DecisionRule,
    DeviceChoice,
    RecordMode,
    Sessions,
    Settings,
)

Value = str | int | float | None
Group = Literal["common", "market data", "workers", "CI"]
"""Where the help lists an option."""


@dataclass(frozen=True)
class Option:
    """One option: ``--gate-as-of`` and the ini key ``gate_as_of`` of pytest, ``--as-of`` of ``modelgate record``.

    Attributes:
        setting: the field of ``Settings`` that it fills, whose default is its own.
        about: what it means.
        kind: what its text is read as.
        choices: what it may be; None leaves that to whoever reads it.
        metavar: stands for its value in the help.
        group: the part of the help that lists it.
    """

    setting: str
    about: str
    kind: type[str | int | float] = str
    choices: tuple[str, ...] | None = None
    metavar: str | None = None
    group: Group = "common"

    @property
    def name(self) -> str:
        """On pytest's command line."""
        return f"--gate-{self.setting.replace('_', '-')}"

    @property
    def short_name(self) -> str:
        """On the command line of ``modelgate record``."""
        return f"--{self.setting.replace('_', '-')}"

    @property
    def key(self) -> str:
        """In pytest's configuration."""
        return f"gate_{self.setting}"

    @property
    def default(self) -> Value:
        """The setting's default as a user would type it; None for a setting that has none."""
        value = getattr(Settings, self.setting, None)
        if isinstance(value, DecisionLevel):
            return value.name.lower()
        return str(value) if isinstance(value, Path) else value or None

    @property
    def help(self) -> str:
        """What it means, and its default."""
        default = self.default
        if default is None and "(default: " in self.about:
            return self.about
        return f"{self.about} (default: {'none' if default is None else default})"


OPTIONS = (
    Option(
        "profile",
        "thresholds: 2.3, 2.4.5, 2.4.5-literal, 4.1.0, strict, trainer or a file",
        metavar="NAME|FILE.toml",
    ),
    Option("require", "the least decision with which a model passes", choices=("live", "paper")),
    Option("as_of", "UTC; judge on bars closed before it (default: the archive's time stamp)", metavar="DATE"),
    Option("backtest_days", "length of the sanity backtest", int, metavar="N"),
    Option("walk_forward_days", "length of the walk-forward", int, metavar="N"),
    Option("folds", "number of walk-forward folds", int, metavar="K"),
    Option("capital", "starting capital of every window", float, metavar="USD"),
    Option("cassettes", "folder of recorded market data", metavar="DIR", group="market data"),
    Option(
        "record_mode",
        "what to record first, in vcrpy's words; none replays only",
        choices=get_args(RecordMode),
        group="market data",
    ),
    Option("feature_set", "feature set (default: what the checkpoint declares)", metavar="NAME"),
    Option("activation", "activation (default: what the checkpoint declares)", metavar="NAME"),
    Option("model_version", "generation of checkpoints that bear none (default: told from the shape)", metavar="X.Y.Z"),
    Option(
        "decision",
        "whether LIVE needs the statistical proofs, and how many good folds besides",
        choices=get_args(DecisionRule),
    ),
    Option(
        "account",
        "how account features are fed (default: as the archive declares, else neutral)",
        choices=get_args(AccountMode),
    ),
    Option("device", "where policies run; results are the same", choices=get_args(DeviceChoice), group="workers"),
    Option("sessions", "stock sessions", choices=get_args(Sessions), group="market data"),
    Option(
        "feed",
        "Alpaca's stock feed, or own: bars recorded from a file of yours",
        choices=FEEDS,
        metavar="FEED",
        group="market data",
    ),
    Option("adjustment", "price adjustment of stocks", choices=ADJUSTMENTS, group="market data"),
    Option("champion", "what is deployed: a promotion's folder or a verdict", metavar="DIR|JSON"),
    Option("paper", "a promotion's folder whose models an account trades: its record has a say", metavar="DIR"),
    Option("waivers", "what is waived, for whom, by whom and until when", metavar="FILE.toml"),
    Option("shard", "evaluate only this machine's share of the windows", metavar="i/n", group="CI"),
    Option("ledger", "file that counts the models ever tried on a market window", metavar="FILE"),
    Option(
        "compare", "verdict that the report compares with (default: the one that this run replaces)", metavar="JSON"
    ),
    Option("output", "folder of report.html, verdict.json and evidence", metavar="DIR"),
)
_BY_SETTING = {option.setting: option for option in OPTIONS}
RECORDING = tuple(
    _BY_SETTING[setting]
    for setting in (
        "cassettes",
        "as_of",
        "backtest_days",
        "walk_forward_days",
        "folds",
        "sessions",
        "feed",
        "adjustment",
        "profile",
    )
)
"""What decides which market data are recorded, and whether they are fit: ``modelgate record`` takes these as well."""

CHECKING = tuple(_BY_SETTING[setting] for setting in ("profile", "feature_set", "activation", "model_version"))
"""What decides whether a model would be judged: ``modelgate check`` takes these as well."""


def option_of(setting: str) -> Option:
    """The option that fills a setting."""
    return _BY_SETTING[setting]
