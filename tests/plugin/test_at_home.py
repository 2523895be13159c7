"""At home in other people's projects: beside their tests, their fixtures, their conftest.py, their editors."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support import cheap_runs
from support.cheap_runs import BAD, RND, TESTS_PER_MODEL, WAV, CheapRun
from support.installed import ROOT, install, using
from support.plugin_helpers import GOOD, RunGate, pack

from pytest_modelgate.plugin.suite import in_suite

Cheap = Callable[..., CheapRun]
GATING, INTEGRITY = "model_tests/test_gating.py", "model_tests/test_integrity.py"
CLASSIFICATION = f"{GATING}::test_classification[{WAV}]"
SHADOWS = """
import pytest
@pytest.fixture
def backtest(): return "their own backtest"
@pytest.fixture
def bars(): return [1, 2, 3]
@pytest.fixture
def metric(): return "accuracy"
@pytest.fixture
def decision(): return "buy"
@pytest.fixture(autouse=True)
def checkpoint(bars): return "of each test"
def pytest_generate_tests(metafunc):
    if "gating" in metafunc.fixturenames and metafunc.module.__name__ == "test_theirs":
        metafunc.parametrize("gating", ["soft", "hard"])
"""
THEIRS = """
import pytest
def test_bars(bars, backtest, decision): assert (len(bars), backtest, decision) == (3, "their own backtest", "buy")
def test_fixture(metric): assert metric == "accuracy"
@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_parameter(metric): assert metric in ("rmse", "mae")
def test_generated(gating): assert gating in ("soft", "hard")
def test_of_each_model(trained_model, bars): assert bars == [1, 2, 3]
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed, below a ``conftest.py`` that is nobody's business."""
    folder = tmp_path_factory.mktemp("environment")
    (folder / "conftest.py").write_text("raise RuntimeError('another project was loaded')\n")
    return install(folder / "lib" / "site-packages")


@pytest.fixture
def installed(cheap: Cheap, site: Path) -> Cheap:
    """Runs of the installed package."""
    return partial(cheap, environment=using(site))


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def theirs(run: CheapRun) -> dict[str, str]:
    return {test: outcome for test, outcome in run.outcomes.items() if not test.startswith("model_tests/")}


def ours(run: CheapRun) -> dict[str, str]:
    return {test: outcome for test, outcome in run.outcomes.items() if test.startswith("model_tests/")}


@pytest.mark.long
@pytest.mark.parametrize(
    ("configuration", "workers"),
    [
        pytest.param("[pytest]\ntestpaths = tests\npython_files = check_*.py test_*.py\n", "-n2", id="testpaths"),
        pytest.param(None, "-n0", id="no configuration"),
    ],
)
def test_the_suite_runs_beside_the_projects_tests(
    installed: Cheap, reference: CheapRun, tmp_path: Path, configuration: str | None, workers: str
) -> None:
    if configuration:
        (tmp_path / "pytest.ini").write_text(configuration)
    write(tmp_path / "tests", test_backtest="def test_mine(): pass\n", test_gating="def test_mine(): pass\n")

    run = installed(workers)

    assert theirs(run) == {"tests/test_backtest.py::test_mine": "PASSED", "tests/test_gating.py::test_mine": "PASSED"}
    assert (ours(run), run.digest) == (reference.outcomes, reference.digest)
    assert "model gate: suite shipped with pytest-modelgate, beside the project's own tests" in run.text


