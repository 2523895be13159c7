"""Profiles on disk: the built-in ones and the user's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pytest_modelgate.adapters.config_files.toml import read_toml
from pytest_modelgate.core.config.profiles import Profile, parse_profile
from pytest_modelgate.errors import SettingsError

_BUILTIN = files("pytest_modelgate") / "profiles"


def builtin_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the package, sorted."""
    names = (entry.name for entry in _BUILTIN.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_profile(name_or_path: str) -> Profile:
    """A built-in profile by name, or a user's own from a path that ends in ``.toml``.

    Raises:
        SettingsError: an unknown name, an unreadable file, a faulty profile, or a user's profile that bears the name
            of a built-in one.
    """
    if not name_or_path.lower().endswith(".toml"):
        return parse_profile(_builtin_text(name_or_path), name_or_path, _builtin_text)
    remedy = f"Check the path, or name a built-in profile: {', '.join(builtin_profiles())}"
    text = read_toml(Path(name_or_path), f"profile {name_or_path}", (remedy, "Correct the file")).text
    profile = parse_profile(text, name_or_path, _builtin_text)
    if profile.name in builtin_profiles():
        problem = f"{profile.name!r} is the name of a built-in profile"
        raise SettingsError(f"profile {name_or_path}, key name", problem, "Give your profile a name of its own")
    return profile


def _builtin_text(name: str) -> str:
    if name not in builtin_profiles():
        problem = f"{name!r} is unknown, built in are {', '.join(builtin_profiles())}"
        raise SettingsError("--gate-profile", problem, "Name one of these, or a file that ends in .toml")
    return (_BUILTIN / f"{name}.toml").read_text(encoding="utf-8")
