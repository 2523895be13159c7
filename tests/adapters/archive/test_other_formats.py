"""Model files of other formats than the trainer's: which is the model, and what belongs to it."""

from pathlib import Path
from typing import Any

import pytest
from support.archive_factory import BTC, FOLDER, METRICS, SUMMARY, UNI, run_of, states, tarred, zipped

STEM = UNI.removesuffix(".pt")
DECLARED = {"schema": "modelgate.policy/1", "normaliser": "UNIUSD_1Hour.vecnormalize.pkl"}


def packed(folder: Path, *suffixes: str, **more: Any) -> Path:
    files = {f"{STEM}{suffix}": b"u" for suffix in suffixes}
    return zipped(folder, {SUMMARY: {"UNIUSD": METRICS}, **files, **more})


@pytest.mark.parametrize("suffix", [".zip", ".onnx", ".safetensors", ".pth"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_file_of_any_format_is_its_symbols_model(tmp_path: Path, suffix: str, pack: Any) -> None:
    members = {SUMMARY: {"UNIUSD": METRICS, "BTCUSD_4Hour": METRICS}, f"{STEM}{suffix}": b"u", BTC: b"b"}

    run = run_of(pack(tmp_path, members))

    assert states(run) == {"BTCUSD_4Hour": BTC, "UNIUSD_1Hour": f"{STEM}{suffix}"}
    (checkpoint,) = (model.checkpoint for model in run.models if model.id == "UNIUSD_1Hour")
    assert checkpoint
    assert (checkpoint.stem, checkpoint.suffix) == ("UNIUSD_1Hour", suffix)


def test_exports_beside_a_checkpoint_give_way_to_it(tmp_path: Path) -> None:
    run = run_of(packed(tmp_path, ".onnx", ".pt", ".zip"))

    assert states(run) == {"UNIUSD_1Hour": UNI}
    (warning,) = run.warnings
    assert f"'{STEM}.onnx', '{STEM}.zip' not judged: the .pt of that name beside it is the model" in warning


def test_two_files_of_one_name_are_its_fault(tmp_path: Path) -> None:
    (model,) = run_of(packed(tmp_path, ".onnx", ".zip")).models

    assert model.fault
    assert "are all of that name, and nothing tells which is the model" in str(model.fault)


def test_a_declared_normaliser_belongs_to_its_model(tmp_path: Path) -> None:
    beside = {f"{STEM}.json": DECLARED, f"{STEM}.vecnormalize.pkl": b"n", f"{STEM}.log": b"l"}

    (model,) = run_of(packed(tmp_path, ".zip", **beside)).models

    assert model.checkpoint
    assert model.checkpoint.members == (f"{STEM}.zip", f"{STEM}.vecnormalize.pkl")
    assert model.checkpoint.beside == ("UNIUSD_1Hour.log", "UNIUSD_1Hour.vecnormalize.pkl")


@pytest.mark.parametrize("name", ["vecnormalize.pkl", "vec_normalize.PKL", "UNIUSD_1Hour_vecnormalize_900_steps.pkl"])
def test_statistics_of_a_run_lie_beside_its_models_whatever_else_does(tmp_path: Path, name: str) -> None:
    many = {f"{STEM}.a{number:02}": b"" for number in range(20)}

    (model,) = run_of(packed(tmp_path, ".zip", **{f"{FOLDER}{name}": b"n"}, **many)).models

    assert model.checkpoint
    assert name in model.checkpoint.beside


def test_statistics_of_another_model_do_not_lie_beside_a_model(tmp_path: Path) -> None:
    theirs = {f"{FOLDER}BTCUSD_1Hour.zip": b"z", f"{FOLDER}BTCUSD_1Hour.vecnormalize.pkl": b"n"}

    models = {model.id: model for model in run_of(packed(tmp_path, ".zip", **theirs)).models}

    found = {name: model.checkpoint.beside for name, model in models.items() if model.checkpoint}
    assert found == {"UNIUSD_1Hour": (), "BTCUSD_1Hour": ("BTCUSD_1Hour.vecnormalize.pkl",)}


@pytest.mark.parametrize("name", ["UNIUSD_1Hour.vecnormalize.pkl", "UNIUSD_1Hour.zip"])
def test_a_normaliser_that_is_none_is_its_models_fault(tmp_path: Path, name: str) -> None:
    beside = {f"{STEM}.json": DECLARED | {"normaliser": name}, f"{FOLDER}other.pkl": b"n"}

    (model,) = run_of(packed(tmp_path, ".zip", **beside)).models

    assert model.fault
    assert f"is {name}, which does not lie beside it" in str(model.fault)


def test_another_models_normaliser_is_its_models_fault(tmp_path: Path) -> None:
    theirs = {f"{FOLDER}BTCUSD_1Hour.zip": b"z", f"{FOLDER}BTCUSD_1Hour.vecnormalize.pkl": b"n"}
    said = {f"{STEM}.json": DECLARED | {"normaliser": "BTCUSD_1Hour.vecnormalize.pkl"}}

    models = {model.id: model for model in run_of(packed(tmp_path, ".zip", **theirs, **said)).models}

    assert "is BTCUSD_1Hour.vecnormalize.pkl, which is another model's" in str(models["UNIUSD_1Hour"].fault)
    assert not models["BTCUSD_1Hour"].fault


@pytest.mark.parametrize("name", ["../UNIUSD_1Hour.pkl", "a/b.pkl", ".pkl", "C:x.pkl"])
def test_a_normaliser_is_a_name_and_no_path(tmp_path: Path, name: str) -> None:
    (model,) = run_of(packed(tmp_path, ".zip", **{f"{STEM}.json": DECLARED | {"normaliser": name}})).models

    assert model.fault
    assert "normaliser: is " in str(model.fault)
    assert "expected a file's name of letters" in str(model.fault)