def test_an_environment_inside_of_the_project_is_no_matter(cheap: Cheap, reference: CheapRun, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    write(tmp_path, test_mine="def test_mine(): pass\n")
    write(tmp_path / ".venv", conftest="raise RuntimeError\n", test_other="def test_other(): pass\n")
    (tmp_path / ".venv" / "pyvenv.cfg").touch()

    run = cheap("-n0", environment=using(install(tmp_path / ".venv" / "site-packages")))

    assert theirs(run) == {"test_mine.py::test_mine": "PASSED"}
    assert (ours(run), run.digest) == (reference.outcomes, reference.digest)


@pytest.mark.long
def test_the_projects_own_copy_takes_the_place_of_the_shipped_one(installed: Cheap, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "model_tests", tmp_path / "model_tests", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "model_tests" / "test_backtest.py").unlink()
    write(
        tmp_path / "model_tests", helper="GOOD = 1\n", test_own="from helper import GOOD\ndef test_own(): assert GOOD\n"
    )
    write(tmp_path / "tests", test_gating="def test_mine(): pass\n")

    run = installed("-n0")

    assert {"model_tests/test_own.py::test_own", CLASSIFICATION, "tests/test_gating.py::test_mine"} <= set(run.outcomes)
    assert not any("test_backtest" in test for test in run.outcomes)
    assert "suite model_tests/ of the project, in place of the shipped one, beside the project's own tests" in run.text


@pytest.mark.long
def test_nothing_of_an_archive_or_of_results_is_collected(
    installed: Cheap, reference: CheapRun, cheap_archive: Path, tmp_path: Path
) -> None:
    shutil.unpack_archive(cheap_archive, tmp_path / "trained" / cheap_archive.stem)
    archive = tmp_path / "trained" / cheap_archive.stem
    for place in (archive, archive / "models", archive / "model_tests", tmp_path / "gate-report" / "evidence"):
        write(place, conftest="raise RuntimeError\n", test_theirs="raise RuntimeError\n")

    run = installed("-n0", archive=archive)

    assert run.outcomes == reference.outcomes


def test_what_is_named_is_run_alone(installed: Cheap, tmp_path: Path) -> None:
    write(tmp_path / "tests", test_mine="def test_mine(): pass\n", test_other="def test_other(): pass\n")

    run = installed("-n0", "tests/test_mine.py", CLASSIFICATION)

    assert set(run.outcomes) == {"tests/test_mine.py::test_mine", CLASSIFICATION}
    assert "only what is named is run" in run.text


@pytest.mark.parametrize(
    ("argument", "inside"),
    [
        ("model_tests/test_gating.py", "test_gating.py"),
        ("./model_tests/test_gating.py::test_x[A-b]", "test_gating.py::test_x[A-b]"),
        ("../model_tests/test_gating.py::test_x[A::b/model_tests]", "test_gating.py::test_x[A::b/model_tests]"),
        ("/elsewhere/model_tests/test_gating.py::test_x", "test_gating.py::test_x"),
        (r"model_tests\test_gating.py::test_x[a\b]", r"test_gating.py::test_x[a\b]"),
        (r"C:\project\model_tests\test_gating.py::test_x", "test_gating.py::test_x"),
        ("model_tests", ""),
        ("model_tests/", ""),
    ],
)
def test_an_id_of_the_suite_names_the_one_in_force_however_it_is_spelled(
    tmp_path: Path, argument: str, inside: str
) -> None:
    suite = tmp_path / "suite"

    assert in_suite(argument, suite, tmp_path) == str(suite) + (f"/{inside}" if inside else "")


@pytest.mark.parametrize("argument", ["tests/test_gating.py", "tests/test_x.py::test_y[model_tests/test_gating.py]"])
def test_other_tests_are_left_where_they_are(tmp_path: Path, argument: str) -> None:
    assert in_suite(argument, tmp_path / "suite", tmp_path) == argument


def test_a_folder_of_that_name_elsewhere_is_another_one(tmp_path: Path) -> None:
    write(tmp_path / "sub" / "model_tests", test_it="")

    assert in_suite("sub/model_tests/test_it.py", tmp_path / "suite", tmp_path) == "sub/model_tests/test_it.py"


@pytest.mark.long
def test_ids_are_pasted_back_where_they_were_printed_or_elsewhere(installed: Cheap, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")

    assert set(installed("-n2", CLASSIFICATION).outcomes) == {CLASSIFICATION}
    assert set(installed("-n0", f"{tmp_path}/{CLASSIFICATION}").outcomes) == {CLASSIFICATION}


@pytest.mark.long
def test_ids_that_are_printed_in_a_subfolder_can_be_pasted_there(
    site: Path, cheap_archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    write(tmp_path / "tests", test_mine="def test_mine(): pass\n")
    blocked, here = (
        f"../{GATING}::test_classification[{BAD}]",
        partial(cheap_runs.run, tmp_path / "tests", cheap_archive),
    )

    run = here("-n0", "-m", "gating", environment=using(site))
    again = here("-n0", blocked, environment=using(site))

    assert (run.ret, again.ret) == (1, 1)
    assert f"FAILED {blocked} - " in run.text
    assert set(again.outcomes) == {blocked}


def test_an_editor_lists_tests_by_their_paths_and_runs_them_by_these(
    cheap: Cheap, site: Path, cheap_archive: Path, tmp_path: Path
) -> None:
    configuration = f"[pytest]\naddopts = -p helper --model-archive={cheap_archive}\npythonpath = lib\n"
    (tmp_path / "pytest.ini").write_text(configuration)
    write(tmp_path / "lib", helper="")
    write(tmp_path / "tests", test_mine="import helper\ndef test_mine(): pass\n")
    environment = using(site, DRIVER_OUT=str(tmp_path / "driver.json"))
    environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path / 'lib'}"
    called = ("-p", "support.vscode_driver", f"--rootdir={tmp_path}")
    options = (*called, "--override-ini", "junit_family=xunit1", "-q")

    def told() -> dict[str, Any]:
        document: dict[str, Any] = json.loads((tmp_path / "driver.json").read_text())
        return document

    assert cheap(*options, "--collect-only", environment=environment).ret == 0
    listed = told()["listed"]
    assert len(listed) == 3 * TESTS_PER_MODEL + 1
    suite = site / "pytest_modelgate" / GATING
    chosen = [f"{suite}::test_classification[{WAV}]", f"{tmp_path}/tests/test_mine.py::test_mine"]
    assert set(chosen) < set(listed)

    run = cheap(*options, *chosen, environment=environment)

    assert told()["outcomes"] == dict.fromkeys(chosen, "passed")
    assert run.ret == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "environment", "status"),
    [
        ([], {}, 0),
        (["-n2"], {"CI": "true"}, 1),
        (["-o", "gate_exit_by_verdict=false"], {"CI": "true"}, 0),
        (["--gate-exit-by-verdict"], {}, 1),
    ],
)
def test_a_green_end_beside_a_dropped_model_is_spoken_about_in_the_last_line(
    cheap: Cheap, site: Path, options: list[str], environment: dict[str, str], status: int
) -> None:
    run = cheap("-m", "integrity", "-k", WAV, *options, environment=using(site, **environment))

    assert run.ret == status
    last = run.text.strip().splitlines()[-1]
    models = f"{BAD} (DROP), {RND} (INCOMPLETE), {WAV} (INCOMPLETE)"
    by_verdict = f"exit status 1 by the verdict (--gate-exit-by-verdict): no decision test was run of {models}"
    silent = f"the exit status says nothing about {models}: no decision test of theirs was run"
    assert last == f"model gate: {by_verdict if status else silent}"


