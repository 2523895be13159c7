"""What is deployed against what wants its place, in whole runs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import model_factory
from support.plugin_helpers import GOOD, RunGate, model, pack

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
    assert main(arguments) == 0
    return folder


@pytest.fixture
def deployed(promoted: Path, tmp_path: Path) -> Path:
    """A deployed folder of one's own, and the run that it came from beside it."""
    for name in ("deployed", "run"):
        shutil.copytree(promoted / name, tmp_path / name, symlinks=True)
    return tmp_path / "deployed"


def test_a_worse_model_is_capped_at_paper(run_gate: RunGate, tmp_path: Path, deployed: Path) -> None:
    result = run_gate(pack(tmp_path, WORSE), f"--gate-champion={deployed}", "-rx", "-v", drawn=True)

    (found,) = result.verdict["models"]
    assert found["champion"]["outcome"] == "worse"
    assert found["champion"]["high"] < 0
    assert any("A model in force allows PAPER at most: it is worse than the deployed" in r for r in found["reasons"])
    result.run.stdout.fnmatch_lines(["XFAIL*test_champion.py::test_champion[[]WAVUSD_1Hour]*worse than the deployed*"])
    assert "champion: worse than the deployed" in result.text
    assert "champion: worse than the deployed" in (result.output / "report.html").read_text()
    record = json.loads((deployed / "promotion.json").read_text())
    assert result.verdict["settings"]["champion"] == record["digest"]


@pytest.mark.parametrize(("place", "workers"), [("deployed", 2), ("run/verdict.json", 0)])
def test_the_deployed_model_itself_is_equal_by_folder_and_by_verdict(
    run_gate: RunGate, tmp_path: Path, deployed: Path, place: str, workers: int
) -> None:
    champion = f"--gate-champion={deployed.parent / place}"
    result = run_gate(pack(tmp_path, GOOD), champion, f"-n{workers}", subprocess=bool(workers))

    (found,) = result.verdict["models"]
    assert found["champion"]["outcome"] == "equal"
    assert (found["champion"]["low"], found["champion"]["high"]) == (0.0, 0.0)
    assert found["champion"]["champion"] == found["checkpoint"]["sha256"]


def test_shards_share_the_comparison_and_a_merge_needs_it(run_gate: RunGate, tmp_path: Path, deployed: Path) -> None:
    archive, champion = pack(tmp_path, WORSE), f"--gate-champion={deployed}"
    whole = run_gate(archive, champion).verdict
    shards = [run_gate(archive, champion, f"--gate-shard={n}/2", f"--gate-output=shard{n}") for n in (1, 2)]
    folders = [f"--gate-evidence={shard.output.parent / f'shard{n}/evidence'}" for n, shard in enumerate(shards, 1)]

    merged = run_gate(archive, champion, "--gate-merge", "--gate-output=merged", *folders)
    assert json.loads((merged.output.parent / "merged/verdict.json").read_text())["digest"] == whole["digest"]

    for path in merged.output.parent.glob("shard*/evidence/*/WAVUSD_1Hour.champion.json"):
        path.unlink()
    run_gate(archive, champion, "--gate-merge", "--gate-output=missing", *folders)
    missing = json.loads((merged.output.parent / "missing/verdict.json").read_text())
    assert "WAVUSD_1Hour champion: there is no evidence" in missing["complete"]


def test_without_a_champion_nothing_is_compared(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-v")

    assert "test_champion" not in result.text
    assert result.verdict["models"][0]["champion"] is None


def test_an_altered_champion_ends_the_run_before_it_begins(run_gate: RunGate, tmp_path: Path, deployed: Path) -> None:
    path = deployed / "WAVUSD_1Hour.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    result = run_gate(pack(tmp_path, GOOD), f"--gate-champion={deployed}")

    assert result.run.ret == pytest.ExitCode.USAGE_ERROR
    assert "was altered since it was promoted" in result.text


def test_a_verdict_on_other_bars_is_no_champion(run_gate: RunGate, tmp_path: Path, deployed: Path) -> None:
    champion = f"--gate-champion={deployed.parent / 'run/verdict.json'}"

    result = run_gate(pack(tmp_path, GOOD), champion, "--gate-folds=4")

    assert "there is no evidence of fold1of4 on these very bars beside the verdict" in str(result.verdict["complete"])
    assert result.verdict["promotable"] == []
