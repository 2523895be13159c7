"""What is deployed against what wants its place, in whole runs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import model_factory
from support.plugin_helpers import GOOD, GateResult, RunGate, model, pack

from pytest_modelgate.cli.main import main

WORSE = model("WAVUSD", model_factory.APPROVED, model_factory.follow("momentum_24") | {
    "policy_head.weight": -model_factory.follow("momentum_24")["policy_head.weight"]})  # fmt: skip


@pytest.fixture(scope="module")
def promoted(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``deployed``, in which the good model was promoted, and ``run``, what its run left."""
    folder = tmp_path_factory.mktemp("champion")
    archive = pack(folder, GOOD)
    options = ["--gate-output=run", "--gate-decision=table", f"--gate-cassettes={market_folder}"]
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", f"--model-archive={archive}", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    verdict, target = folder / "run/verdict.json", folder / "deployed"
    arguments = ["promote", str(verdict), "--archive", str(archive), "--to", str(target), "--minimum", "paper"]
    assert main([*arguments, "--max-age", "36500d"]) == 0
    return folder


@pytest.fixture(scope="module")
def worse_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that does the opposite of the good one."""
    return pack(tmp_path_factory.mktemp("worse"), WORSE)


@pytest.fixture(scope="module")
def shared() -> dict[str, GateResult]:
    """Runs that several tests look at, by name: the first of them makes it."""
    return {}


@pytest.fixture
def worse(shared: dict[str, GateResult], run_gate: RunGate, worse_archive: Path, promoted: Path) -> GateResult:
    if "worse" not in shared:
        champion = f"--gate-champion={promoted / 'deployed'}"
        shared["worse"] = run_gate(worse_archive, champion, "-rx", "-v", drawn=True)
    return shared["worse"]


@pytest.fixture(
    params=[
        pytest.param(("deployed", 2), id="folder and workers", marks=pytest.mark.long),
        pytest.param(("run/verdict.json", 0), id="verdict"),
    ]
)
def equal(
    request: pytest.FixtureRequest,
    shared: dict[str, GateResult],
    run_gate: RunGate,
    tmp_path: Path,
    promoted: Path,
) -> dict[str, Any]:
    """What the verdict says of the deployed model when it is judged against itself."""
    place, workers = request.param
    if place not in shared:
        champion = f"--gate-champion={promoted / place}"
        shared[place] = run_gate(pack(tmp_path, GOOD), champion, f"-n{workers}", subprocess=bool(workers))
    (part,) = shared[place].verdict["models"]
    assert isinstance(part, dict)
    return part


@pytest.fixture
def alone(shared: dict[str, GateResult], run_gate: RunGate, tmp_path: Path) -> GateResult:
    """A run without a champion."""
    if "alone" not in shared:
        shared["alone"] = run_gate(pack(tmp_path, GOOD), "-v")
    return shared["alone"]


@pytest.fixture
def other_bars(shared: dict[str, GateResult], run_gate: RunGate, tmp_path: Path, promoted: Path) -> GateResult:
    """A run on other folds than those of the champion's verdict."""
    if "other bars" not in shared:
        champion = f"--gate-champion={promoted / 'run/verdict.json'}"
        shared["other bars"] = run_gate(pack(tmp_path, GOOD), champion, "--gate-folds=4")
    return shared["other bars"]


@pytest.fixture
def shards(shared: dict[str, GateResult], run_gate: RunGate, worse_archive: Path, promoted: Path) -> list[Path]:
    """Evidence of two shards that share the work on the worse model."""
    if "shards" not in shared:
        champion = f"--gate-champion={promoted / 'deployed'}"
        for number in (1, 2):
            options = f"--gate-shard={number}/2", f"--gate-output=shard{number}"
            shared["shards"] = run_gate(worse_archive, champion, *options)
    folder = shared["shards"].output.parent
    return [folder / f"shard{number}/evidence" for number in (1, 2)]


@pytest.fixture
def altered(promoted: Path, tmp_path: Path) -> Path:
    """A deployed folder in which a byte of the model is another one."""
    folder = shutil.copytree(promoted / "deployed", tmp_path / "deployed", symlinks=True)
    path = folder / "WAVUSD_1Hour.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    return folder


