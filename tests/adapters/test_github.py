"""Markdown and workflow commands, in which a stranger's text stays text."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_modelgate.adapters.github import annotation, append_step_summary, code, markdown, table

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
PIECES = [
    "|",
    "`",
    "``",
    "*",
    "_",
    "<b>",
    "[x](y)",
    "![",
    "\n",
    "#",
    "1. ",
    "- ",
    "&lt;",
    "\\",
    "~~",
    "a",
    "http://b.c",
]
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


def shown(html: str) -> str:
    return " ".join(html.split())


@given(texts)
def test_text_in_a_paragraph_shows_as_it_is(text: str) -> None:
    html = MARKDOWN.render(f"before {markdown(text)}")

    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert shown(html) == f"<p>before {plain}</p>".replace("before </p>", "before</p>")


@given(texts)
def test_text_in_a_list_begins_neither_list_nor_title(text: str) -> None:
    html = MARKDOWN.render(f"1. {markdown(text)}x")

    assert html.count("<li>") == html.count("<ol>") == 1
    assert "<h" not in html
    assert "<ul" not in html


@given(st.tuples(texts, texts))
def test_cells_never_break_their_table(cells: tuple[str, str]) -> None:
    html = MARKDOWN.render("\n".join(table(("a", "b", "c"), [[markdown(cells[0]), code(cells[1]), "end"]])))

    assert html.count("<td>") == 3
    assert "<td>end</td>" in html  # a cell too many would push it out
    assert html.count("<tr>") == 2
    for tag in ("<b>", "<a", "<img", "<em", "<s>"):
        assert tag not in html


@pytest.mark.parametrize("text", ["https://example.com", "www.example.com", "see http://a.b and www.c.d"])
def test_addresses_do_not_become_links(text: str) -> None:
    escaped = markdown(text)

    assert not re.search(r"(?<!\\)://|www(?<!\\)\.", escaped)
    assert MARKDOWN.render(escaped) == f"<p>{text}</p>\n"


def test_a_workflow_command_is_one_line_whatever_it_tells() -> None:
    line = annotation("error", "a,b: c\n::warning::", "50 %\r\n::set-output name=x::y")

    assert line == "::error title=a%2Cb%3A c%0A%3A%3Awarning%3A%3A::50 %25%0D%0A::set-output name=x::y"


def test_a_summary_too_long_for_github_is_cut_and_says_so(tmp_path: Path) -> None:
    page = tmp_path / "step.md"

    append_step_summary({"GITHUB_STEP_SUMMARY": str(page)}, "é" * 600_000)

    assert page.stat().st_size < 2**20
    assert page.read_text(encoding="utf-8").endswith("é\n\n(cut: summary.md has it all)\n")


def test_without_github_or_when_it_cannot_be_written_nothing_happens(tmp_path: Path) -> None:
    append_step_summary({}, "text")
    append_step_summary({"GITHUB_STEP_SUMMARY": str(tmp_path)}, "text")
    assert list(tmp_path.iterdir()) == []
