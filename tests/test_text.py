"""Four ways to show a stranger's text, each for a place of its own."""

import pytest

from pytest_modelgate.text import inert, plain, shown, terminal_safe


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