def test_a_worse_model_is_called_worse(worse: GateResult) -> None:
    assert worse.verdict["models"][0]["champion"]["outcome"] == "worse"


def test_all_of_a_worse_models_interval_lies_below_zero(worse: GateResult) -> None:
    assert worse.verdict["models"][0]["champion"]["high"] < 0


def test_a_worse_model_is_capped_at_paper(worse: GateResult) -> None:
    reasons = worse.verdict["models"][0]["reasons"]

    assert any("A model in force allows PAPER at most: it is worse than the deployed" in reason for reason in reasons)


def test_the_test_of_a_worse_model_is_tolerated(worse: GateResult) -> None:
    worse.run.stdout.fnmatch_lines(["XFAIL [[]6] WAVUSD_1Hour: worse than the deployed*"])


def test_the_terminal_tells_of_the_comparison(worse: GateResult) -> None:
    assert "champion: worse than the deployed" in worse.text


def test_the_report_tells_of_the_comparison(worse: GateResult) -> None:
    assert "champion: worse than the deployed" in (worse.output / "report.html").read_text()


def test_the_verdict_names_the_promotion_it_was_compared_with(worse: GateResult, promoted: Path) -> None:
    record = json.loads((promoted / "deployed/promotion.json").read_text())

    assert worse.verdict["settings"]["champion"] == record["digest"]


def test_the_deployed_model_is_equal_to_itself(equal: dict[str, Any]) -> None:
    assert equal["champion"]["outcome"] == "equal"


def test_the_deployed_model_does_not_differ_from_itself(equal: dict[str, Any]) -> None:
    assert (equal["champion"]["low"], equal["champion"]["high"]) == (0.0, 0.0)


def test_the_champion_is_named_by_its_checkpoint(equal: dict[str, Any]) -> None:
    assert equal["champion"]["champion"] == equal["checkpoint"]["sha256"]


def _merge(run_gate: RunGate, archive: Path, promoted: Path, folders: list[Path]) -> dict[str, Any]:
    evidence = [f"--gate-evidence={folder}" for folder in folders]
    return run_gate(archive, f"--gate-champion={promoted / 'deployed'}", "--gate-merge", *evidence).verdict


def test_a_merge_of_shards_reaches_the_verdict_of_a_whole_run(
    run_gate: RunGate, worse_archive: Path, promoted: Path, shards: list[Path], worse: GateResult
) -> None:
    assert _merge(run_gate, worse_archive, promoted, shards)["digest"] == worse.verdict["digest"]


def test_a_merge_without_the_comparison_is_incomplete(
    run_gate: RunGate, worse_archive: Path, promoted: Path, shards: list[Path], tmp_path: Path
) -> None:
    copies = [shutil.copytree(folder, tmp_path / str(number)) for number, folder in enumerate(shards)]
    for path in tmp_path.glob("*/*/WAVUSD_1Hour.champion.json"):
        path.unlink()

    complete = _merge(run_gate, worse_archive, promoted, copies)["complete"]

    assert "WAVUSD_1Hour champion: there is no evidence" in complete


def test_without_a_champion_nothing_is_collected(alone: GateResult) -> None:
    assert "test_champion" not in alone.text


def test_without_a_champion_nothing_is_compared(alone: GateResult) -> None:
    assert alone.verdict["models"][0]["champion"] is None


def test_an_altered_champion_ends_the_run_before_it_begins(run_gate: RunGate, tmp_path: Path, altered: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), f"--gate-champion={altered}")

    assert result.run.ret == pytest.ExitCode.USAGE_ERROR


def test_an_altered_champion_is_said_to_be(run_gate: RunGate, tmp_path: Path, altered: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), f"--gate-champion={altered}")

    assert "was altered since it was promoted" in result.text


def test_a_verdict_on_other_bars_is_no_champion(other_bars: GateResult) -> None:
    why = "there is no evidence of fold1of4 on these very bars beside the verdict"

    assert why in str(other_bars.verdict["complete"])


def test_nothing_is_promotable_against_a_champion_on_other_bars(other_bars: GateResult) -> None:
    assert other_bars.verdict["promotable"] == []
