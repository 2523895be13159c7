"""What cannot be used at all ends with exit status 4 and one clear message, before anything is collected."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.model_factory import APPROVED, checkpoint, follow
from support.plugin_helpers import GOOD, GateResult, RunGate, pack

SUMMARY = "training_summary_20241227_211819.json"
MODEL = "models/rl_symbols/WAVUSD_1Hour.pt"


def assert_refused(result: GateResult, *told: str) -> None:
    assert result.run.ret == 4
    message = result.run.stderr.str()
    for text in told:
        assert text in message
    assert "Traceback" not in result.text
    assert "INTERNALERROR" not in result.text
    assert not (result.output / "verdict.json").exists()


def zipped(tmp_path: Path, members: dict[str, Any]) -> Path:
    path = tmp_path / "Alpaca_trading_trained_20241227_211819.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes | str) else json.dumps(content))
    return path


def summary(**changes: Any) -> dict[str, Any]:
    """A bare summary with metrics replaced."""
    return {"WAVUSD": {**APPROVED, **changes}}


def test_no_such_file(run_gate: RunGate, tmp_path: Path) -> None:
    assert_refused(run_gate(tmp_path / "nowhere.zip"), "nowhere.zip")


def test_not_a_zip(run_gate: RunGate, tmp_path: Path) -> None:
    path = tmp_path / "notes.zip"
    path.write_text("not a zip")

    assert_refused(run_gate(path), "notes.zip")


def test_no_summary(run_gate: RunGate, tmp_path: Path) -> None:
    assert_refused(run_gate(zipped(tmp_path, {MODEL: b"x"})), "training_summary_")


def test_two_summaries(run_gate: RunGate, tmp_path: Path) -> None:
    other = "training_summary_20241228_000000.json"
    archive = zipped(tmp_path, {SUMMARY: summary(), other: summary(), MODEL: b"x"})

    assert_refused(run_gate(archive.rename(tmp_path / "trained.zip")), SUMMARY, other)


@pytest.mark.parametrize("diverged", [float("nan"), None], ids=["NaN", "null"])
def test_a_metric_that_diverged_drops_its_model_and_is_named(
    run_gate: RunGate, tmp_path: Path, diverged: float | None
) -> None:
    archive = zipped(tmp_path, {SUMMARY: summary(fitness_score=[0.5, diverged]), MODEL: checkpoint(follow("macd"))})

    result = run_gate(archive)

    assert result.run.ret == 1
    assert result.decision("WAVUSD_1Hour") == "DROP"
    assert "fitness_score is nan at validation 2" in result.text


def test_an_unknown_symbol(run_gate: RunGate, tmp_path: Path) -> None:
    archive = zipped(tmp_path, {SUMMARY: {"not/a/symbol": APPROVED}, "models/rl_symbols/not a symbol_1Hour.pt": b"x"})

    assert_refused(run_gate(archive), "symbol")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--gate-profile=9.9", "built in are"),
        ("--gate-profile=nowhere.toml", "nowhere.toml"),
        ("--gate-as-of=soon", "'soon' is not a date"),
        ("--gate-folds=0", "--gate-folds"),
        ("--gate-folds=200", "200 folds in 180 days"),
        ("--gate-backtest-days=-1", "--gate-backtest-days"),
        ("--gate-capital=0", "--gate-capital"),
        ("--gate-capital=nan", "--gate-capital"),
        ("--gate-profile=2.3", "reward_scale"),
        ("--gate-device=cuda", "--gate-device cuda: no GPU was found. Use auto or cpu"),
        ("--gate-device=gpu", "--gate-device"),
    ],
)
def test_an_option_that_cannot_be_used(run_gate: RunGate, tmp_path: Path, option: str, told: str) -> None:
    assert_refused(run_gate(pack(tmp_path, GOOD), option), told)


@pytest.mark.parametrize("option", ["--gate-profile", "--gate-waivers"])
def test_a_file_that_nests_too_deep(run_gate: RunGate, tmp_path: Path, option: str) -> None:
    deep = tmp_path / "deep.toml"
    deep.write_text(f"a = {'[' * 400}{']' * 400}")

    assert_refused(run_gate(pack(tmp_path, GOOD), f"{option}={deep}"), "deep.toml: nests tables and lists deeper than")


def test_an_ini_key_that_cannot_be_read(run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ngate_folds = many\n")

    assert_refused(run_gate(pack(tmp_path, GOOD)), "ini key gate_folds: is 'many', expected a whole number")


def test_an_archive_without_any_date_asks_for_one(run_gate: RunGate, tmp_path: Path) -> None:
    packed = pack(tmp_path, GOOD)
    members = {}
    with zipfile.ZipFile(packed) as archive:
        for name in archive.namelist():
            members["training_summary_latest.json" if name.endswith(".json") else name] = archive.read(name)
    undated = tmp_path / "latest.zip"
    zipped(tmp_path, members).rename(undated)

    assert run_gate(undated).run.ret == 4
