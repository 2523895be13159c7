"""Text from archives, files and verdicts, made fit for messages, terminals, runners and shells."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable

_PLAIN_TO_CMD = re.compile(r"[\w.:=/\\-]+", re.ASCII)


def shell_command(words: Iterable[str], platform: str = sys.platform) -> str:
    """A command that works as pasted: into a POSIX shell, in ASCII, or, where ``platform`` is ``win32``, into cmd.exe.

    Only bash, zsh and their like read what holds other letters; cmd.exe expands ``%NAME%`` even between quotes.
    """
    return " ".join(map(_cmd_word if platform == "win32" else _posix_word, words))


def _posix_word(word: str) -> str:
    if word.isascii() and word.isprintable() and inert(word) == word:
        return shlex.quote(word)
    harmless = {ord(letter) for letter in map(chr, range(32, 127)) if letter not in "\\'#:"}
    return "$'" + "".join(chr(byte) if byte in harmless else f"\\{byte:03o}" for byte in os.fsencode(word)) + "'"


def _cmd_word(word: str) -> str:
    """In quotes, between which cmd.exe takes ``&``, ``|``, ``<``, ``>``, ``^`` and brackets as they are."""
    if _PLAIN_TO_CMD.fullmatch(word):
        return word
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', word)  # backslashes count where a quote follows, the closing one too
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{escaped}"'


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