def test_of_a_model_whose_decision_test_failed_or_passed_the_exit_status_says_all(
    installed: Cheap, reference: CheapRun
) -> None:
    assert "the exit status says nothing" not in reference.text

    run = installed("-n0", "-k", f"test_decision and {BAD}")

    assert run.text.strip().splitlines()[-1] == (
        f"model gate: the exit status says nothing about {RND} (INCOMPLETE), {WAV} (INCOMPLETE): "
        "no decision test of theirs was run"
    )


@pytest.mark.long
@pytest.mark.parametrize("way", ["a class", "a mark"])
def test_a_decision_test_that_somebody_tolerates_does_not_hide_the_model(
    installed: Cheap, tmp_path: Path, way: str
) -> None:
    mark = {"a class": "pytest.mark.skip", "a mark": "pytest.mark.xfail"}[way]
    hook = "def pytest_collection_modifyitems(items):\n    for item in items: item.add_marker({})\n"
    write(tmp_path, conftest=f"import pytest\n{hook.format(mark)}")

    run = installed("-n0", "-k", f"test_decision and {BAD}", "--gate-exit-by-verdict")

    assert run.ret == 1
    assert f"{BAD} (DROP)" in run.text.strip().splitlines()[-1]


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "subject"),
    [
        ([], "this archive;"),
        (["--gate-profile=strict"], "this archive on other terms;"),
        ([], "another archive, {name} with sha256 {sha256:.12}...;"),
    ],
)
def test_a_partial_run_replaces_no_complete_verdict_and_says_whose_it_is(
    installed: Cheap, cheap_archive: Path, tmp_path: Path, options: list[str], subject: str
) -> None:
    archive = tmp_path / cheap_archive.name
    shutil.copy(cheap_archive, archive)
    full = installed("-n0", archive=archive)
    assert full.verdict["complete"] is True
    before = (tmp_path / "gate-report" / "verdict.json").read_bytes()
    shutil.rmtree(tmp_path / "gate-report" / "evidence")  # else all is known, and whatever is run decides on all
    if subject.startswith("another"):  # retrained under the same name
        cheap_runs.cheap_archive(tmp_path, dropped=False)

    run = installed("-n0", CLASSIFICATION, *options, archive=archive, drawn=True)

    assert (tmp_path / "gate-report" / "verdict.json").read_bytes() == before
    stays = f"as it was: complete, on {subject.format_map(full.verdict['archive'])} this run decided on too few models"
    assert f"verdict.json ({stays})" in run.text
    assert stays in (tmp_path / "gate-report" / "report.html").read_text()
    assert f"`verdict.json` is {stays}." in (tmp_path / "gate-report" / "summary.md").read_text().replace("\\", "")

    decided = installed("-n0", "model_tests/test_decision.py", *options, archive=archive)
    assert "as it was" not in decided.text
    assert decided.verdict["run"]["id"] != full.verdict["run"]["id"]


