from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.errors import SettingsError


@pytest.mark.parametrize("name", ["2.4", "", "../profiles/2.4.5", "STRICT"])
def test_an_unknown_name_is_answered_with_the_built_in_ones(name: str) -> None:
    with pytest.raises(SettingsError, match=r"--gate-profile: .* built in are 2\.3, 2\.4\.5, 2\.4\.5-literal, 4\.1\.0"):
        load_profile(name)


@pytest.mark.parametrize("name", ["mine.toml", "MINE.TOML"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_profile_of_ones_own_may_extend_a_built_in_one(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_text('name = "mine"\nextends = "strict"\n[backtest]\nmax_drawdown = 0.1\n', encoding=encoding)
    profile = load_profile(str(path))
    assert (profile.name, profile.backtest.max_drawdown) == ("mine", 0.1)
    assert profile.approved == load_profile("strict").approved


def test_a_profile_of_ones_own_must_not_pass_for_a_built_in_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "strict"\nextends = "2.4.5"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="'strict' is the name of a built-in profile"):
        load_profile(str(path))


def test_a_profile_of_ones_own_cannot_extend_what_is_not_built_in(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nextends = "house"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="'house' is unknown"):
        load_profile(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml: cannot be read: No such file"):
        load_profile(str(tmp_path / "absent.toml"))


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(SettingsError, match=r"mine\.toml: cannot be read: it is not UTF-8 text"):
        load_profile(str(path))
