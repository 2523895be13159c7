"""Waivers in a whole run: what is tolerated, what is told, what is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.plugin_helpers import RunGate

TODAY = datetime.now(UTC).date()


def _file(folder: Path, **changes: object) -> Path:
    entry = {"model": "RNDUSD_1Hour", "check": "backtest", "reason": "Idle in a quiet month", "owner": "ada"}
    lines = [f'{name} = "{value}"' for name, value in (entry | changes).items() if name != "expires"]
    path = folder / "modelgate-waivers.toml"
    path.write_text("\n".join(["[[waiver]]", *lines, f"expires = {changes.get('expires', TODAY)}"]) + "\n")
    return path


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_a_waived_check_is_tolerated_and_listed(
    run_gate: RunGate, good_archive: Path, tmp_path: Path, workers: list[str]
) -> None:
    result = run_gate(
        good_archive, f"--gate-waivers={_file(tmp_path)}", "-rx", *workers, subprocess=bool(workers), drawn=True
    )

    words = f"waived by ada until {TODAY}: Idle in a quiet month"
    result.run.stdout.fnmatch_lines([f"XFAIL*test_backtest.py::test_sanity[[]RNDUSD_1Hour-30d]*{words}"])
    (waiver,) = result.verdict["waivers"]
    assert (waiver["model"], waiver["check"], waiver["expires"]) == ("RNDUSD_1Hour", "backtest", TODAY.isoformat())
    assert result.verdict["settings"]["judged_on"] == TODAY.isoformat()
    assert len(result.verdict["settings"]["waivers"]) == 64
    reasons = next(model["reasons"] for model in result.verdict["models"] if model["id"] == "RNDUSD_1Hour")
    assert any(words in reason and reason.endswith("which allows PAPER.") for reason in reasons)
    assert result.decision("RNDUSD_1Hour") == "RETRAIN"  # for other reasons
    assert words in (result.output / "report.html").read_text()
    assert f"backtest of RNDUSD_1Hour: {words}" in result.text


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"expires": TODAY - timedelta(days=1)}, "expired on"),
        ({"model": "AAPL_1Hour"}, "waives backtest of AAPL_1Hour, which the archive does not hold"),
        ({"check": "activity"}, "'activity' cannot be waived"),
    ],
)
def test_an_unusable_waiver_ends_the_run_before_it_begins(
    run_gate: RunGate, good_archive: Path, tmp_path: Path, changes: dict[str, object], match: str
) -> None:
    result = run_gate(good_archive, f"--gate-waivers={_file(tmp_path, **changes)}")

    assert result.run.ret == pytest.ExitCode.USAGE_ERROR
    assert match in result.text
    assert not (result.output / "verdict.json").exists()
