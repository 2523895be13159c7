"""Flags and ini keys, parsed once into a frozen Settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pytest_modelgate.adapters.gpu.nvidia_smi import DEFAULT_BUDGET
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.core.config.options import OPTIONS, RECORDING, Group, Option, Value, option_of
from pytest_modelgate.core.config.settings import Settings, parse_as_of, parse_shard
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.text import plain, shell_command

_UNSET: Any = None
_INI_TYPES: Mapping[type, Any] = {str: "string", int: "int", float: "float"}
_WRITTEN = re.compile(r"(?:: |value )('.*'|\".*\"|\S+)$")  # the value, at the end of whatever pytest says of it
_CORRECT = "Correct it in the configuration file"
_FILES = ("cassettes", "champion", "compare", "ledger", "output", "waivers")
_SHOWING = ("collectonly", "setuponly", "setupplan", "showfixtures", "show_fixtures_per_test", "cacheshow")
_WORKERS_PER_GPU = Option(
    "workers_per_gpu", "most workers on one GPU (default: from free memory)", int, metavar="N", group="workers"
)
_GPU_MEMORY = Option(
    "gpu_memory", f"GPU memory of one worker (default: {DEFAULT_BUDGET})", int, metavar="MB", group="workers"
)
_TITLES: Mapping[Group, str] = {  # all that pytest's help shows of a group, and it ends each with a colon
    "common": """model gate (active with --model-archive only), for example

  pytest --model-archive=X.zip                    judge every model of a training run
  pytest --model-archive=X.zip -n auto -k UNIUSD  one model, on all GPUs or cores
  pytest --model-archive=X.zip --gate-require=live --junitxml=junit.xml

