"""What a worker that may be elsewhere is told at the start: options, where the run lies, what it may ask for."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.cassettes.files import MANIFEST
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.plugin.options import asked_for, waivers_path

MARK = "mark"
CASSETTES = "cassettes"


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
        self._copies = _copies(config, settings)
        self.files = tuple(path for path, _ in self._copies)
        self._options = asked_for(config)
        self._here, self._there = _places(config, settings)

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
            "here": self._here,
            "there": self._there,
            "files": [name for _, name in self._copies],
            "listing": (listing.name, dict(listing.sizes), listing.odd, listing.packed, listing.sha256),
            "record_command": self._record_command,
            "surroundings": dict(self._surroundings()),
        }


def _copies(config: pytest.Config, settings: Settings) -> list[tuple[Path, str]]:
    """Files that a worker elsewhere needs whatever it evaluates, and what they are called there."""
    copies = [(Path(settings.profile), "profile.toml")] if settings.profile.endswith(".toml") else []
    if (waivers := waivers_path(config)) is not None:
        copies.append((waivers, "waivers.toml"))
    if (manifest := settings.cassettes / MANIFEST).is_file():
        copies.append((manifest, f"{CASSETTES}/{MANIFEST}"))
    if settings.champion is not None:
        from pytest_modelgate.services.champions import champion_files, deployed

        folder, names = champion_files(deployed(settings.champion))
        copies += [(folder / name, f"champion/{name}") for name in names]
    return copies


def _places(config: pytest.Config, settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values of options that name files, here and in a folder elsewhere."""
    champion = settings.champion
    if champion is not None:
        from pytest_modelgate.services.champions import deployed

        champion = deployed(champion)
    own = settings.profile.endswith(".toml")
    here = {
        "model_archive": settings.archive,
        "gate_output": settings.output,
        "gate_cassettes": settings.cassettes,
        "gate_champion": champion,
        "gate_waivers": waivers_path(config),
        **({"gate_profile": Path(settings.profile)} if own else {}),
    }
    there = {
        "model_archive": settings.archive.name,
        "gate_output": "output",
        "gate_cassettes": CASSETTES,
        "gate_champion": None if champion is None else f"champion/{'' if champion.is_dir() else champion.name}",
        "gate_waivers": None if here["gate_waivers"] is None else "waivers.toml",
        **({"gate_profile": "profile.toml"} if own else {}),
    }
    absolute = {key: None if path is None else str(path.absolute()) for key, path in here.items()}
    return {**absolute, "gate_evidence": [str(path.absolute()) for path in settings.evidence]}, there