@pytest.mark.long
@pytest.mark.parametrize(("hook", "stays"), [("os.kill(os.getpid(), 9)", False), ("items[:] = items[:1]", True)])
def test_an_earlier_verdict_is_out_of_the_way_before_tests_are_collected_and_comes_back_if_few_are(
    installed: Cheap, tmp_path: Path, hook: str, stays: bool
) -> None:
    installed("-n0")
    before = (tmp_path / "gate-report" / "verdict.json").read_bytes()
    shutil.rmtree(tmp_path / "gate-report" / "evidence")
    write(tmp_path, conftest=f"import os\ndef pytest_collection_modifyitems(items): {hook}\n")

    run = installed("-n0")

    assert ((tmp_path / "gate-report" / "verdict.json").read_bytes() == before) is stays
    assert run.verdict["complete"] is True if stays else run.verdict["complete"].startswith("the run has not finished")
    assert ("as it was: complete, on this archive;" in run.text) is stays


@pytest.mark.long
def test_fixtures_and_parameters_of_the_project_are_its_own(
    installed: Cheap, reference: CheapRun, tmp_path: Path
) -> None:
    write(tmp_path, conftest=SHADOWS, test_theirs=THEIRS)

    run = installed("-n2")

    assert Counter(test.partition("[")[0] for test in theirs(run)) == {
        "test_theirs.py::test_bars": 1,
        "test_theirs.py::test_fixture": 1,
        "test_theirs.py::test_parameter": 2,
        "test_theirs.py::test_generated": 2,
        "test_theirs.py::test_of_each_model": 3,
    }
    assert set(theirs(run).values()) == {"PASSED"}
    assert (ours(run), run.digest) == (reference.outcomes, reference.digest)


def test_a_fixture_of_a_long_name_is_refused_in_one_sentence(installed: Cheap, tmp_path: Path) -> None:
    write(tmp_path, conftest="import pytest\n@pytest.fixture\ndef gate_bars(): pass\n")
    write(tmp_path, test_it="def test_it(gate_bars, trained_model): pass\n")

    run = installed("-n0")

    place = f"{tmp_path / 'conftest.py'}:2"
    assert f"test_it asks for the gate's gate_bars, and gets the project's own of {place}: rename it." in run.text


def test_a_copy_of_the_suite_that_meets_a_fixture_of_the_project_is_told_so(installed: Cheap, tmp_path: Path) -> None:
    write(tmp_path, conftest="import pytest\n@pytest.fixture\ndef backtest(): pass\n")
    write(tmp_path / "model_tests", test_backtest="def test_sanity(backtest, sanity): pass\n")

    run = installed("-n0")

    assert run.ret == 2
    place = f"{tmp_path / 'conftest.py'}:2"
    sentence = (
        f"asks for the gate's backtest, and gets the project's own of {place}: ask for gate_backtest, or rename it."
    )
    assert f"test_sanity {sentence}" in run.text


def test_without_an_archive_a_fixture_that_the_project_lacks_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "def test_it(bars): pass\n"
        "@pytest.mark.backtest\n"
        "def test_of_models(bars): pass\n"
        "def test_of_folds(fold_result): pass\n"
        "def test_long(gate_bars): pass\n"
    )

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(errors=1, skipped=3)
    result.stdout.fnmatch_lines(
        ["bars: no fixture of the project bears this name, and the gate's needs --model-archive=*"]
    )


@pytest.mark.parametrize("option", ["--setup-plan", "--setup-only", "--fixtures", "--fixtures-per-test"])
def test_what_runs_no_test_writes_nothing(run_gate: RunGate, good_archive: Path, option: str) -> None:
    result = run_gate(good_archive, option)

    assert result.run.ret == 0
    assert not (result.output / "verdict.json").exists()


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize(("fixture", "option"), [("gate_champion", "--gate-champion"), ("gate_paper", "--gate-paper")])
def test_a_projects_test_of_what_this_run_lacks_says_which_option_it_needs(
    pytester: pytest.Pytester, fixture: str, option: str, workers: int
) -> None:
    mine = pytester.makepyfile(f"def test_mine({fixture}): pass")
    archive = pack(pytester.path, GOOD)

    result = pytester.runpytest_subprocess(mine, f"--model-archive={archive}", "-rs", f"-n{workers}")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*{option} names*"])


def test_a_projects_own_test_of_a_model_has_its_figures_in_junit(pytester: pytest.Pytester) -> None:
    mine = pytester.makepyfile("def test_mine(gate_metric, gate_gating): pass")
    archive = pack(pytester.path, GOOD)

    pytester.runpytest_subprocess(mine, f"--model-archive={archive}", "--junitxml=junit.xml", "-n0")

    cases = ET.parse(pytester.path / "junit.xml").iter("testcase")
    names = [{item.get("name") for item in case.iter("property")} for case in cases]
    assert len(names) == 4
    assert all(found == {"model", "metric", "value", "band"} for found in names)
