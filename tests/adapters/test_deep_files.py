"""Files of the project's own that nest too deep, or are too large: one clear error, whoever reads them."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pytest_modelgate.adapters.cassettes.files import manifest
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.config_files.waivers import read_waivers
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.files.nesting import nests_deeper
from pytest_modelgate.adapters.ledger import record_trials
from pytest_modelgate.adapters.promotion.record import read_record
from pytest_modelgate.adapters.verdict.reader import read_verdict
from pytest_modelgate.core.evidence.records import WindowFailure
from pytest_modelgate.errors import GateError

DEPTHS = (9, 300, 900, 100_000)
TOML: dict[str, Callable[[Path], object]] = {
    "profile": lambda path: load_profile(str(path)),
    "waivers": lambda path: read_waivers(path, date(2025, 1, 1)),
}
JSON: dict[str, Callable[[Path], object]] = {
    "manifest.json": lambda path: manifest(path.parent),
    "ledger": lambda path: record_trials(path, ()),
    "promotion.json": read_record,
    "verdict.json": read_verdict,
}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("text", ["a = {}", "a.b = {}", "[[waiver]]\nreason = {}"])
@pytest.mark.parametrize("file", TOML)
def test_lists_within_lists_of_toml(tmp_path: Path, file: str, text: str, depth: int) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text.format("[" * depth + "]" * depth))

    with pytest.raises(GateError, match=r"mine\.toml: nests tables and lists deeper than 8\. (Correct|Write)"):
        TOML[file](path)


@pytest.mark.parametrize("depth", [9, 300, 100_000])
@pytest.mark.parametrize("text", ["{} = 1", "[{}]", "[[{}]]", "a = {{ {} = 1 }}"])
@pytest.mark.parametrize("file", TOML)
def test_dotted_keys_of_toml(tmp_path: Path, file: str, text: str, depth: int) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text.format(".".join("a" * depth)))

    with pytest.raises(GateError, match=r"mine\.toml: nests tables and lists deeper than 8\. (Correct|Write)"):
        TOML[file](path)


@pytest.mark.parametrize("file", TOML)
def test_large_toml(tmp_path: Path, file: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("# comment\n" * 30_000)

    with pytest.raises(GateError, match=r"mine\.toml: is larger than 262144 bytes\. (Correct|Write)"):
        TOML[file](path)


@pytest.mark.parametrize("text", ["{opened}", "{opened}{closed}", '{{"schema": {opened}{closed}}}'])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("file", JSON)
def test_json(tmp_path: Path, file: str, depth: int, text: str) -> None:
    path = tmp_path / file
    path.write_text(text.format(opened="[" * depth, closed="]" * depth) + "\n")

    with pytest.raises(GateError, match=file):
        JSON[file](path)


def test_a_large_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(f"{{{' ' * (16 << 20)}}}")

    with pytest.raises(GateError, match=r"manifest\.json: is not a manifest"):
        manifest(tmp_path)


@pytest.mark.parametrize("depth", DEPTHS)
def test_evidence(tmp_path: Path, depth: int) -> None:
    store = EvidenceStore(tmp_path, "run")
    store.folder.mkdir()
    (store.folder / "UNIUSD_1Hour.backtest.json").write_text("[" * depth + "]" * depth)

    evidence = store.read("UNIUSD_1Hour", "backtest")

    assert isinstance(evidence, WindowFailure)
    assert evidence.problem == "the record is damaged or was altered"


@pytest.mark.parametrize(
    ("document", "levels"), [(1, 0), ({}, 1), ([[]], 2), ({"a": [1, {"b": 2}]}, 3), ([1, [2], [[[3]]]], 4)]
)
def test_levels_are_counted(document: object, levels: int) -> None:
    assert not nests_deeper(document, levels)
    assert levels == 0 or nests_deeper(document, levels - 1)
