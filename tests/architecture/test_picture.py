"""The picture of the floors in ARCHITECTURE.md, held against what is imported."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_modelgate"
FLAT = {"digest", "errors", "text"}  # floors that are one module
NEIGHBOURS = ({"cli", "plugin"},)  # drawn one under the other, but neither builds on the other
OUTSIDE = {"schemas"}  # a command of its own, which writes the published schemas


def picture() -> list[tuple[str, list[str]]]:
    """Floor and rooms of every line, from top to bottom."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    block = text[text.index("## Floors") :].split("\n\n")[2]
    lines: list[tuple[str, list[str]]] = []
    continued = False
    for line in block.splitlines():
        match = re.fullmatch(r"    (\w*) *(.*)", line)
        assert match, line
        floor, rooms = match[1] or lines[-1][0], [room for room in re.split(r",\s*", match[2]) if room]
        if continued:
            lines[-1][1].extend(rooms)
        else:
            lines.append((floor, rooms))
        continued = line.endswith(",")
    return lines


def room_of(module: str) -> tuple[str, str]:
    """Floor and room of a dotted name beneath the package."""
    floor, _, rest = module.partition(".")
    return floor, rest.partition(".")[0]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if (room_of(module)[0] not in OUTSIDE and module.count(".")) or module in FLAT:
            yield module, path


def imports(path: Path) -> Iterator[str]:
    """What a module imports of ours when it runs: what stands before type checkers alone is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("pytest_modelgate.") for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            base = str(node.module).removeprefix("pytest_modelgate").lstrip(".")
            for alias in node.names:
                target = PACKAGE.joinpath(*base.split("."), alias.name)
                named = target.is_dir() or target.with_suffix(".py").is_file()
                yield f"{base}.{alias.name}".lstrip(".") if named else base


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "pytest_modelgate"


def test_every_room_is_drawn_and_every_drawn_room_is_there() -> None:
    drawn = {(floor, room) for floor, rooms in picture() for room in rooms or [""]}
    there = {room_of(module) for module, _ in modules()}

    assert drawn == there


def test_no_import_points_up_or_sideways() -> None:
    lines = {(floor, room): line for line, (floor, rooms) in enumerate(picture()) for room in rooms or [""]}
    wrong = []
    for module, path in modules():
        mine = room_of(module)
        for imported in imports(path):
            other = room_of(imported)
            beside = any({mine[0], other[0]} == pair for pair in NEIGHBOURS)
            if other != mine and (beside or lines.get(other, -1) <= lines[mine]):
                wrong.append(f"{module} imports {imported}")

    assert wrong == []


def test_a_floor_is_drawn_in_one_piece() -> None:
    floors = [floor for floor, _ in picture()]
    starts = [later for earlier, later in pairwise(["", *floors]) if later != earlier]

    assert len(starts) == len(set(starts))
