"""Text from archives, files and verdicts, made fit for messages, terminals and runners."""

from __future__ import annotations


def plain(text: str, limit: int = 120) -> str:
    """A name for a message, without quotes: printable ASCII, cut to so many letters."""
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
    """Text for messages and files, of any letters, in which GitHub's runner finds no workflow command.

    It takes ``::name::`` at the start of any line of output for one, white space apart, and ``##[name]`` anywhere.
    """
    return text.replace("::", ": :").replace("##[", "## [")


def terminal_safe(text: str) -> str:
    """Text for any terminal: ASCII that cannot move its cursor, and no workflow command (see ``inert``).

    Whatever is taken out shows as an escape, so that a path or an id can still be told from another.
    """
    return (
        "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
        .encode("ascii", "backslashreplace")
        .decode("ascii")
        .replace("::", ":\\x3a")
        .replace("##[", "#\\x23[")
    )
