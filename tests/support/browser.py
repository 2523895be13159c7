"""A real Chromium, headless."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, ViewportSize, sync_playwright

REQUIRED = "MODELGATE_BROWSER_REQUIRED"
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Containers have no sandbox of their own to nest in; nothing here may ask the network for anything.
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@dataclass
class Watched:
    """A page, and what it did that a report must not do."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it; where there is none, skip, or fail where it is required (``.ci/run``)."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        missing = f"no Chromium is installed (looked for {', '.join(_NAMES)})"
        if os.environ.get(REQUIRED):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser,
    file: Path,
    *,
    scheme: Literal["light", "dark"] = "light",
    width: int = 1280,
    scripts: bool = True,
) -> Iterator[Watched]:
    """Open a file and watch what it does."""
    size: ViewportSize = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=scripts)
    page = context.new_page()
    watched = Watched(page)
    page.on("console", lambda message: watched.console.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: watched.console.append(f"error: {error}"))
    page.on("request", lambda request: watched.requests.append(request.url))
    page.on("dialog", partial(_dismiss, watched))
    page.goto(file.as_uri())
    yield watched
    context.close()


def _dismiss(watched: Watched, dialog: Dialog) -> None:
    watched.dialogs.append(dialog.message)
    dialog.dismiss()
