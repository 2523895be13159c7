"""``modelgate check``: what would be judged or refused, in the words of the gate, without any market."""

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from support import checkpoints, model_factory
from support.archives import pack_unopened
from support.checkpoints import GENERATIONS
from support.sb3_cases import RECORDED

from pytest_modelgate import ModelArtifact
from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.services.model_loader import ModelLoader
from pytest_modelgate.services.probes import make_probe

FACTS: dict[str, Any] = {"trained_at": datetime(2024, 12, 27, 21, 18, 19, tzinfo=UTC)}
NETWORK = checkpoints.Actor(3 * 53, (8, 4), 3)
PROBE = make_probe(NETWORK, 3 * 53, 3, "X")


def content(version: str = "2.3.0", **changes: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(checkpoints.contents(version, **changes), buffer)
    return buffer.getvalue()


def model(symbol: str, checkpoint: bytes, history: Any = model_factory.APPROVED, **facts: Any) -> ModelArtifact:
    return ModelArtifact(symbol, "1Hour", checkpoint, history, **facts)


def good(symbol: str) -> ModelArtifact:
    return model(symbol, content(policy_state_dict=NETWORK.state_dict()), parity_probe=PROBE)


def check(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Status, and reports by model."""
    status = main(["check", str(path), "--json", *options])
    return status, {report["id"]: report for report in json.loads(capsys.readouterr().out)}


def pack(folder: Path, *models: ModelArtifact, **facts: Any) -> Path:
    return pack_unopened(folder, models, **FACTS, **facts)


def gates_sentence(path: Path, folder: Path, model_id: str) -> str:
    """What the gate itself says of a model."""
    with open_archive(path) as archive:
        (found,) = (model for model in archive.run.models if model.id == model_id)
        loader = ModelLoader(Settings(archive=path), archive, load_profile("2.4.5"), dict, folder)
        with pytest.raises(CheckpointError) as refused:
            loader.load(found)
    return str(refused.value)


def test_what_would_be_judged_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, reports = check(capsys, pack(tmp_path, good("UNIUSD")))

    assert status == 0
    report = reports["UNIUSD_1Hour"]
    assert report["judged_as"] == {
        "generation": "2.3.0",
        "observation": "3 bars of 53 features",
        "account features": "none",
        "actions": "HOLD, BUY_50, SELL_50",
        "layers": "trunk.0 > trunk.2 > policy_head",
        "hidden": "8, 4",
        "activation": "tanh",
        "feature set": "reference-v1",
        "timeframe": "1Hour",
        "training metrics": "APPROVED",
        "parity": "proven: the logits of 32 observations were reproduced, no features were recorded",
    }
    assert report["refusals"] == []


@pytest.mark.parametrize("version", GENERATIONS)
def test_every_generation_is_told_with_its_account_and_actions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    _, reports = check(capsys, pack(tmp_path, model("UNIUSD", content(version))))

    said = reports["UNIUSD_1Hour"]["judged_as"]
    width, actions = GENERATIONS[version]
    account = [] if said["account features"] == "none" else said["account features"].split(", ")
    assert (said["generation"], len(account), len(said["actions"].split(", "))) == (version, width - 53, actions)


def test_of_an_entry_that_cannot_be_read_only_the_reason_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pack(tmp_path, good("UNIUSD"))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in members.items():
            archive.writestr(name, raw if ".pt" in name else raw.replace(b"0.8", b"5.0"))

    _, reports = check(capsys, path)

    (refusal,) = reports["UNIUSD_1Hour"]["refusals"]
    assert refusal == gates_sentence(path, tmp_path, "UNIUSD_1Hour")
    assert "consistency[0]: is 5.0" in refusal
    assert not any("pack_checkpoint" in line for line in reports["UNIUSD_1Hour"]["lines"])


def test_a_checkpoint_is_read_with_what_is_declared_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "UNIUSD_1Hour.pt"
    path.write_bytes(content(model_version="9.9.9"))
    refusal = check(capsys, path)[1][path.name]["refusals"][0]
    lines, _ = json.JSONDecoder().raw_decode(refusal[refusal.index("{") :])

    lines["actions"] = ["HOLD", {"order": 0.5}, {"order": -0.5}]
    path.with_suffix(".json").write_text(json.dumps(lines))

    assert check(capsys, path)[0] == 0


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (model("RNDUSD", b"PK nothing"), "pack_checkpoint(network"),
        (model("RNDUSD", content("2.3.0", model_version="9.9.9")), 'RNDUSD_1Hour.json beside it: {"schema"'),
        (model("RNDUSD", content(config=None)), 'write_archive(..., activation="tanh"'),
        (model("RNDUSD", content(obs_dim=160)), "pack_checkpoint(network"),
    ],
    ids=["no zip", "generation", "activation", "shape"],
)
def test_a_refusal_is_the_gates_own_and_siblings_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: ModelArtifact, line: str
) -> None:
    path = pack(tmp_path, good("UNIUSD"), broken)

    status, reports = check(capsys, path)

    assert status == 1
    assert reports["RNDUSD_1Hour"]["refusals"] == [gates_sentence(path, tmp_path / "s", "RNDUSD_1Hour")]
    assert reports["UNIUSD_1Hour"]["refusals"] == []
    assert any(line in told for told in (*reports["RNDUSD_1Hour"]["lines"], *reports["RNDUSD_1Hour"]["refusals"]))


@pytest.mark.parametrize(
    ("probe", "parity", "refused"),
    [(None, "unproven: the archive holds no parity probe", False), (PROBE, "differs", True)],
)
def test_parity_that_is_missing_or_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], probe: Any, parity: str, refused: bool
) -> None:
    status, reports = check(capsys, pack(tmp_path, model("UNIUSD", content(), parity_probe=probe)))

    report = reports["UNIUSD_1Hour"]
    assert (status, bool(report["refusals"]), report["judged_as"]["parity"]) == (int(refused), refused, parity)
    assert "ModelArtifact(..., policy=network)" in report["lines"]


def test_what_options_say_is_what_the_gate_would_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pack(tmp_path, model("UNIUSD", content(config=None)), reward_scale=0.1)

    refused = check(capsys, path)
    options = ("--activation", "relu", "--feature-set", "reference-v1", "--profile", "2.3")
    judged = check(capsys, path, *options)

    assert (refused[0], judged[0]) == (1, 0)
    assert "profile 2.4.5 is calibrated for 0.001" in refused[1]["UNIUSD_1Hour"]["refusals"][0]
    assert judged[1]["UNIUSD_1Hour"]["judged_as"]["activation"] == "relu"


def test_a_feature_set_of_the_users_own_is_no_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, reports = check(capsys, pack(tmp_path, good("UNIUSD")), "--feature-set", "mine-v1")
    assert status == 1  # the checkpoint says another

    made = content(config={"activation": "tanh", "feature_set": "mine-v1"})
    status, reports = check(capsys, pack(tmp_path, model("UNIUSD", made)))

    assert status == 0
    told = reports["UNIUSD_1Hour"]["notes"]
    assert any("'mine-v1' is not known here" in note and "pytest_modelgate_feature_sets" in note for note in told)


def test_another_width_than_the_feature_set_has_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, reports = check(capsys, pack(tmp_path, model("UNIUSD", content(n_features=159))))

    assert status == 1
    expected = f"the policy reads 159 market features per bar, the feature set has {len(REFERENCE.columns)}"
    assert expected in reports["UNIUSD_1Hour"]["refusals"][0]


def test_what_training_dropped_is_decided_without_its_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, reports = check(capsys, pack(tmp_path, model("UNIUSD", b"PK nothing", model_factory.DROP)))

    report = reports["UNIUSD_1Hour"]
    assert (status, report["refusals"]) == (0, [])
    assert report["judged_as"]["training metrics"].startswith("DROP; profit_factor is 0.9")
    assert any(
        note.startswith("not looked at, since the training metrics drop it: checkpoint") for note in report["notes"]
    )


def test_text_names_the_same_bytes_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pack(tmp_path, good("AAPL"), good("UNIUSD"), model("RNDUSD", b"nothing"))

    assert main(["check", str(path)]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert "the same bytes: AAPL_1Hour, UNIUSD_1Hour" in lines
    assert "RNDUSD_1Hour: would be refused" in lines
    assert lines[-1] == "3 models: 2 would be judged, 1 would be refused"
    assert max(map(len, lines)) <= 100


def test_a_folder_and_a_single_checkpoint_are_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zipfile

    with zipfile.ZipFile(pack(tmp_path, good("UNIUSD"))) as archive:
        archive.extractall(tmp_path / "run")
    file = tmp_path / "run" / "models" / "rl_symbols" / "UNIUSD_1Hour.pt"

    assert check(capsys, tmp_path / "run")[0] == 0
    status, reports = check(capsys, file)

    assert (status, reports["UNIUSD_1Hour.pt"]["judged_as"]["generation"]) == (0, "2.3.0")
    file.write_bytes(b"nothing")
    status, reports = check(capsys, file)
    assert (status, len(reports["UNIUSD_1Hour.pt"]["refusals"])) == (1, 1)


def test_text_fits_the_terminal_and_says_once_what_is_said_of_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    named = content(config={"activation": "tanh", "feature_set": "a-name-with-hyphens-" * 2})

    main(["check", str(pack(tmp_path, model("AAPL", content()), model("UNIUSD", content()), model("RNDUSD", named)))])

    lines = capsys.readouterr().out.splitlines()
    assert 70 < max(map(len, lines)) <= 80
    assert "all 3 models:" in lines
    assert sum("ModelArtifact(..., policy=network)" in line for line in lines) == 1
    assert any("a-name-with-hyphens-" * 2 in line for line in lines)  # whoever copies it gets it whole


def test_what_is_passed_over_is_told_beside_the_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zipfile

    path = pack(tmp_path, good("UNIUSD"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("models/rl_symbols/UNIUSD_1Hour_best.pt", b"x")

    assert main(["check", str(path), "--json"]) == 0

    told = capsys.readouterr()
    assert "'UNIUSD_1Hour_best.pt' not judged" in told.err
    assert [report["id"] for report in json.loads(told.out)] == ["UNIUSD_1Hour"]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("actor.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("policy.onnx", b"\x08\x07\x12\x07pytorch", "is an ONNX model"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is_and_told_one_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(data)

    status, reports = check(capsys, tmp_path / name)

    assert (status, reports[name]["lines"]) == (1, [])
    assert told in reports[name]["refusals"][0]


def test_a_zip_of_another_library_is_no_archive_without_a_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "keras.zip", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"x")

    assert main(["check", str(tmp_path / "keras.zip")]) == 1
    assert "is a Keras model, expected the archive" in capsys.readouterr().err


def test_what_is_declared_beside_a_single_checkpoint_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "UNIUSD_1Hour.pt"
    file.write_bytes(content("2.3.0", model_version=None, n_features=54, obs_dim=3 * 54, action_meanings=None))
    declared = {"schema": "modelgate.policy/1", "actions": ["HOLD", {"target": 1}, "CLOSE"], "account": []}

    refused = check(capsys, file)[1][file.name]["refusals"]
    file.with_suffix(".json").write_text(json.dumps(declared))
    told = check(capsys, file)[1][file.name]

    assert "in UNIUSD_1Hour.json beside it" in refused[0]
    assert not any("beside it" in sentence for sentence in told["refusals"])  # only its layers do not fit


@pytest.mark.parametrize("options", [("missing.zip",), (".", "--profile", "none")])
def test_what_cannot_be_checked_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["check", *options]) == 1

    told = capsys.readouterr()
    assert (told.out, told.err.count("\n"), "--gate-" in told.err) == ("", 1, False)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, place = pack(tmp_path, good("UNIUSD")), tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))

    main(["check", str(path)])

    assert list(place.iterdir()) == []


OWN = """
import torch
from support import checkpoints

def network(model):
    if model == "UNIUSD_1Hour":
        torch.manual_seed({seed})
        return checkpoints.Actor(3 * 53, (8, 4), 3)

def broken(model):
    raise RuntimeError("no such run")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module of the user's own in the current folder, under a name that no other test has imported."""
    name = f"own_{request.node.name.partition('[')[0]}"
    (tmp_path / f"{name}.py").write_text(OWN.format(seed=1))
    monkeypatch.chdir(tmp_path)
    return name


def test_the_users_own_network_proves_parity_or_tells_that_it_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], own: str
) -> None:
    torch.manual_seed(1)
    same = checkpoints.Actor(3 * 53, (8, 4), 3)
    path = pack(tmp_path, model("UNIUSD", content(policy_state_dict=same.state_dict())), good("WAVUSD"))

    status, reports = check(capsys, path, "--policy", f"{own}:network")
    assert status == 0
    assert reports["UNIUSD_1Hour"]["judged_as"]["your network"].startswith("proven: the logits of")
    assert "your network" not in reports["WAVUSD_1Hour"]["judged_as"]

    other = tmp_path / "UNIUSD_1Hour.pt"
    other.write_bytes(content(policy_state_dict=NETWORK.state_dict()))
    status, reports = check(capsys, other, "--policy", f"{own}:network")
    assert status == 1
    assert "differ from the trainer's" in reports[other.name]["refusals"][0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("network", "expected MODULE:FUNCTION"),
        ("nowhere_at_all:network", "ModuleNotFoundError"),
        ("{own}:nothing", "AttributeError"),
        ("{own}:broken", "fails for UNIUSD_1Hour: RuntimeError: no such run"),
    ],
)
def test_a_function_of_networks_that_cannot_be_used_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], own: str, text: str, told: str
) -> None:
    path = pack(tmp_path, good("UNIUSD"))
    assert main(["check", str(path), "--policy", text.format(own=own)]) != 0
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "told"),
    [("vecnormalize.pkl", True), ("UNIUSD_1Hour_vecnormalize.pkl", True), ("BTCUSD_1Hour.vecnormalize.pkl", False)],
)
def test_statistics_of_a_run_are_not_passed_over_but_another_models_are(
    name: str, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "UNIUSD_1Hour.zip"
    file.write_bytes((RECORDED / "ppo.zip").read_bytes())
    (tmp_path / "BTCUSD_1Hour.zip").write_bytes(b"")
    said = {"schema": "modelgate.policy/1", "lookback": 1, "actions": ["HOLD", {"target": 1.0}, "CLOSE"]}
    file.with_suffix(".json").write_text(json.dumps(said))
    (tmp_path / name).write_bytes(b"")

    _, reports = check(capsys, file)

    refusals = " ".join(reports[file.name]["refusals"])
    assert ("lies beside it, and nobody declares" in refusals) is told


def test_a_zip_of_stable_baselines3_is_checked_by_itself_and_says_which_lines_mend_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, declared = tmp_path / "UNIUSD_1Hour.zip", file_of_facts(actions=["HOLD", {"target": 1.0}, {"target": 0.0}])
    file.write_bytes((RECORDED / "ppo.zip").read_bytes())

    status, reports = check(capsys, file)
    assert status == 1
    assert '[{"target": 0.0}, "HOLD", {"target": 1.0}] (sell, hold, buy)' in reports[file.name]["refusals"][0]

    file.with_suffix(".json").write_text(json.dumps(declared))
    status, reports = check(capsys, file)
    assert (status, reports[file.name]["judged_as"]["actions"]) == (0, "HOLD, TARGET_100, CLOSE")

    (tmp_path / "UNIUSD_1Hour.vecnormalize.pkl").write_bytes((RECORDED / "ppo.vecnormalize.pkl").read_bytes())
    status, reports = check(capsys, file)
    assert '"normaliser": "UNIUSD_1Hour.vecnormalize.pkl"' in reports[file.name]["refusals"][0]


def file_of_facts(**facts: Any) -> dict[str, Any]:
    return {"schema": "modelgate.policy/1", "feature_set": "mine", "lookback": 1, **facts}
