"""What a worker that may be elsewhere is told at the start: options, where the run lies, what it may ask for."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.cassettes.files import MANIFEST
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.plugin.options import asked_for, waivers_path

MARK = "mark"
CASSETTES = "cassettes"
_CHAMPION = "champion"


class Terms:
    """What workers are told of a run, in types that every connection carries.

    Args:
        folders: of the run, which workers beside it share.
        surroundings: says what besides the options evidence of a worker depends on.

    Attributes:
        files: what a worker elsewhere gets copies of, by number.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        archive: Archive,
        *,
        folders: tuple[Path, ...],
        surroundings: Callable[[], Mapping[str, str]],
    ) -> None:
        self._archive, self._folders, self._surroundings = archive, folders, surroundings
        self._record_command = settings.record_command
        self._secret = secrets.token_hex(16)
        self._options, champion = asked_for(config), _deployed(settings)
        self._named = _named(config, settings, champion)
        copies = list(_copies(self._named, champion))
        self.files: list[Path] = [path for path, _ in copies]
        self._names = [name for _, name in copies]
        self._evidence = [str(folder.absolute()) for folder in settings.evidence]

    def leave_mark(self) -> None:
        """Leave a mark in the folders: a worker that finds it there shares them."""
        for folder in self._folders:
            (folder / MARK).write_text(self._secret, encoding="ascii")

    def told(self) -> dict[str, Any]:
        """All of it."""
        listing = self._archive.listing()
        return {
            "marks": [str(folder / MARK) for folder in self._folders],
            "secret": self._secret,
            "options": self._options,
            "here": {key: str(item.here.absolute()) for key, item in self._named.items()},
            "there": {key: item.there for key, item in self._named.items()},
            "evidence": self._evidence,
            "files": self._names,
            "listing": (listing.name, dict(listing.sizes), listing.odd, listing.packed, listing.sha256),
            "record_command": self._record_command,
            "surroundings": dict(self._surroundings()),
        }


class _Named(NamedTuple):
    """A file or folder that an option names: where it lies, and what it is called in a worker's folder."""

    here: Path
    there: str


def _named(config: pytest.Config, settings: Settings, champion: Path | None) -> dict[str, _Named]:
    """What options name, by their ini keys; ledger and comparison are the business of the process that reports."""
    named = {
        "model_archive": _Named(settings.archive, settings.archive.name),
        "gate_output": _Named(settings.output, "output"),
        "gate_cassettes": _Named(settings.cassettes, CASSETTES),
    }
    if champion is not None:
        named["gate_champion"] = _Named(champion, f"{_CHAMPION}/{champion.name}" if champion.is_file() else _CHAMPION)
    if (waivers := waivers_path(config)) is not None:
        named["gate_waivers"] = _Named(waivers, "waivers.toml")
    if settings.profile.endswith(".toml"):
        named["gate_profile"] = _Named(Path(settings.profile), "profile.toml")
    return named


def _copies(named: Mapping[str, _Named], champion: Path | None) -> Iterator[tuple[Path, str]]:
    """Files that a worker elsewhere needs whatever it evaluates, and what they are called there."""
    yield from (named[key] for key in ("gate_profile", "gate_waivers") if key in named)
    manifest = named["gate_cassettes"].here / MANIFEST
    if manifest.is_file():
        yield manifest, f"{CASSETTES}/{MANIFEST}"
    if champion is not None:
        from pytest_modelgate.services.champions import champion_files

        folder, names = champion_files(champion)
        for name in names:
            yield folder / name, f"{_CHAMPION}/{name}"


def _deployed(settings: Settings) -> Path | None:
    if settings.champion is None:
        return None
    from pytest_modelgate.services.champions import deployed

    return deployed(settings.champion)
