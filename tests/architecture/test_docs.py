"""The documentation names files and tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("examples/**/README.md"),
    ROOT / "cassettes/README.md",
]
PLACES = [ROOT, ROOT / "pytest_modelgate", ROOT / "tests", ROOT / "examples"]
_FILE = re.compile(r"`(?:python )?([\w.-]+(?:/[\w.-]+)+\.py|test_\w+\.py)\b[^`\n]*`")
_TEST = re.compile(r"`(?:[\w/]+/)?(test_\w+)`")
_LINK = re.compile(r"\]\(([^)#:]+)\)")


def named(pattern: re.Pattern[str], page: Path) -> set[str]:
    return set(pattern.findall(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_file_that_a_page_names_or_links_to_exists(page: Path) -> None:
    assert not [
        name for name in named(_FILE, page) if not any((place / name).exists() for place in [*PLACES, page.parent])
    ]
    assert not [link for link in named(_LINK, page) if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_test_that_a_page_names_exists(page: Path) -> None:
    sources = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("model_tests/*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)

    assert not [name for name in named(_TEST, page) if f"def {name}(" not in code]


def test_the_threat_model_names_a_test_for_every_requirement() -> None:
    text = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \|.*\| ([^|]*) \|$", text, re.MULTILINE)

    assert len(rows) >= 11
    assert all(_FILE.search(row) for row in rows)
