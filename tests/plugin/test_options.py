"""Options: one table of defaults for settings, command lines, configuration and documentation."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from support.option_registry import Registry, registered

from pytest_modelgate.core.config.options import OPTIONS, RECORDING, Option
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.plugin.configuration import refuse_unknown_keys
from pytest_modelgate.plugin.options import archive_path, exit_by_verdict, read_settings

ARCHIVE = Path("X.zip")
OPTIONS_PAGE = Path(__file__).parents[2] / "docs" / "options.md"
UNDEFINED = {
    "told from the shape",
    "what the archive declares",
    "none",
    "off",
    "where `CI` is set",
    "from free memory",
    "what the checkpoint declares",
    "the archive's time stamp",
}
NATIVE_TOML = pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 8 reads no [tool.pytest]")


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


def test_every_option_tells_its_default(registry: Registry) -> None:
    assert [name for name, text in registry.helps.items() if "default: " not in text] == []


def test_the_help_lists_options_by_group_with_examples(pytester: pytest.Pytester) -> None:
    lines = pytester.runpytest_inprocess("--help").outlines

    titles = ["model gate:", "model gate, market data:", "model gate, workers and GPUs:"]
    titles.append("model gate, CI and several machines:")
    places = [lines.index(title) for title in titles]
    assert places == sorted(places)
    groups = {
        name: next(place for place, line in enumerate(lines) if line.startswith(f"  {name}"))
        for name in ("--gate-require", "--gate-feed", "--gate-device", "--gate-shard")
    }
    assert all(title < option for title, option in zip(places, groups.values(), strict=True))
    assert all(option < title for title, option in zip(places[1:], groups.values(), strict=False))
    assert sum(line.startswith("  pytest --model-archive=X.zip") for line in lines) == 3


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
    """The default of each option in the table of the documentation, as text."""
    rows = re.findall(r"^\| (`--gate-[^|]*) \| ([^|]*) \|", OPTIONS_PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    table: dict[str, str] = {}
    for names, defaults in rows:
        options, values = re.findall(r"`(--gate-[a-z-]+)`", names), defaults.split(", ")
        table.update(zip(options, values if len(values) > 1 else values * len(options), strict=True))
    return table


def test_the_documentation_lists_every_option(registry: Registry) -> None:
    assert set(documented()) == {name for name in registry.helps if name != "--model-archive"}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.setting)
def test_the_documentation_gives_the_default_of_an_option(option: Option) -> None:
    default = documented()[option.name]

    if option.default is None:
        assert default in UNDEFINED
    else:
        typed = f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
        assert default.strip("`") == typed


@NATIVE_TOML
def test_numbers_and_switches_are_written_as_such_in_toml(pytester: pytest.Pytester) -> None:
    values = "gate_folds = 4\ngate_capital = 5000\ngate_merge = true\ngate_exit_by_verdict = true\n"
    pytester.makepyprojecttoml(f"[tool.pytest]\n{values}")

    config = pytester.parseconfig()
    settings = read_settings(config, ARCHIVE)

    assert (settings.folds, settings.capital, settings.merge, exit_by_verdict(config, {})) == (4, 5000.0, True, True)


@NATIVE_TOML
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gate_folds = 'four'", "a whole number"),
        ("gate_capital = 'much'", "a number"),
        ("gate_profile = 2.4", "a text, in quotes in TOML"),
        ("gate_merge = 'perhaps'", "true or false"),
        ("gate_exit_by_verdict = 'perhaps'", "true or false"),
        ("gate_evidence = 3", "a list of folders"),
        ("gate_output = 3", "a text, in quotes in TOML"),
    ],
)
def test_a_value_of_another_type_is_told_by_its_key(pytester: pytest.Pytester, line: str, expected: str) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest]\n{line}\n")
    config = pytester.parseconfig()

    key, value = line.split(" = ")
    with pytest.raises(SettingsError, match=rf"^ini key {key}: is {value}, expected {expected}\."):
        _ = read_settings(config, ARCHIVE), exit_by_verdict(config, {})


@pytest.mark.parametrize(
    ("ini", "options", "told"),
    [
        ("gate_reqire = live", (), "ini key gate_reqire: is unknown. Write gate_require."),
        ("gate-require = live", (), "ini key gate-require: is unknown. Write gate_require."),
        ("", ("-o", "gate_foldz=9"), "ini key gate_foldz: is unknown. Write gate_folds."),
        ("gate_keeper = me", (), "ini key gate_keeper: is unknown. Take it out: pytest --help lists all keys."),
    ],
)
def test_a_misspelt_key_leaves_no_threshold_at_its_default(
    pytester: pytest.Pytester, ini: str, options: tuple[str, ...], told: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")

    config = pytester.parseconfig(*options)

    with pytest.raises(SettingsError) as refused:
        refuse_unknown_keys(config)
    assert str(refused.value) == told


def test_keys_of_the_gate_and_of_other_plugins_are_known(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('gate_of_theirs', 'a key of another plugin')")
    pytester.makeini("[pytest]\ngate_require = live\ngate_merge = perhaps\ngate_of_theirs = 1\n")

    refuse_unknown_keys(pytester.parseconfig(pytester.path))


@pytest.mark.parametrize(
    "option", ["--model-archive", "--gate-champion", "--gate-ledger", "--gate-output", "--gate-as-of"]
)
def test_an_option_that_is_given_and_empty_is_refused(pytester: pytest.Pytester, option: str) -> None:
    config = pytester.parseconfig(f"{option}=")

    with pytest.raises(SettingsError, match=f"^{option}: is empty"):
        _ = archive_path(config), read_settings(config, ARCHIVE)


@pytest.mark.parametrize(
    ("ci", "expected"), [(None, False), ("", False), ("false", False), ("true", True), ("1", True)]
)
def test_the_exit_status_follows_the_verdict_where_ci_is_set(
    pytester: pytest.Pytester, ci: str | None, *, expected: bool
) -> None:
    assert exit_by_verdict(pytester.parseconfig(), {} if ci is None else {"CI": ci}) is expected