model gate""",
    "market data": "model gate, market data",
    "workers": "model gate, workers and GPUs",
    "CI": "model gate, CI and several machines",
}


def groups(parser: pytest.Parser) -> Mapping[Group, pytest.OptionGroup]:
    """Parts of the help, in its order."""
    return {name: parser.getgroup(f"modelgate {name}", title) for name, title in _TITLES.items()}


def add_options(parser: pytest.Parser) -> None:
    """Register every option and ini key."""
    parts = groups(parser)
    archive = "zip or folder of a training run: judge its models (default: none, and the plugin is inert)"
    parts["common"].addoption("--model-archive", metavar="PATH", help=archive)
    for option in (*OPTIONS, _WORKERS_PER_GPU, _GPU_MEMORY):
        parts[option.group].addoption(
            option.name,
            type=option.kind,
            choices=option.choices,
            metavar=option.metavar,
            default=_UNSET,
            help=option.help,
        )
        parser.addini(option.key, option.about, type=_INI_TYPES[option.kind], default=_UNSET)
    known = list(Settings.trainer_packages)
    packages = f"package whose config classes a checkpoint may name (repeatable; default: {', '.join(known)})"
    parts["common"].addoption("--gate-trainer-package", action="append", metavar="NAME", help=packages)
    parser.addini("gate_trainer_package", packages, type="args", default=known)
    evidence = "folder with evidence of earlier or other runs, to use again (repeatable; default: none)"
    parts["CI"].addoption("--gate-evidence", action="append", metavar="DIR", help=evidence)
    parser.addini("gate_evidence", evidence, type="paths", default=list(Settings.evidence))
    dropped = "show the walk-forward of models that training metrics dropped, for information (default: off)"
    parts["common"].addoption("--gate-evaluate-dropped", action="store_true", default=_UNSET, help=dropped)
    parser.addini("gate_evaluate_dropped", dropped, type="bool", default=Settings.evaluate_dropped)
    merge = "decide from evidence alone, compute nothing (default: off)"
    parts["CI"].addoption("--gate-merge", action="store_true", default=_UNSET, help=merge)
    parser.addini("gate_merge", merge, type="bool", default=Settings.merge)
    plan = "write to a file what would have to be shown and what is not recorded, and run nothing (default: off)"
    parts["CI"].addoption("--gate-plan", metavar="FILE", default=_UNSET, help=plan)
    parser.addini("gate_plan", plan, type="string", default=_UNSET)
    verdict = "exit with 1 if a model below what is required had no decision test in the run (default: where CI is set)"
    parts["CI"].addoption("--gate-exit-by-verdict", action="store_true", default=_UNSET, help=verdict)
    parser.addini("gate_exit_by_verdict", verdict, type="bool", default=_UNSET)


def only_shows(config: pytest.Config) -> bool:
    """Whether pytest shows tests or fixtures and runs no test: nothing of the gate is written then."""
    return any(getattr(config.option, name, None) for name in _SHOWING)


def plan_path(config: pytest.Config) -> Path | None:
    """Where the plan is written, see ``_file``; None where the run is to be run."""
    return _file(config, "gate_plan")


def exit_by_verdict(config: pytest.Config, environment: Mapping[str, str]) -> bool:
    """Whether a model that nobody asked about fails the run.

    Raises:
        SettingsError: the ini key is neither true nor false.
    """
    asked = config.getoption("gate_exit_by_verdict") or _ini(config, "gate_exit_by_verdict", "true or false")
    return environment.get("CI", "").lower() not in ("", "0", "false") if asked is None else bool(asked)


def archive_path(config: pytest.Config) -> Path | None:
    """The archive to judge; None leaves the plugin inert."""
    value = config.getoption("model_archive")
    return None if value is None else config.invocation_params.dir / (value or _refuse_empty("--model-archive"))


def read_settings(config: pytest.Config, archive: Path) -> Settings:
    """Parse options and ini keys; the command line wins.

    Raises:
        SettingsError: a value is unusable; the message names option or ini key.
    """
    placement_limits(config)  # an unusable one is refused even where no worker is placed
    asked: dict[str, Any] = {option.setting: _value(config, option) for option in OPTIONS}
    del asked["waivers"]
    waivers = _waivers(config, waivers_path(config))
    folders = config.getoption("gate_evidence") or _ini(config, "gate_evidence", "a list of folders")
    parsed = {
        "record_command": shell_command(
            ["modelgate", "record", str(config.getoption("model_archive")), *recording_options(config)]
        ),
        "output": _folder(config, "output", config.invocation_params.dir),
        "cassettes": _folder(config, "cassettes", _project(config)),
        "profile": _profile(config, asked["profile"]),
        "require": DecisionLevel[asked["require"].upper()],
        "as_of": parse_as_of(asked["as_of"]) if asked["as_of"] else None,
        "ledger": _file(config, "gate_ledger"),
        "trainer_packages": tuple(_packages(config)),
        "evidence": tuple(config.invocation_params.dir / path for path in folders),
        "merge": _switch(config, "gate_merge"),
        "evaluate_dropped": _switch(config, "gate_evaluate_dropped"),
        "shard": parse_shard(asked["shard"]) if asked["shard"] else None,
        "champion": _project(config) / asked["champion"] if asked["champion"] else None,
        "paper": _project(config) / asked["paper"] if asked["paper"] else None,
        "compare": _file(config, "gate_compare"),
    }
    return Settings(archive=archive, **{**asked, **parsed, **waivers})


def option_names() -> frozenset[str]:
    """Names of the gate's options that have a value."""
    others = ("--model-archive", "--gate-evidence", "--gate-trainer-package", "--gate-plan")
    return frozenset((*others, *(option.name for option in OPTIONS)))


def asked_for(config: pytest.Config) -> dict[str, Any]:
    """Values of the options that name no files, by ini key: what a worker has to know that reads no configuration."""
    values: dict[str, Any] = {option.key: _value(config, option) for option in OPTIONS if option.setting not in _FILES}
    switches = {key: _switch(config, key) for key in ("gate_merge", "gate_evaluate_dropped")}
    if str(values["gate_profile"]).endswith(".toml"):
        del values["gate_profile"]
    return {**values, **switches, "gate_trainer_package": _packages(config)}


def _packages(config: pytest.Config) -> list[str]:
    return list(config.getoption("gate_trainer_package") or _ini(config, "gate_trainer_package", "a list of names"))


def waivers_path(config: pytest.Config) -> Path | None:
    """File of waivers; None without one."""
    file = _value(config, option_of("waivers"))
    return _project(config) / str(file) if file else None


