"""An archive's own text, made fit for a message."""

from __future__ import annotations


def plain(text: str, limit: int = 120) -> str:
    """ASCII without control characters, cut to a sane length, for names that stand without quotes."""
    return ascii(text[:limit])[1:-1] + ("..." if len(text) > limit else "")


def shown(value: object, limit: int = 60) -> str:
    """A JSON value as a message shows it: text quoted and cut, lists and objects by their kind."""
    if isinstance(value, str):
        return ascii(value[:limit]) + ("..." if len(value) > limit else "")
    if isinstance(value, list):
        return f"a list of {len(value)} values" if value else "an empty list"
    if isinstance(value, dict):
        return "an object"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return plain(repr(value), limit)


def inert(text: str) -> str:
    """Text in which GitHub's runner finds no workflow command, wherever a line is broken.

    It takes ``::name::`` at the start of any line of output for one, and ``##[name]`` anywhere in it.
    """
    return text.replace("::", ": :").replace("##[", "## [")
