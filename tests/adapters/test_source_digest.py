"""The versions of the code: what evidence depends on changes them, and nothing else does."""

import ast
import shutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_modelgate.adapters import source_digest
from pytest_modelgate.adapters.source_digest import EVIDENCE, evidence_version, package_version

PACKAGE = Path(source_digest.__file__).parents[1]
NEEDLESS = {  # imported by what measures, and why evidence does not depend on it
    "adapters/alpaca/failures.py": "words failures",
    "adapters/alpaca/keys.py": "a replay needs no keys",
    "adapters/alpaca/transport.py": "a replay needs no network",
    "adapters/archive/writer.py": "archives are only read",
    "adapters/evidence/store.py": "gives back what was written, under a schema of its own",
    "adapters/files/atomic.py": "writes",
    "adapters/gpu/nvidia_smi.py": "says which GPUs there are, and why none is used",
    "adapters/promotion": "says which checkpoint is deployed: its digest is in the key",
    "adapters/verdict": "says which checkpoint is deployed: its digest is in the key",
    "adapters/files/nesting.py": "refuses, and changes nothing that it lets through",
    "core/config/decision_level.py": "decides",
    "core/config/waivers.py": "decides",
    "core/planning/looks.py": "counts trials, by which is decided",
    "core/training/gating.py": "decides",
    "digest.py": "spells keys: with other code they are others",
    "errors.py": "failures are not used again",
    "services/accelerator.py": "says where a policy is evaluated: actions are the same everywhere",
    "text.py": "words failures",
}


def is_under(file: str, place: str) -> bool:
    return file == place or file.startswith(f"{place}/")


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements but those that type checkers alone see."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from statements(child)


def imported(file: str) -> set[str]:
    """Files of the package that a file imports."""
    names: set[str] = set()
    for node in statements(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = {name.partition(".")[2].replace(".", "/") for name in names if name.startswith("pytest_modelgate.")}
    files = {f"{path}{ending}" for path in ours for ending in (".py", "/__init__.py")}
    return {path for path in files if (PACKAGE / path).is_file()}


@cache
def needed() -> set[str]:
    """Files that measuring imports, directly or not, and those of what it is handed."""
    handed = [
        "services/champions.py",
        "services/watching.py",
        "core/features/reference.py",
        "adapters/gpu/torch_device.py",
    ]
    todo, seen = ["services/evaluator.py", *handed], set[str]()
    while todo:
        file = todo.pop()
        if file not in seen and not any(is_under(file, place) for place in NEEDLESS):
            seen.add(file)
            todo += imported(file)
    return {file for file in seen if not is_bare(PACKAGE / file)}


def is_bare(file: Path) -> bool:
    """Whether a file only says what its package is for."""
    return file.name == "__init__.py" and len(ast.parse(file.read_text()).body) <= 1


def sources() -> list[str]:
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if not is_bare(path))


def test_evidence_depends_on_what_measuring_imports() -> None:
    watched = {file for file in sources() if any(is_under(file, place) for place in EVIDENCE)}

    assert watched == needed()


def test_what_is_watched_is_there() -> None:
    assert [place for place in EVIDENCE if not (PACKAGE / place).exists()] == []


def test_what_is_called_needless_is_imported() -> None:
    """Or else the list of exceptions outlives its reasons."""
    reached = {target for file in needed() for target in imported(file)}

    assert [place for place in NEEDLESS if not any(is_under(file, place) for file in reached)] == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(PACKAGE, tmp_path_factory.mktemp("copy") / "pytest_modelgate")


@pytest.mark.parametrize("package", sorted({Path(file).parent.as_posix() for file in sources()}))
def test_one_byte_changes_the_key_where_evidence_depends_on_it(copy: Path, package: str) -> None:
    before, whole = evidence_version.__wrapped__(copy), package_version.__wrapped__(copy)
    for file in (file for file in sources() if Path(file).parent.as_posix() == package):
        content = (copy / file).read_bytes()
        (copy / file).write_bytes(content + b"#")
        assert (evidence_version.__wrapped__(copy) != before) == (file in needed()), file
        assert package_version.__wrapped__(copy) != whole, file
        (copy / file).write_bytes(content)


def test_line_endings_do_not_count(copy: Path) -> None:
    before = evidence_version.__wrapped__(copy)
    file = copy / "core/typing.py"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"\n", b"\r\n"))

    assert evidence_version.__wrapped__(copy) == before
    file.write_bytes(content)


@pytest.mark.parametrize("library", ["exchange-calendars", "numpy", "pandas"])
def test_another_release_of_a_library_counts(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    before = evidence_version.__wrapped__()
    monkeypatch.setattr(
        "pytest_modelgate.adapters.source_digest.version", lambda name: "9.9" if name == library else version(name)
    )

    assert evidence_version.__wrapped__() != before