def _waivers(config: pytest.Config, file: Path | None) -> dict[str, Any]:
    """Settings about what is waived, as of today; a worker takes the day from the controller."""
    if not file:
        return {}
    from pytest_modelgate.adapters.config_files.waivers import read_waivers

    shared = getattr(config, "workerinput", {}).get("modelgate", {})
    today = date.fromisoformat(shared["judged_on"]) if shared.get("judged_on") else datetime.now(UTC).date()
    waivers, digest = read_waivers(file, today)
    return {"waivers": waivers, "waivers_sha256": digest, "judged_on": today}


def recording_options(config: pytest.Config) -> tuple[str, ...]:
    """Options of ``modelgate record`` that make it record what this run replays, as they were asked for."""
    asked = {option: _value(config, option) for option in RECORDING}
    return tuple(
        word for option, value in asked.items() if value != option.default for word in (option.short_name, str(value))
    )


def placement_limits(config: pytest.Config) -> tuple[int | None, int | None]:
    """The most workers on one GPU, and the MiB of its memory that each of them takes; None where nothing is said.

    Raises:
        SettingsError: one of them is not a positive number.
    """
    limits = []
    for option in (_WORKERS_PER_GPU, _GPU_MEMORY):
        value: Any = _value(config, option)
        if value is not None and value < 1:
            problem = f"is {value}, expected a whole number of at least 1"
            raise SettingsError(option.name, problem, "Use --gate-device=cpu to place no worker on a GPU")
        limits.append(value)
    return limits[0], limits[1]


def device_choice(config: pytest.Config) -> str:
    """Device on which policies run: ``auto``, ``cpu`` or ``cuda``."""
    return str(_value(config, option_of("device")))


def _value(config: pytest.Config, option: Option) -> Value:
    given = config.getoption(option.key)
    if given is not None:
        return option.kind(given if given != "" else _refuse_empty(option.name))
    expected = {int: "a whole number", float: "a number", str: "a text, in quotes in TOML"}[option.kind]
    value: Value = _ini(config, option.key, expected)
    if value in (None, ""):
        return option.default
    if option.choices and value not in option.choices:
        problem = f"is {value!r}, expected one of {', '.join(option.choices)}"
        raise SettingsError(f"ini key {option.key}", problem, _CORRECT)
    return value


def _switch(config: pytest.Config, key: str) -> bool:
    given = config.getoption(key)
    return bool(_ini(config, key, "true or false") if given is None else given)


def _ini(config: pytest.Config, key: str, expected: str) -> Any:  # noqa: ANN401 - of whatever type the key has
    """Value of an ini key.

    Raises:
        SettingsError: it is of another type.
    """
    try:
        return config.getini(key)
    except (TypeError, ValueError, pytest.UsageError) as error:  # differs with pytest's versions
        written = _WRITTEN.search(str(error))
        found = f"is {plain(written[1], 120)}" if written else f"cannot be read ({plain(str(error), 120)})"
        raise SettingsError(f"ini key {key}", f"{found}, expected {expected}", _CORRECT) from None


def _refuse_empty(option: str) -> NoReturn:
    raise SettingsError(option, "is empty", "Give it a value, or leave it out")


def _project(config: pytest.Config) -> Path:
    """Folder of the project's files: that of its configuration; without one, the current one."""
    return config.inipath.parent if config.inipath else config.invocation_params.dir


def _folder(config: pytest.Config, setting: str, base: Path) -> Path:
    """Folder of a setting: on the command line relative to where pytest was called, else to the root folder."""
    option = option_of(setting)
    given, text = config.getoption(option.key), _ini(config, option.key, "a text, in quotes in TOML")
    if given is not None:
        return config.invocation_params.dir / (str(given) or _refuse_empty(option.name))
    return config.rootpath / text if text else base / str(option.default)


def _file(config: pytest.Config, key: str) -> Path | None:
    """File of a setting, relative to the same folders."""
    given, text = config.getoption(key), _ini(config, key, "a text, in quotes in TOML")
    if given is not None:
        return config.invocation_params.dir / (str(given) or _refuse_empty(f"--{key.replace('_', '-')}"))
    return config.rootpath / text if text else None


def _profile(config: pytest.Config, value: str) -> str:
    """Name of a built-in profile, or the path of a file, relative to the same folders as any other."""
    if not value.endswith(".toml"):
        return value
    base = config.invocation_params.dir if config.getoption("gate_profile") else config.rootpath
    return str(base / value)
