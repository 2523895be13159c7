"""Flags and ini keys, parsed once into a frozen Settings."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from subprocess import list2cmdline
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # the settings pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.config.settings import Settings

_UNSET: Any = None


@dataclass(frozen=True)
class _Option:
    """One option with its ini key (``--gate-as-of`` and ``gate_as_of``)."""

    name: str
    kind: type[str | int | float]
    default: str | int | float | None
    help: str
    choices: tuple[str, ...] | None = None
    metavar: str | None = None

    @property
    def key(self) -> str:
        return self.name.removeprefix("--").replace("-", "_")


_CONFIGURATIONS = {  # in pytest's order of precedence, with what makes each of them one
    "pytest.toml": "",
    ".pytest.toml": "",
    "pytest.ini": "",
    ".pytest.ini": "",
    "pyproject.toml": "[tool.pytest",
    "tox.ini": "[pytest]",
    "setup.cfg": "[tool:pytest]",
}
_RECORD_MODES = ("none", "once", "new_episodes", "all")
_OPTIONS = (
    _Option("--gate-profile", str, "2.4.5", "thresholds: 2.3, 2.4.5, 2.4.5-literal, 4.1.0, strict or a TOML file"),
    _Option("--gate-require", str, "paper", "the least decision with which a model passes", ("live", "paper")),
    _Option("--gate-as-of", str, None, "UTC; judge on bars closed before it (default: the archive's time stamp)"),
    _Option("--gate-backtest-days", int, 30, "length of the sanity backtest", metavar="N"),
    _Option("--gate-walk-forward-days", int, 180, "length of the walk-forward", metavar="N"),
    _Option("--gate-folds", int, 5, "number of walk-forward folds", metavar="K"),
    _Option("--gate-capital", float, 100_000.0, "starting capital of every window", metavar="USD"),
    _Option("--gate-cassettes", str, "cassettes", "folder of recorded market data", metavar="DIR"),
    _Option(
        "--gate-record-mode", str, "none", "what to record first, in vcrpy's words; none replays only", _RECORD_MODES
    ),
    _Option("--gate-feature-set", str, None, "feature set (default: what the checkpoint declares)", metavar="NAME"),
    _Option("--gate-activation", str, None, "activation (default: what the checkpoint declares)", metavar="NAME"),
    _Option("--gate-decision", str, "proven", "whether LIVE needs the statistical proofs", ("proven", "table")),
    _Option("--gate-account", str, "neutral", "how account features are fed", ("neutral", "tracked")),
    _Option("--gate-device", str, "auto", "where policies run; results are the same", ("auto", "cpu", "cuda")),
    _Option("--gate-sessions", str, "regular", "stock sessions", ("regular", "extended")),
    _Option("--gate-feed", str, "sip", "Alpaca's stock feed", metavar="FEED"),
    _Option("--gate-adjustment", str, "all", "price adjustment of stocks", ("raw", "split", "dividend", "all")),
    _Option("--gate-champion", str, None, "what is deployed: a promotion's folder or a verdict", metavar="DIR|JSON"),
    _Option("--gate-waivers", str, None, "what is waived, for whom, by whom and until when", metavar="FILE.toml"),
    _Option("--gate-shard", str, None, "evaluate only this machine's share of the windows", metavar="i/n"),
    _Option("--gate-workers-per-gpu", int, None, "most workers on one GPU (default: from free memory)", metavar="N"),
    _Option("--gate-gpu-memory", int, None, "GPU memory of one worker (default: 2048)", metavar="MB"),
    _Option("--gate-ledger", str, None, "file that counts the models ever tried on a market window", metavar="FILE"),
    _Option("--gate-output", str, "gate-report", "folder of report.html, verdict.json and evidence", metavar="DIR"),
)


def add_options(parser: pytest.Parser) -> None:
    """Register every option and ini key."""
    group = parser.getgroup("modelgate", "model gate (active with --model-archive only)")
    group.addoption("--model-archive", metavar="PATH", help="zip or folder of a training run: judge its models")
    for option in _OPTIONS:
        note = f" (default: {option.default})" if option.default is not None else ""
        group.addoption(
            option.name,
            type=option.kind,
            choices=option.choices,
            metavar=option.metavar,
            default=_UNSET,
            help=option.help + note,
        )
        parser.addini(option.key, option.help, type="string", default=_UNSET)
    packages = "package whose config classes a checkpoint may name (repeatable; default: alpaca_trading)"
    group.addoption("--gate-trainer-package", action="append", metavar="NAME", help=packages)
    parser.addini("gate_trainer_package", packages, type="args", default=["alpaca_trading"])
    evidence = "folder with evidence of earlier or other runs, to use again (repeatable)"
    group.addoption("--gate-evidence", action="append", metavar="DIR", help=evidence)
    parser.addini("gate_evidence", evidence, type="paths", default=[])
    merge = "decide from evidence alone, compute nothing"
    group.addoption("--gate-merge", action="store_true", default=_UNSET, help=merge)
    parser.addini("gate_merge", merge, type="bool", default=False)


def archive_path(config: pytest.Config) -> Path | None:
    """The archive to judge; None leaves the plugin inert."""
    value = config.getoption("model_archive")
    return None if value is None else config.invocation_params.dir / value


def check_configuration_was_read(config: pytest.Config) -> None:
    """Refuse a run whose ini keys pytest overlooked.

    pytest looks for its configuration before it knows our options, and then takes ``--model-archive X.zip`` for a test
    path: with an archive outside the project it would look there, and silently leave out what the project demands.

    Raises:
        SettingsError: a configuration file here, or above, is not the one pytest read.
    """
    from pytest_modelgate.errors import SettingsError

    if config.getoption("inifilename"):
        return  # the user named one with -c
    here = config.invocation_params.dir
    for folder in (here, *here.parents):
        for name, mark in _CONFIGURATIONS.items():
            path = folder / name
            if path.is_file() and mark in path.read_text(encoding="utf-8", errors="replace"):
                if config.inipath is not None and config.inipath.is_relative_to(folder):
                    return
                problem = f"pytest took the archive for a test path and overlooked {path}"
                raise SettingsError("--model-archive", problem, "Write --model-archive=PATH, with an equals sign")


def read_settings(config: pytest.Config, archive: Path) -> Settings:
    """Parse options and ini keys; the command line wins.

    Raises:
        SettingsError: a value is unusable; the message names option or ini key.
    """
    from pytest_modelgate.core.config.decision_level import DecisionLevel
    from pytest_modelgate.core.config.settings import Settings, parse_as_of, parse_shard

    placement_limits(config)  # an unusable one is refused even where no worker is placed
    values: dict[str, Any] = {option.key: _value(config, option) for option in _OPTIONS}
    as_of, shard, merge = values["gate_as_of"], values["gate_shard"], config.getoption("gate_merge")
    folders = config.getoption("gate_evidence")
    return Settings(
        archive=archive,
        record_mode=values["gate_record_mode"],
        record_command=_record_command(config, values),
        output=_folder(config, "gate_output", config.invocation_params.dir),
        cassettes=_folder(config, "gate_cassettes", _project(config)),
        profile=_profile(config, values["gate_profile"]),
        require=DecisionLevel[values["gate_require"].upper()],
        as_of=parse_as_of(as_of) if as_of else None,
        backtest_days=values["gate_backtest_days"],
        walk_forward_days=values["gate_walk_forward_days"],
        folds=values["gate_folds"],
        capital=values["gate_capital"],
        feature_set=values["gate_feature_set"],
        activation=values["gate_activation"],
        decision=values["gate_decision"],
        account=values["gate_account"],
        device=values["gate_device"],
        sessions=values["gate_sessions"],
        feed=values["gate_feed"],
        adjustment=values["gate_adjustment"],
        ledger=_file(config, "gate_ledger"),
        trainer_packages=tuple(config.getoption("gate_trainer_package") or config.getini("gate_trainer_package")),
        evidence=tuple(config.invocation_params.dir / folder for folder in folders or config.getini("gate_evidence")),
        merge=config.getini("gate_merge") if merge is None else merge,
        shard=parse_shard(shard) if shard else None,
        champion=_project(config) / values["gate_champion"] if values["gate_champion"] else None,
        **_waivers(config, values["gate_waivers"]),
    )


def _waivers(config: pytest.Config, file: str | None) -> dict[str, Any]:
    """What is waived, as of today; a worker takes the day from the controller."""
    if not file:
        return {}
    from pytest_modelgate.adapters.config_files.waivers import read_waivers

    shared = getattr(config, "workerinput", {}).get("modelgate", {})
    today = date.fromisoformat(shared["judged_on"]) if shared.get("judged_on") else datetime.now(UTC).date()
    waivers, digest = read_waivers(_project(config) / file, today)
    return {"waivers": waivers, "waivers_sha256": digest, "judged_on": today}


def _record_command(config: pytest.Config, values: dict[str, Any]) -> str:
    """The command that records what this run replays, in the words in which it was asked for."""
    command = ["modelgate", "record", str(config.getoption("model_archive"))]
    for name in ("cassettes", "as_of", "backtest_days", "walk_forward_days", "feed", "adjustment"):
        option = next(option for option in _OPTIONS if option.key == f"gate_{name}")
        if values[option.key] != option.default:
            command += [f"--{name.replace('_', '-')}", str(values[option.key])]
    return list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def placement_limits(config: pytest.Config) -> tuple[int | None, int | None]:
    """The most workers on one GPU, and the MiB of its memory that each of them takes; None where nothing is said.

    Raises:
        SettingsError: one of them is not a positive number.
    """
    from pytest_modelgate.errors import SettingsError

    limits = []
    for key in ("gate_workers_per_gpu", "gate_gpu_memory"):
        option = next(option for option in _OPTIONS if option.key == key)
        value: Any = _value(config, option)
        if value is not None and value < 1:
            problem = f"is {value}, expected a whole number of at least 1"
            raise SettingsError(option.name, problem, "Use --gate-device=cpu to place no worker on a GPU")
        limits.append(value)
    return limits[0], limits[1]


def device_choice(config: pytest.Config) -> str:
    """Where policies run: ``auto``, ``cpu`` or ``cuda``."""
    return str(_value(config, next(option for option in _OPTIONS if option.key == "gate_device")))


def _value(config: pytest.Config, option: _Option) -> str | int | float | None:
    given = config.getoption(option.key)
    if given is not None:
        return option.kind(given)
    text = config.getini(option.key)
    if text in (None, ""):
        return option.default
    from pytest_modelgate.errors import SettingsError

    where = f"ini key {option.key}"
    try:
        value = option.kind(text)
    except ValueError:
        expected = {int: "a whole number", float: "a number"}[option.kind]
        problem = f"is {text!r}, expected {expected}"
        raise SettingsError(where, problem, "Correct it in the configuration file") from None
    if option.choices and value not in option.choices:
        problem = f"is {text!r}, expected one of {', '.join(option.choices)}"
        raise SettingsError(where, problem, "Correct it in the configuration file")
    return value


def _project(config: pytest.Config) -> Path:
    """Where the project's files lie: beside its configuration; without one, here."""
    return config.inipath.parent if config.inipath else config.invocation_params.dir


def _folder(config: pytest.Config, key: str, base: Path) -> Path:
    """Folders on the command line are relative to where pytest was called, in the ini file to the root folder."""
    given = config.getoption(key)
    if given is not None:
        return config.invocation_params.dir / str(given)
    text = config.getini(key)
    option = next(option for option in _OPTIONS if option.key == key)
    return config.rootpath / text if text else base / str(option.default)


def _file(config: pytest.Config, key: str) -> Path | None:
    """Files on the command line are relative to where pytest was called, in the ini file to the root folder."""
    given, text = config.getoption(key), config.getini(key)
    if given is not None:
        return config.invocation_params.dir / str(given)
    return config.rootpath / text if text else None


def _profile(config: pytest.Config, value: str) -> str:
    """A profile file is found like any other path; a name stays a name."""
    if not value.endswith(".toml"):
        return value
    base = config.invocation_params.dir if config.getoption("gate_profile") else config.rootpath
    return str(base / value)
