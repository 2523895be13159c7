"""Markdown, workflow commands and outputs of steps for GitHub, in which a stranger's text stays text."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pytest_modelgate.errors import SettingsError

_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&@$!]|(?<=\w):(?=//)|(?<=\bwww)\.")
_START = re.compile(r"^[-+=](?=\s|$)|(?<=^\d)[.)]")  # would begin a list, or underline a title
_MOST_SUMMARY = 900_000  # bytes; GitHub refuses a step's summary above 1 MiB


def markdown(text: str) -> str:
    """Text in a paragraph, a list or a cell: no emphasis, link, image, HTML or mention comes of it."""
    escaped = _MARKUP.sub(_behind_backslash, " ".join(text.split()))
    return _START.sub(_behind_backslash, escaped)


def code(text: str) -> str:
    """A name as code; in a table as well."""
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text.split() else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; every cell has to be Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def annotation(kind: Literal["error", "warning"], title: str, text: str) -> str:
    """A workflow command that marks a run; one line, whatever title and text contain."""
    return f"::{kind} title={_property(title)}::{_data(text)}"


def append_step_summary(environment: Mapping[str, str], text: str) -> None:
    """Show Markdown on the page of the workflow's run; nothing where there is none, or it cannot be written."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    cut = text.encode()[:_MOST_SUMMARY].decode(errors="ignore")
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(cut + ("" if cut == text else "\n\n(cut: summary.md has it all)") + "\n")
    except OSError:
        return  # a summary is a courtesy: the verdict stands in its file


def set_outputs(environment: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Hand outputs of a step on to the steps and jobs after it; elsewhere they are printed.

    Raises:
        SettingsError: the file cannot be written, or a text would be read as more than one output.
    """
    lines = [f"{name}={value}" for name, value in outputs.items()]
    for name, line in zip(outputs, lines, strict=True):
        if len(line.splitlines()) > 1:
            raise SettingsError(f"output {name}", "has more than one line", "Report this, with the command")
    path = environment.get("GITHUB_OUTPUT")
    if not path:
        print(*lines, sep="\n")  # noqa: T201 - whoever plays a workflow's step by hand reads it
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise SettingsError("GITHUB_OUTPUT", f"cannot be written: {error.strerror}", "Check the runner") from None


@contextmanager
def commands_stopped(environment: Mapping[str, str]) -> Iterator[None]:
    """Let nothing that is printed within the block be a command to GitHub's runner, as a stranger's text might be."""
    if environment.get("GITHUB_ACTIONS") != "true":
        yield
        return
    word = secrets.token_hex(16)
    _say(f"::stop-commands::{word}")
    try:
        yield
    finally:
        _say(f"::{word}::")


def _say(line: str) -> None:
    """Print a line before whatever other processes print after it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _behind_backslash(match: re.Match[str]) -> str:
    return f"\\{match[0]}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
