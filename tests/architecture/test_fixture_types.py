"""Types of the gate's fixtures: whoever annotates a test finds them in the root of the package."""

import ast
import re
from pathlib import Path

import pytest_modelgate
from pytest_modelgate.plugin.collection import ALIASES

ALIASES_FILE = Path(pytest_modelgate.__file__).parent / "plugin" / "aliases.py"
PAGE = Path(__file__).parents[2] / "docs" / "fixtures.md"


def returned() -> dict[str, str]:
    tree = ast.parse(ALIASES_FILE.read_text(encoding="utf-8"))
    return {
        node.name: ast.unparse(node.returns) for node in tree.body if isinstance(node, ast.FunctionDef) and node.returns
    }


def test_every_short_name_returns_what_users_can_import() -> None:
    assert returned().keys() == ALIASES
    for annotation in returned().values():
        assert set(re.findall(r"\w+", annotation)) - {"dict", "str"} <= set(pytest_modelgate.__all__), annotation


def test_the_readme_tells_these_types() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ((?:`[\w\[\], ]+`(?:, )?)+):", PAGE.read_text("utf-8"), re.MULTILINE)
    told = {
        name: kind
        for names, kinds in rows
        for name, kind in zip(re.findall(r"`(\w+)`", names), re.findall(r"`([^`]+)`", kinds), strict=True)
    }
    assert {"bars", "fold_result", "decision", "sanity"} <= told.keys()
    assert told.items() <= returned().items()
