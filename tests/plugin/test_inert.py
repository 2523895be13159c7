"""Without --model-archive the plugin changes nothing and imports nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "alpaca", "vcr", "pandas", "numpy", "pydantic", "exchange_calendars", "jinja2.ext")


@pytest.mark.parametrize("arguments", [["--help"], ["--collect-only", "-q"], []])
def test_nothing_heavy_is_imported(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    code = (
        "import sys, pytest\n"
        f"pytest.main({arguments!r})\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)), 'pytest_modelgate.plugin' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=pytester.path, capture_output=True, text=True, check=True)

    assert run.stdout.splitlines()[-1] == "HEAVY [] True"


def test_a_run_reports_and_writes_nothing_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")

    result = pytester.runpytest_subprocess()

    assert "model gate" not in result.stdout.str()
    assert not (pytester.path / "gate-report").exists()


def test_a_model_test_without_an_archive_is_skipped_with_its_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_mine(trained_model): pass")

    result = pytester.runpytest_inprocess("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*needs --model-archive*"])
