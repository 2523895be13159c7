"""What a run leaves out because nobody would see it."""

import gc
import sys
from pathlib import Path

import pytest
from support.plugin_helpers import IDLE, RunGate, pack

MOST = 10_000  # objects; Python itself has fewer, and what a run imports is many times as much


@pytest.mark.parametrize("collects", [True, False])
def test_collections_of_garbage_pass_over_what_was_imported(
    run_gate: RunGate, pytester: pytest.Pytester, good_archive: Path, *, collects: bool
) -> None:
    state = "f'{gc.isenabled()} {gc.get_freeze_count()}'"
    pytester.makeconftest(f"import gc\n\ndef pytest_collection_finish():\n    open('seen', 'w').write({state})\n")
    before, collected = gc.get_freeze_count(), gc.isenabled()
    try:
        if not collects:
            gc.disable()
        run_gate(good_archive, "--collect-only")
        assert gc.isenabled() is collects
        assert gc.get_freeze_count() <= before
    finally:
        if collected:
            gc.enable()

    enabled, frozen = (pytester.path / "seen").read_text().split()
    assert enabled == str(collects)
    assert int(frozen) > MOST


def test_tolerated_checks_show_their_lines_only_where_asked(
    run_gate: RunGate, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    told = "open('told', 'a').write(report.longreprtext + '\\n')"
    pytester.makepyfile(teller=f"def pytest_runtest_logreport(report):\n    if hasattr(report, 'wasxfail'): {told}\n")
    pytester.syspathinsert()
    archive = pack(tmp_path, IDLE)

    usual = run_gate(archive, "-n0", "-m", "gating", "-p", "teller")
    assert (pytester.path / "told").read_text().splitlines()[0] == "REVIEW: fitness_score is 0.6"
    in_full = run_gate(archive, "-n0", "-m", "gating", "--xfail-tb")

    line = 'pytest.xfail(f"REVIEW: {gate_metric} is {figure:g}")'
    assert [line in result.text for result in (usual, in_full)] == [False, True]


def test_a_test_of_the_project_reports_its_lines_whatever_it_asks_of_the_gate(
    run_gate: RunGate, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    body = "(gate_model_plan):\n    pytest.xfail('not yet')\n"
    pytester.makepyfile(test_own=f"import pytest\n\n@pytest.mark.gating\ndef test_own{body}")
    told = "open('told', 'a').write(report.longreprtext)"
    pytester.makepyfile(
        teller=f"def pytest_runtest_logreport(report):\n    if report.nodeid.startswith('test_own'): {told}\n"
    )
    pytester.syspathinsert()

    run_gate(pack(tmp_path, IDLE), "-n0", "-m", "gating", "-p", "teller")

    assert "pytest.xfail('not yet')" in (pytester.path / "told").read_text()


@pytest.mark.parametrize(("given", "read"), [(None, "20"), ("26", "26")])
def test_threads_of_the_blas_that_wait_are_told_to_sleep_unless_the_user_says_otherwise(
    pytester: pytest.Pytester, good_archive: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, read: str
) -> None:
    """Seen by who is asked for numpy first: as that is loaded it reads what the variable is then."""
    name = "OPENBLAS_THREAD_TIMEOUT"
    monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv(name, given)
    pytester.makepyfile(
        noting=f"""
        import os, sys

        class Noting:
            def find_spec(self, module, path=None, target=None):
                if module == "numpy":
                    open("read", "w").write(str(os.environ.get("{name}")))

        sys.meta_path.insert(0, Noting())

        def pytest_collection_finish():
            open("left", "w").write(str(os.environ.get("{name}")))
        """
    )
    pytester.syspathinsert()
    code = (
        f"import sys, pytest; sys.exit(pytest.main(['-p', 'noting', '--model-archive={good_archive}', '--co', '-q']))"
    )
    run = pytester.run(sys.executable, "-c", code)

    assert run.ret == 0
    assert (pytester.path / "read").read_text() == read
    assert (pytester.path / "left").read_text() == str(given)
