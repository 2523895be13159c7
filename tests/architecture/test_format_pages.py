"""What the pages about formats of model files show works as it stands there."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from pathlib import Path

import pytest

from pytest_modelgate.cli.main import main

ROOT = Path(__file__).parents[2]
pytest.importorskip("torch")


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run(code: str, names: dict[str, object]) -> None:
    """Run what a page shows, without what exporters say meanwhile."""
    silent = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with silent[0], silent[1], warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, names)


@pytest.mark.parametrize(
    "case",
    [
        ("onnx.md", "BTCUSD_1Hour.onnx", 0),
        pytest.param(("onnx.md", "BTCUSD_1Hour.onnx", 1), marks=pytest.mark.long),
        ("safetensors.md", "BTCUSD_1Hour.safetensors", 0),
        ("state-dicts.md", "BTCUSD_1Hour.pth", 0),
    ],
)
def test_what_a_page_shows_would_be_judged(
    case: tuple[str, str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, file, export = case
    if page == "onnx.md":
        pytest.importorskip("onnx")
    if page == "safetensors.md":
        pytest.importorskip("safetensors")
    if export:
        pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    first, *further = blocks(page, "python")
    run(first, names)
    if export:
        (tmp_path / file).unlink()
        run(further[0], names)
    (tmp_path / "BTCUSD_1Hour.json").write_text(blocks(page, "json")[0], encoding="utf-8")
    run(blocks("onnx.md", "python")[-1].replace("BTCUSD_1Hour.onnx", file), names)
    (archive,) = tmp_path.glob("*.zip")
    assert main(["check", str(archive)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"parity +proven", told)
    assert re.search(r"actions +HOLD, TARGET_100, CLOSE", told)
