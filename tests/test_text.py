"""Ways to show a stranger's text, each for a place of its own, and commands for shells."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelgate.text import inert, plain, shell_command, shown, terminal_safe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("UNIUSD_1Hour.pt", "UNIUSD_1Hour.pt"),
        ("a\x1b[31m\nb", r"a\x1b[31m\nb"),
        ("\u00e9\u202e", r"\xe9\u202e"),
        (r"C:\models", r"C:\\models"),
        ("x" * 121, "x" * 120 + "..."),
    ],
)
def test_a_name_without_quotes_is_printable_ascii_with_a_backslash_doubled(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("it's\n", r'''"it's\n"'''),
        ("x" * 61, "'" + "x" * 60 + "'..."),
        ([1, 2], "a list of 2 values"),
        ([], "an empty list"),
        ({"a": 1}, "an object"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (10**70, "1" + "0" * 59 + "..."),
    ],
)
def test_a_json_value_is_quoted_if_text_and_told_by_its_kind_if_it_holds_others(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_a_sentence_keeps_its_letters_and_loses_its_commands() -> None:
    assert inert("::error::\u00e9\n ##[add-mask]x C:\\models") == ": :error: :\u00e9\n ## [add-mask]x C:\\models"


def test_text_for_a_terminal_keeps_paths_as_they_are_typed_and_shows_what_it_escapes() -> None:
    assert (
        terminal_safe("C:\\models \u00e9\x1b\n::error::##[x]") == "C:\\models \\xe9\\x1b\\x0a:\\x3aerror:\\x3a#\\x23[x]"
    )


words = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12), max_size=4)


@pytest.mark.skipif(sys.platform == "win32", reason="for a POSIX shell")
@settings(max_examples=25, deadline=None)
@given(words)
def test_a_command_for_a_posix_shell_is_ascii_and_read_back_word_for_word(given_words: list[str]) -> None:
    command = shell_command(["printf", "%s\\0", *given_words, "end"], "linux")

    assert command.isascii()
    assert command.isprintable()
    read = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    assert read.decode().split("\0")[:-1] == [*given_words, "end"]


def read_by_windows(command: str) -> list[str]:
    """Words of a command line by the rules of Microsoft's C runtime."""
    found: list[str] = []
    word, inside, place = "", False, 0
    begun = False
    while place < len(command):
        slashes, quote = re.match(r'(\\*)("?)', command[place:]).groups()  # type: ignore[union-attr]
        place += len(slashes) + len(quote)
        if quote:
            word += "\\" * (len(slashes) // 2)
            begun = True
            if len(slashes) % 2:
                word += '"'
            else:
                inside = not inside
        elif slashes:
            word, begun = word + slashes, True
        elif command[place] == " " and not inside:
            if begun:
                found.append(word)
            word, begun, place = "", False, place + 1
        else:
            word, begun, place = word + command[place], True, place + 1
    return [*found, word] if begun else found


@given(st.lists(st.text(st.sampled_from("ab \\&|<>^()%!;,=.-'"), max_size=8), min_size=1, max_size=4))
def test_a_command_for_cmd_exe_is_read_back_word_for_word(given_words: list[str]) -> None:
    command = shell_command(given_words, "win32")

    assert read_by_windows(command) == given_words
    outside = "".join(command.split('"')[::2])  # where cmd.exe would act on these
    assert not set("&|<>^();,'!%") & set(outside)
