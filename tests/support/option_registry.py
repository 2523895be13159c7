"""What the plugin registers, in place of pytest's parser."""

from __future__ import annotations

from typing import Any

from pytest_modelgate.plugin.options import add_options


class Registry:
    """Help, placeholder and ini key of each option."""

    def __init__(self) -> None:
        self.helps: dict[str, str] = {}
        self.placeholders: dict[str, str] = {}
        self.keys: dict[str, Any] = {}

    def getgroup(self, *_: str) -> Registry:
        return self

    def addoption(self, name: str, **attributes: Any) -> None:
        self.helps[name] = attributes["help"]
        self.placeholders[name] = attributes.get("metavar") or ""

    def addini(self, key: str, _help: str, *, default: Any, **_: Any) -> None:
        self.keys[key] = default


def registered() -> Registry:
    parser: Any = Registry()
    add_options(parser)
    found: Registry = parser
    return found
