"""Models of other formats than the trainer's, in whole runs: judged, compared, promoted, registered by a project."""

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from marketsim.server import serve
from support import model_factory, sb3_made
from support.market_factory import recorder, series_key, waves
from support.onnx_files import network
from support.plugin_helpers import ARCHIVE, AS_OF, GOOD, HELD_OUT, RunGate, pack
from support.policy_files import safetensors_of, state_dict_of

from pytest_modelgate import REFERENCE, ModelArtifact, write_archive
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.cli.main import main
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import market_window

pytest.importorskip("torch")
FOLLOW = model_factory.follow("momentum_24")


def packed(folder: Path, policy: Any = FOLLOW, **facts: Any) -> Path:
    made = sb3_made.artifact("WAVUSD", policy, parity_probe=model_factory.probe(policy), **facts)
    return write_archive(folder / ARCHIVE, [made], trained_at=AS_OF, reward_scale=0.001, format="sb3")


@dataclass(frozen=True)
class Judged:
    """A run on a zip of Stable-Baselines3 with its VecNormalize, and its archive."""

    archive: Path
    output: Path

    @property
    def model(self) -> dict[str, Any]:
        """What the verdict says of the one model."""
        (found,) = json.loads((self.output / "verdict.json").read_text())["models"]
        return dict(found)


