"""Workers that see none of the run's folders: the same verdict, every window once, and crashes that are seen."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from execnet import XSpec
from support import cheap_gate, cheap_runs, elsewhere
from support.cheap_runs import BAD, RND, WAV, WINDOWS, CheapRun

from pytest_modelgate.plugin.xdist.remote.hosting import is_beside

ONCE = Counter(f"{model}.{window}" for model in (RND, WAV) for window in WINDOWS)
KILLED = f"{WAV}.fold2of5"
OWN_FEATURES = """
from dataclasses import replace
from pytest_modelgate.core.features.reference import REFERENCE
def pytest_modelgate_feature_sets():
    return {"mine": replace(REFERENCE, name="mine")}
"""
Away = Callable[..., CheapRun]
needs_namespaces = pytest.mark.skipif(not elsewhere.can_hide(), reason="mount namespaces are root's, on Linux")


@pytest.fixture
def away(tmp_path: Path, cheap_archive: Path) -> Away:
    """Run the gate with two workers that find the folder empty in which the run lies, and all it needs."""

    def run(*options: str, hide: bool = True, files: dict[str, str] | None = None, **told: Any) -> CheapRun:
        home, there = tmp_path / "home", tmp_path / "there"
        for folder in (home / "tmp", there / "tmp"):
            folder.mkdir(parents=True)
        shutil.copy(cheap_archive, home)
        for name, text in (files or {}).items():
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(text)
        (there / "told.json").write_text(json.dumps({"log": str(there / "log"), **told}))
        variables = {"TMPDIR": str(there / "tmp"), "MODELGATE_TEST_AWAY": "1"}
        python = elsewhere.python(there / "python", hide=home if hide else None, environment=variables)
        process, begun = cheap_runs.start(
            home,
            Path(cheap_archive.name),
            f"--tx=2*popen//python={python}//chdir={there}",
            "--dist=load",
            *options,
            environment={cheap_gate.INSTRUCTIONS: str(there / "told.json"), "TMPDIR": str(home / "tmp")},
        )
        ended = replace(cheap_runs.end(process, begun), log=there / "log")
        assert "asked for what no worker asks for" not in ended.text
        assert not list((home / "tmp").glob("modelgate-*"))
        assert not list((there / "tmp").glob("modelgate-*"))
        return ended

    return run


@pytest.mark.parametrize(
    ("spec", "beside"),
    [
        ("popen", True),
        ("popen//env:X=1", True),
        ("popen//chdir=there", False),
        ("popen//python=/opt/bin/python", False),
        ("popen//via=proxy", False),
        ("ssh=there", False),
        ("socket=there:8888", False),
    ],
)
def test_only_what_runs_as_this_process_does_is_beside_it_for_sure(spec: str, beside: bool) -> None:
    assert is_beside(XSpec(spec)) is beside


@needs_namespaces
def test_workers_that_share_no_folder_give_the_same_verdict(away: Away, reference: CheapRun) -> None:
    run = away()

    assert (run.ret, run.digest, run.outcomes) == (reference.ret, reference.digest, reference.outcomes)
    assert Counter(run.evaluations) == ONCE
    assert len(run.processes) == 2


@needs_namespaces
@pytest.mark.long
@pytest.mark.parametrize("mishap", ["kill", "body"])
def test_a_worker_killed_elsewhere_leaves_its_model_incomplete(away: Away, mishap: str) -> None:
    run = away(mishap={KILLED: mishap})

    assert run.ret == 1
    assert run.decisions == {WAV: "INCOMPLETE", RND: "DROP", BAD: "DROP"}
    assert run.outcomes[f"model_tests/test_walk_forward.py::test_fold[{WAV}-fold2of5]"] == "FAILED"
    assert run.outcomes[f"model_tests/test_decision.py::test_decision[{WAV}]"] == "FAILED"
    assert "came to a sudden end" in run.text
    assert Counter(run.evaluations) == ONCE
    assert "INTERNALERROR" not in run.text


@needs_namespaces
@pytest.mark.long
def test_a_decision_alone_has_its_windows_spread_over_machines(away: Away, reference: CheapRun) -> None:
    run = away("-k", "WAVUSD and decision", sleep={f"{WAV}.{window}": 0.5 for window in WINDOWS})

    assert run.ret == 0
    assert Counter(run.evaluations) == Counter(f"{WAV}.{window}" for window in WINDOWS)
    assert len(run.processes) == 2
    assert run.decisions[WAV] == reference.decisions[WAV]


@needs_namespaces
@pytest.mark.long
def test_what_the_project_says_elsewhere_counts_there(away: Away) -> None:
    """Options of the configuration file and a profile of its own: no worker finds them by itself."""
    profile = 'name = "own"\nextends = "2.4.5"\n'
    options = "[pytest]\ngate_folds = 4\ngate_profile = own.toml\naddopts = --gate-capital=5000\n"
    run = away(files={"pytest.ini": options, "own.toml": profile})

    assert run.verdict["profile"]["name"] == "own"
    assert {name.partition(".")[2] for name in run.evaluations} >= {"fold4of4"}
    assert run.verdict["complete"] is True


@needs_namespaces
@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "text", "differs"),
    [
        ("conftest.py", OWN_FEATURES, "feature set mine"),
        ("model_tests/test_decision.py", "def test_decision(gate_model): pass\n", "the suite"),
    ],
)
def test_a_machine_with_another_project_refuses(away: Away, name: str, text: str, differs: str) -> None:
    run = away(files={name: text})

    assert run.ret == 1
    assert f"on this worker's machine {differs} differ from those of the run" in run.text
    assert run.verdict["promotable"] == []
    assert run.evaluations == []


@needs_namespaces
@pytest.mark.long
def test_a_worker_that_does_not_get_what_it_needs_ends_and_is_not_waited_for(away: Away) -> None:
    """Its process is there still when it is given up."""
    gone = "import os\ndef pytest_configure_node(node):\n    if os.path.exists('own.toml'): os.remove('own.toml')\n"
    files = {"own.toml": 'name = "own"\nextends = "2.4.5"\n', "conftest.py": gone}
    run = away("--gate-profile=own.toml", "--max-worker-restart=0", files=files)

    assert run.ret != 0
    assert "a file of the run: cannot be read or written: No such file or directory" in run.text
    assert run.verdict["promotable"] == []


@pytest.mark.long
def test_workers_in_another_folder_use_the_run_s_own(away: Away, reference: CheapRun) -> None:
    """They see it: a relative archive and output are those of where pytest was called."""
    run = away(hide=False)

    assert (run.ret, run.digest) == (reference.ret, reference.digest)
    assert Counter(run.evaluations) == ONCE
    assert not (run.log.parent / "gate-report").exists()


@pytest.mark.long
def test_a_worker_that_cannot_start_is_not_replaced_without_end(tmp_path: Path, cheap_archive: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import os\n"
        "def pytest_configure(config):\n"
        "    if hasattr(config, 'workerinput'):\n"
        "        open('started', 'a').write('.')\n"
        "        os._exit(3)\n"
    )
    run = cheap_runs.run(tmp_path, cheap_archive, "--tx=popen", "--dist=load")

    assert run.ret != 0
    assert len((tmp_path / "started").read_text()) == 5
    assert "maximum crashed workers reached: 4" in run.text


def test_an_option_that_xdist_would_take_for_a_test_is_refused(tmp_path: Path, cheap_archive: Path) -> None:
    there = f"--tx=popen//chdir={tmp_path / 'there'}"
    run = cheap_runs.run(tmp_path, cheap_archive, there, "--dist=load", "--model-archive", str(cheap_archive))

    assert run.ret == 4
    assert f"Write --model-archive={cheap_archive}." in run.text
    assert "Traceback" not in run.text


def test_a_decision_that_passed_without_evidence_is_an_error(tmp_path: Path, cheap_archive: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pathlib, pytest\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_sessionfinish():\n"
        f"    for path in pathlib.Path('gate-report/evidence').glob('*/{KILLED}.json'): path.unlink()\n"
    )
    run = cheap_runs.run(tmp_path, cheap_archive, "-n0", "-k", WAV)

    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert re.search(r"ERROR .*test_decision.*INCOMPLETE: it passed, but the evidence", run.text)
    assert "1 error" in run.text
