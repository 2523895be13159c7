"""What a run leaves out because nobody would see it."""

import gc
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