@pytest.fixture(scope="module")
def judged(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("sb3")
    archive = packed(folder, training_window=HELD_OUT)
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", f"--model-archive={archive}"]
    subprocess.run([*command, f"--gate-cassettes={market_folder}"], cwd=folder, check=True, capture_output=True)
    return Judged(archive, folder / "gate-report")


@pytest.mark.long
def test_it_is_judged_as_the_same_layers_in_a_checkpoint_are(judged: Judged, run_gate: RunGate, tmp_path: Path) -> None:
    theirs = judged.model

    ours = run_gate(pack(tmp_path, GOOD, training_window=HELD_OUT), "-q").of("WAVUSD_1Hour")

    assert theirs["decision"] == ours["decision"] != "DROP"
    assert theirs["folds"] == ours["folds"]
    assert theirs["backtest"] == ours["backtest"]
    checks = {check["name"]: check["status"] for check in theirs["integrity"]}
    assert checks == {check["name"]: check["status"] for check in ours["integrity"]}
    disturbed = [[item["name"] for item in model["robustness"]["disturbances"]] for model in (theirs, ours)]
    assert disturbed[0] == disturbed[1] != []


def test_the_verdict_names_its_file_its_format_and_its_normaliser(judged: Judged) -> None:
    told = judged.model["checkpoint"]

    assert told["member"] == "models/rl_symbols/WAVUSD_1Hour.zip"
    assert (told["format"], told["parity"]) == ("sb3", "proven")
    assert told["normaliser"] == "models/rl_symbols/WAVUSD_1Hour.vecnormalize.pkl"
    assert len(told["normaliser_sha256"]) == 64
    assert told["layers"][0] == "normaliser WAVUSD_1Hour.vecnormalize.pkl"


def test_it_is_promoted_under_its_own_name_and_is_the_next_runs_champion(
    judged: Judged, run_gate: RunGate, tmp_path: Path
) -> None:
    target = tmp_path / "deployed"
    arguments = ["promote", str(judged.output / "verdict.json"), "--archive", str(judged.archive), "--to", str(target)]

    assert main([*arguments, "--max-age", "36500d"]) == 0

    names = {"WAVUSD_1Hour.zip", "WAVUSD_1Hour.vecnormalize.pkl", "promotion.json"}
    assert {path.name for path in target.iterdir() if not path.name.startswith(".")} == names
    (record,) = json.loads((target / "promotion.json").read_text())["models"]
    assert record["meanings"]["format"] == "sb3"
    assert record["meanings"]["normaliser"] == record["normaliser"] == "WAVUSD_1Hour.vecnormalize.pkl"
    again = run_gate(judged.archive, f"--gate-champion={target}", "-q").of("WAVUSD_1Hour")
    assert again["champion"]["outcome"] == "equal"


OWN_FORMAT = """
import json

import numpy as np
from pytest_modelgate import HOLD, LoadedPolicy, Order


class Momentum:
    lookback, n_market, account = 1, 53, ()
    actions = (HOLD, Order(0.5), Order(-0.5))

    def __init__(self, column):
        self.column = column

    def logits(self, market, account):
        value = np.tanh(50.0 * market[:, self.column])
        return np.stack([np.full_like(value, 0.5), value, -value], axis=1)


class Columns:
    name, version, suffixes = "columns", "{version}", (".column",)

    def read(self, file):
        return LoadedPolicy(Momentum(json.loads(file.path.read_bytes())), "reference-v1")


def pytest_modelgate_policies():
    return [Columns()]
"""


def test_a_format_of_the_projects_own_is_judged_and_not_certified(
    pytester: pytest.Pytester, run_gate: RunGate, tmp_path: Path
) -> None:
    pytester.makeconftest(OWN_FORMAT.replace("{version}", "1"))
    column = str(REFERENCE.columns.index("momentum_24")).encode()
    made = ModelArtifact("WAVUSD", "1Hour", column, model_factory.APPROVED, suffix=".column")

    result = run_gate(pack(tmp_path, made, training_window=HELD_OUT), "-q", "--gate-decision=table")

    told = result.of("WAVUSD_1Hour")
    assert told["decision"] == "PAPER"
    assert (told["checkpoint"]["format"], told["checkpoint"]["uncertified"]) == ("columns", True)
    assert any(reason.startswith("Not certified, PAPER at most") for reason in told["reasons"])
    assert "not certified" in result.text


@pytest.mark.parametrize(
    ("registered", "told"),
    [
        ("[object()]", "is a object, which is no format"),
        ("[Columns(), Columns()]", "'columns': is the name of two formats"),
        ("[type('Json', (Columns,), {'suffixes': ('.json',)})()]", "and not '.json'"),
    ],
)
def test_what_is_no_format_is_refused_before_anything_is_judged(
    registered: str, told: str, pytester: pytest.Pytester, run_gate: RunGate, good_archive: Path
) -> None:
    pytester.makeconftest(OWN_FORMAT.replace("[Columns()]", registered))

    result = run_gate(good_archive, "-q")

    assert result.run.ret == pytest.ExitCode.USAGE_ERROR
    assert told in result.text


SYMBOLS = ("WAVUSD", "WAWUSD", "WAXUSD", "WAYUSD", "WAZUSD")


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cassettes of five symbols with the same bars."""
    folder = tmp_path_factory.mktemp("alike") / "cassettes"
    with serve(dict.fromkeys(map(series_key, SYMBOLS), waves())) as server:
        for symbol in SYMBOLS:
            instrument = Instrument.parse(symbol)
            first, last = market_window(pd.Timestamp(AS_OF), Timeframe.HOUR_1, instrument.asset_class, 180)
            request = MarketRequest(instrument, Timeframe.HOUR_1, first, last, "sip", "all")
            recorder(folder, server).record(request)
    return folder


@pytest.mark.long
def test_a_folder_with_a_model_of_each_format_is_judged_in_one_run(
    alike: Path, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    """The same layers in every one, on the same bars: all earn the same, in one table that names them."""
    declared = {**sb3_made.SAID, "activation": "tanh"}
    linear = {name: value for name, value in FOLLOW.items() if not name.startswith("value_head")}
    files = [
        (model_factory.checkpoint(FOLLOW), ".pt", {}),
        (sb3_made.saved(FOLLOW), ".zip", sb3_made.SAID),
        (network(linear), ".onnx", sb3_made.SAID),
        (safetensors_of(linear), ".safetensors", declared),
        (state_dict_of(linear), ".pth", declared),
    ]
    probe = model_factory.probe(FOLLOW)
    made = [
        ModelArtifact(symbol, "1Hour", content, model_factory.APPROVED, HELD_OUT, probe, declared=said, suffix=suffix)
        for symbol, (content, suffix, said) in zip(SYMBOLS, files, strict=True)
    ]
    facts = {"reward_scale": 0.001, "feature_set": "reference-v1", "activation": "tanh"}
    archive = write_archive(tmp_path / ARCHIVE, made, trained_at=AS_OF, **facts)  # type: ignore[arg-type]
    with zipfile.ZipFile(archive) as packed_run:
        packed_run.extractall(folder := tmp_path / "Alpaca_trading_trained_20241227_211819")

    run = pytester.runpytest_inprocess(f"--model-archive={folder}", f"--gate-cassettes={alike}", "-q")

    verdict = json.loads((pytester.path / "gate-report" / "verdict.json").read_text())
    models = verdict["models"]
    assert {model["checkpoint"].get("format", "trainer") for model in models} == {
        item.name for item in builtin_formats()
    }
    assert {model["decision"] for model in models} == {models[0]["decision"]}
    assert {model["checkpoint"]["parity"] for model in models} == {"proven"}
    assert len({json.dumps([fold["return"] for fold in model["folds"]]) for model in models}) == 1
    assert all(f"{symbol}_1Hour" in run.stdout.str() for symbol in SYMBOLS)
