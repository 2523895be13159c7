"""What users import stands in the root, and whatever we show them imports nothing else."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_modelgate

ROOT = Path(__file__).parents[2]
SHOWN = [
    *sorted(ROOT.glob("model_tests/*.py")),
    *sorted(ROOT.glob("examples/**/*.py")),
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
_IMPORT = re.compile(
    r"^\s*(from pytest_modelgate(?P<deep>\.[\w.]+)? import (?P<names>[\w, ]+)|import pytest_modelgate\.)"
)


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of every import of ours, in code or in a page's examples of code."""
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pytest_modelgate":
                yield from ((str(node.module), alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names if alias.name.startswith("pytest_modelgate."))
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _IMPORT.match(line):
            module = f"pytest_modelgate{match['deep'] or ''}" if match["names"] else "pytest_modelgate."
            yield from ((module, name.strip()) for name in (match["names"] or "").split(","))


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_users_see_imports_public_names_from_the_root(path: Path) -> None:
    for module, name in imported(path):
        assert module == "pytest_modelgate", f"{module} is private"
        assert name in pytest_modelgate.__all__, name


def test_the_pages_show_imports_at_all() -> None:
    shown = {path.name for path in SHOWN if list(imported(path))}

    assert {"archive.md", "features.md", "test_decision.py", "train_ppo.py"} <= shown


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in pytest_modelgate.__all__:
        value = getattr(pytest_modelgate, name)
        assert not (inspect.isclass(value) or inspect.isfunction(value)) or inspect.getdoc(value), name


def test_a_misspelt_name_is_an_error_here_and_before_type_checkers() -> None:
    """Mypy and basedpyright complain of the comment that follows, did they not find the name wrong."""
    with pytest.raises(AttributeError, match="write_archiv"):
        _ = pytest_modelgate.write_archiv  # type: ignore[attr-defined]
