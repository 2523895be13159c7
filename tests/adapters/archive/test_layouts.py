"""The layouts that trainers write are read, however many folders lead to them."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.archive_factory import BTC, METRICS, NAME, SUMMARY, UNI, run_of, states, tarred, zipped

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.errors import ArchiveError

BARE: dict[str, Any] = {SUMMARY: {"UNIUSD": METRICS, "BTCUSD_4Hour": METRICS}, UNI: b"u", BTC: b"b"}
RUN = "20250601_120000_ppo"
SHA = {
    name: hashlib.sha256(content).hexdigest() for name, content in (("UNIUSD_1Hour", b"PKu"), ("BTCUSD_4Hour", b"PKb"))
}


DAYS = {"start": "2023-01-01", "end": "2024-01-02"}


def manifest(**changes: Any) -> dict[str, Any]:
    """A manifest of two models; changes are of UNIUSD_1Hour."""
    uni = {"sha256": SHA["UNIUSD_1Hour"], "metrics": METRICS, "checkpoint": {"step": 120_000, "reason": "best fitness"}}
    return {
        "run_id": RUN,
        "created": "2025-06-01T14:00:00+02:00",
        "git": {"commit": "abc", "dirty": float("nan")},
        "data_range": {"start": "2023-01-01", "end": "2025-01-31"},
        "validation_range": {"start": "2025-02-01T00:00:00", "end": "2025-03-31T23:00:00Z"},
        "models": {
            "UNIUSD_1Hour": {**uni, **changes},
            "BTCUSD_4Hour": {"sha256": SHA["BTCUSD_4Hour"].upper(), "history": METRICS, "gating": "APPROVED"},
        },
    }


def deployed(prefix: str = "", **changes: Any) -> dict[str, Any]:
    models = {f"{prefix}models/UNIUSD_1Hour.pt": b"PKu", f"{prefix}models/BTCUSD_4Hour.pt": b"PKb"}
    return {f"{prefix}manifest.json": manifest(**changes), **models, f"{prefix}checkpoints/auto_best_900.pt": b"PK"}


def under(prefix: str, members: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": content for name, content in members.items()}


@pytest.mark.parametrize("prefix", ["", "Alpaca_trading/", "content/Alpaca_trading/", "a/b/c/d/e/f/g/h/"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_any_one_prefix_of_folders_is_taken_off(tmp_path: Path, prefix: str, pack: Any) -> None:
    run = run_of(pack(tmp_path, under(prefix, BARE) | {"__MACOSX/content/._x": b"", f"{prefix}.DS_Store": b""}))

    assert states(run) == under_values(prefix, {"BTCUSD_4Hour": BTC, "UNIUSD_1Hour": UNI})
    assert run.warnings == ()


def under_values(prefix: str, members: dict[str, str]) -> dict[str, str]:
    return {key: f"{prefix}{name}" for key, name in members.items()}


@pytest.mark.parametrize(("above", "models"), [("c/", "c/A/"), ("c/A/reports/", "c/A/"), ("", "Alpaca_trading/")])
def test_summary_and_models_may_lie_at_different_depths(tmp_path: Path, above: str, models: str) -> None:
    members = {f"{above}{SUMMARY}": BARE[SUMMARY], f"{models}{UNI}": b"u", f"{models}{BTC}": b"b"}

    assert list(states(run_of(zipped(tmp_path, members))).values()) == [f"{models}{BTC}", f"{models}{UNI}"]


def test_models_beside_the_summary_go_before_all_others(tmp_path: Path) -> None:
    run = run_of(zipped(tmp_path, BARE | {f"other/{UNI}": b"x"}))

    assert states(run)["UNIUSD_1Hour"] == UNI
    assert f"'other/{UNI}' not judged" in run.warnings[0]


@pytest.mark.parametrize("places", [("a/", "b/"), ("x/a/", "x/b/")])
def test_models_that_lie_in_several_places_are_refused(tmp_path: Path, places: tuple[str, str]) -> None:
    members = {f"c/{SUMMARY}" if places[0] == "a/" else f"x/{SUMMARY}": BARE[SUMMARY]}
    members |= {f"{place}{UNI}": b"u" for place in places}

    with pytest.raises(ArchiveError, match="checkpoints lie under"):
        open_archive(zipped(tmp_path, members))


OLDER = SUMMARY.replace("20241227", "20241201")


def test_of_several_summaries_the_archives_stamp_tells_which(tmp_path: Path) -> None:
    old = f"training_archives/20241201_211819_extract/{OLDER}"
    members = BARE | {old: {"ETHUSD_1Hour": METRICS}, f"training_archives/20241201_211819_extract/{UNI}": b"old"}

    run = run_of(zipped(tmp_path, members))

    assert states(run) == {"BTCUSD_4Hour": BTC, "UNIUSD_1Hour": UNI}
    assert len(run.warnings) == 2


@pytest.mark.parametrize("other", [OLDER, f"backup/{SUMMARY}"])
def test_several_summaries_that_the_archives_name_does_not_tell_apart_are_all_named(tmp_path: Path, other: str) -> None:
    name = "trained.zip" if other == OLDER else NAME

    with pytest.raises(ArchiveError) as caught:
        open_archive(zipped(tmp_path, BARE | {other: {}}, name))

    assert all(part in str(caught.value) for part in (SUMMARY, other, "Keep one, or end the archive's name in"))


@pytest.mark.parametrize("prefix", ["", f"runs/{RUN}/", f"Alpaca_trading/runs/{RUN}/"])
@pytest.mark.parametrize(
    ("pack", "ending"), [(zipped, ".zip"), (tarred, ".tar.gz"), (tarred, ".tgz"), (tarred, ".tar")]
)
def test_a_manifest_is_read_with_its_facts(tmp_path: Path, prefix: str, pack: Any, ending: str) -> None:
    with open_archive(pack(tmp_path, deployed(prefix), f"deploy_{RUN}{ending}")) as archive:
        run = archive.run
        for model in run.models:
            assert model.checkpoint
            copy, digest = archive.checkpoint_file(model.checkpoint, tmp_path / "scratch")
            assert digest == SHA[model.id] == hashlib.sha256(copy.read_bytes()).hexdigest()

    assert list(states(run)) == ["BTCUSD_4Hour", "UNIUSD_1Hour"]
    assert run.timestamp == pd.Timestamp("2025-06-01T12:00Z")
    uni = run.models[1]
    assert uni.history == {name: tuple(values) for name, values in METRICS.items()}
    assert uni.declared.choice == "step 120000, best fitness"
    trained = TrainingWindow(pd.Timestamp("2023-01-01T00:00Z"), pd.Timestamp("2025-01-31T23:59:59.999999Z"))
    assert uni.declared.training_window == trained
    assert uni.declared.seen == TrainingWindow(trained.start, pd.Timestamp("2025-03-31T23:00Z"))


def test_a_checkpoint_that_is_not_the_one_of_the_manifest_is_its_models_fault(tmp_path: Path) -> None:
    with open_archive(zipped(tmp_path, deployed(sha256="0" * 64), "deploy.zip")) as archive:
        btc, uni = (model.checkpoint for model in archive.run.models)
        assert uni
        assert btc
        for ask in (archive.checkpoint_sha256, lambda ref: archive.checkpoint_file(ref, tmp_path / "scratch")):
            ask(btc)
            with pytest.raises(ArchiveError, match=r"has sha256 .*, but its trainer says 000000000000\.\.\."):
                ask(uni)
    assert len(list((tmp_path / "scratch").glob("*.pt"))) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sha256": "abc"}, "sha256: is 'abc', expected 64 hexadecimal digits"),
        ({"file": "../UNIUSD_1Hour.pt"}, "which the archive does not hold"),
        ({"file": "checkpoints/auto_best_900.pt"}, "which is no model"),
        ({"file": "models/BTCUSD_4Hour.pt"}, "which is another model's"),
        ({"timeframe": "4Hour"}, "timeframe: is '4Hour', expected '1Hour'"),
        ({"data_range": {"start": "soon", "end": "later"}}, "data_range, start: is 'soon'"),
        ({"data_range": {"start": "2025-01-01", "end": "2024-01-01"}}, "before its start"),
        ({"data_range": "2024"}, "data_range: is '2024'"),
        ({"data_range": DAYS, "training_window": {**DAYS, "start": "2022-01-01"}}, "different"),
        ({"metrics": {"fitness_score": 0.5}}, "profit_factor: is missing"),
        ({"metrics": [{"fitness_score": 0.5}]}, "profit_factor[0]: is 'nothing'"),
        ({"metrics": ["x"]}, "something else than objects"),
        ({"reward_scale": float("nan")}, "reward_scale: is nan"),
        ({"error": "diverged"}, "reports the error 'diverged'"),
    ],
)  # fmt: skip
def test_a_contradiction_in_a_manifest_is_its_models_fault(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    found = states(run_of(zipped(tmp_path, deployed(**changes), "deploy.zip")))

    assert found["BTCUSD_4Hour"] == "models/BTCUSD_4Hour.pt"
    assert told in found["UNIUSD_1Hour"]


@pytest.mark.parametrize(
    "metrics",
    [
        {"metrics": {name: values[-1] for name, values in METRICS.items()}},
        {"metrics": None, **{name: values[-1] for name, values in METRICS.items()}},
        {"metrics": [{name: values[-1] for name, values in METRICS.items()}]},
    ],
)
def test_final_values_are_a_history_of_one(tmp_path: Path, metrics: dict[str, Any]) -> None:
    _, uni = run_of(zipped(tmp_path, deployed(**metrics), "deploy.zip")).models

    assert uni.history == {name: (values[-1],) for name, values in METRICS.items()}


def test_a_manifest_beside_a_summary_adds_to_it(tmp_path: Path) -> None:
    entry = {"sha256": "0" * 64, "data_range": {"start": "2023-01-01", "end": "2024-01-01"}}
    members = BARE | {"manifest.json": {"models": {"UNIUSD_1Hour": entry, "BTCUSD_4Hour": {"error": "stopped"}}}}

    run = run_of(zipped(tmp_path, members))

    btc, uni = run.models
    assert "the error 'stopped'" in str(btc.fault)
    assert uni.checkpoint
    assert (uni.checkpoint.sha256, uni.fault) == ("0" * 64, None)
    assert uni.history == {name: tuple(values) for name, values in METRICS.items()}
    assert uni.declared.training_window


def test_a_manifest_that_contradicts_the_summary_is_its_models_fault(tmp_path: Path) -> None:
    summary = {"schema": "modelgate.training_summary/1", "models": {"UNIUSD_1Hour": {**METRICS, "activation": "tanh"}}}
    members = {SUMMARY: summary, UNI: b"u", "manifest.json": {"models": {"UNIUSD_1Hour": {"activation": "relu"}}}}

    assert "its activation is not the one" in states(run_of(zipped(tmp_path, members)))["UNIUSD_1Hour"]


def test_assessments_are_read_with_the_summary_beside_them(tmp_path: Path) -> None:
    folder = "training_archives/20241227_211819/"
    members = {
        f"{folder}summary.json": {"data_range": {"start": "2023-01-01", "end": "2024-01-01"}, "total": 2},
        f"{folder}model_assessments.json": {"UNIUSD": METRICS, "BTCUSD_4Hour": {"error": "stopped"}},
        UNI: b"u",
        BTC: b"b",
    }

    run = run_of(zipped(tmp_path, members, "archive.zip"))

    assert str(run.timestamp) == "2024-12-27 21:18:19+00:00"
    assert states(run)["UNIUSD_1Hour"] == UNI
    assert "stopped" in states(run)["BTCUSD_4Hour"]
    assert run.models[1].declared.training_window


@pytest.mark.parametrize("path", ["weights/uni.pt", "./models/rl_symbols/UNIUSD_1Hour.pt", f"/content/A/{UNI}"])
def test_an_index_names_its_files(tmp_path: Path, path: str) -> None:
    listed = [
        {"symbol": "UNI/USD", "timeframe": "1Hour", "path": path, "metrics": METRICS},
        {"symbol": "BTCUSD", "timeframe": "4Hour", "file": "models/rl_symbols/BTCUSD_4Hour.pt", "history": METRICS},
        {"symbol": "unknown", "timeframe": "4Hour", "history": METRICS},
        7,
    ]
    own = "weights/uni.pt" if path.startswith("weights") else UNI
    run = run_of(zipped(tmp_path, {"x/index.json": listed, f"x/{own}": b"u", f"x/{BTC}": b"b"}))

    assert states(run) == {"BTCUSD_4Hour": f"x/{BTC}", "UNIUSD_1Hour": f"x/{own}"}
    assert "'unknown_4Hour', 'model 4' not judged" in run.warnings[0]


def test_two_models_cannot_have_one_file(tmp_path: Path) -> None:
    listed = [
        {"symbol": symbol, "timeframe": "1Hour", "file": f"weights/{file}.pt", "history": METRICS}
        for symbol, file in (("UNIUSD", "a"), ("BTCUSD", "a"), ("ETHUSD", "b"))
    ]

    found = states(run_of(zipped(tmp_path, {"index.json": listed, "weights/a.pt": b"a", "weights/b.pt": b"b"})))

    assert found.pop("ETHUSD_1Hour") == "weights/b.pt"
    assert all("which is another model's" in state for state in found.values())


def test_nothing_that_describes_a_run_is_told_with_what_would(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        open_archive(zipped(tmp_path, {UNI: b"u", "Training_Summary.json": b"{}"}))

    assert "found 'Training_Summary.json', expected one training_summary_YYYYMMDD_HHMMSS.json, manifest" in str(
        caught.value
    )
