"""Options: one table of defaults for settings, command lines, configuration and README."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from support.option_registry import Registry, registered

from pytest_modelgate.core.config.options import OPTIONS, RECORDING, Option
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.plugin.options import read_settings

ARCHIVE = Path("X.zip")
README = Path(__file__).parents[2] / "README.md"
UNDEFINED = {
    "told from the shape",
    "what the archive declares",
    "none",
    "off",
    "from free memory",
    "what the checkpoint declares",
    "the archive's time stamp",
}


@pytest.fixture
def registry() -> Registry:
    return registered()


def test_what_nobody_sets_has_the_default_of_the_settings(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig()

    settings = read_settings(config, ARCHIVE)

    here = config.invocation_params.dir
    expected = Settings(archive=ARCHIVE, output=here / Settings.output, cassettes=here / Settings.cassettes)
    assert replace(settings, record_command=expected.record_command) == expected


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.setting)
def test_an_option_fills_a_setting_and_tells_its_default(option: Option, registry: Registry) -> None:
    assert option.setting in {field.name for field in fields(Settings)}
    assert f"(default: {option.default})" in registry.helps[option.name] or option.default is None
    assert option.choices is None or option.default in (None, *option.choices)


def test_every_option_has_its_ini_key(registry: Registry) -> None:
    named = {name.removeprefix("--").replace("-", "_") for name in registry.helps if name != "--model-archive"}
    assert named == set(registry.keys)


def test_the_options_on_the_command_line_win_over_the_configuration(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ngate_folds = 4\ngate_backtest_days = 20\n")

    settings = read_settings(pytester.parseconfig("--gate-folds=3"), ARCHIVE)

    assert (settings.folds, settings.backtest_days) == (3, 20)


def test_the_command_that_records_names_whatever_decides_about_windows_and_bars(pytester: pytest.Pytester) -> None:
    others = {
        "cassettes": "tapes",
        "as_of": "2024-12-20",
        "backtest_days": "10",
        "walk_forward_days": "60",
        "folds": "3",
        "sessions": "extended",
        "feed": "iex",
        "adjustment": "raw",
        "profile": "strict",
    }
    assert set(others) == {option.setting for option in RECORDING}
    given = [f"{option.name}={others[option.setting]}" for option in RECORDING]

    settings = read_settings(pytester.parseconfig("--model-archive=X.zip", *given), ARCHIVE)

    told = " ".join(f"{option.short_name} {others[option.setting]}" for option in RECORDING)
    assert settings.record_command == f"modelgate record X.zip {told}"


def documented() -> dict[str, str]:
    """The default of each option in README's table, as text."""
    rows = re.findall(r"^\| (`--gate-[^|]*) \| ([^|]*) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    table: dict[str, str] = {}
    for names, defaults in rows:
        options, values = re.findall(r"`(--gate-[a-z-]+)`", names), defaults.split(", ")
        table.update(zip(options, values if len(values) > 1 else values * len(options), strict=True))
    return table


def test_the_readme_lists_every_option(registry: Registry) -> None:
    assert set(documented()) == {name for name in registry.helps if name != "--model-archive"}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.setting)
def test_the_readme_gives_the_default_of_an_option(option: Option) -> None:
    default = documented()[option.name]

    if option.default is None:
        assert default in UNDEFINED
    else:
        typed = f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
        assert default.strip("`") == typed
