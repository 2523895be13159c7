"""Waivers in a whole run: what is tolerated, what is told, what is refused."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.plugin_helpers import GateResult, RunGate

MODEL = "RNDUSD_1Hour"


@dataclass(frozen=True)
class Waived:
    """A run with one waiver.

    Attributes:
        begun: the day, UTC.
        file: what waives.
        words: what is said of it.
    """

    result: GateResult
    begun: date
    file: bytes
    words: str


def _file(folder: Path, expires: date, **changes: str) -> Path:
    entry = {"model": MODEL, "check": "backtest", "reason": "Idle in a quiet month", "owner": "ada", **changes}
    lines = ["[[waiver]]", *(f'{name} = "{value}"' for name, value in entry.items()), f"expires = {expires}"]
    path = folder / "modelgate-waivers.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def shared() -> dict[str, Waived]:
    """Runs that several tests look at, by name: the first of them makes it."""
    return {}


@pytest.fixture(params=["alone", pytest.param("workers", marks=pytest.mark.long)])
def waived(
    request: pytest.FixtureRequest,
    shared: dict[str, Waived],
    run_gate: RunGate,
    good_archive: Path,
    tmp_path: Path,
) -> Waived:
    """A run in which the backtest of a model is waived for some days more, so that no midnight changes anything."""
    if request.param not in shared:
        begun = datetime.now(UTC).date()
        expires = begun + timedelta(days=7)
        file = _file(tmp_path, expires)
        options = ["-n2"] if request.param == "workers" else []
        result = run_gate(good_archive, f"--gate-waivers={file}", "-rx", *options, subprocess=bool(options), drawn=True)
        words = f"waived by ada until {expires}: Idle in a quiet month"
        shared[request.param] = Waived(result, begun, file.read_bytes(), words)
    return shared[request.param]


def test_a_waived_check_is_tolerated(waived: Waived) -> None:
    shown = " ".join(waived.result.text.split())

    assert f"XFAIL [1] {MODEL}: return +0.00%; it did not close a single trade; waived" in shown
    assert waived.words in shown


def test_the_verdict_lists_the_waiver(waived: Waived) -> None:
    (waiver,) = waived.result.verdict["waivers"]

    expires = (waived.begun + timedelta(days=7)).isoformat()
    assert (waiver["model"], waiver["check"], waiver["expires"]) == (MODEL, "backtest", expires)


def test_the_verdict_names_the_day_on_which_the_waiver_held(waived: Waived) -> None:
    judged_on = date.fromisoformat(waived.result.verdict["settings"]["judged_on"])

    assert waived.begun <= judged_on <= datetime.now(UTC).date()


def test_the_verdict_names_the_files_digest(waived: Waived) -> None:
    assert waived.result.verdict["settings"]["waivers"] == sha256(waived.file).hexdigest()


def test_the_reason_says_who_waived_it_and_what_that_allows(waived: Waived) -> None:
    reasons = next(model["reasons"] for model in waived.result.verdict["models"] if model["id"] == MODEL)

    assert any(waived.words in reason and reason.endswith("which allows PAPER.") for reason in reasons)


def test_what_is_not_waived_still_decides(waived: Waived) -> None:
    assert waived.result.decision(MODEL) == "RETRAIN"


def test_the_report_tells_of_the_waiver(waived: Waived) -> None:
    assert waived.words in (waived.result.output / "report.html").read_text()


def test_the_terminal_tells_of_the_waiver(waived: Waived) -> None:
    assert f"backtest of {MODEL}: {waived.words}" in waived.result.text


def _refused(run_gate: RunGate, archive: Path, folder: Path, *, days: int = 7, **changes: str) -> GateResult:
    expires = datetime.now(UTC).date() + timedelta(days=days)
    return run_gate(archive, f"--gate-waivers={_file(folder, expires, **changes)}")


def test_an_unusable_waiver_ends_the_run_with_a_usage_error(
    run_gate: RunGate, good_archive: Path, tmp_path: Path
) -> None:
    assert _refused(run_gate, good_archive, tmp_path, days=-1).run.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"days": -1}, "expired on"),
        ({"model": "AAPL_1Hour"}, "waives backtest of AAPL_1Hour, which the archive does not hold"),
        ({"check": "activity"}, "'activity' cannot be waived"),
    ],
)
def test_an_unusable_waiver_is_said_to_be(
    run_gate: RunGate, good_archive: Path, tmp_path: Path, changes: dict[str, Any], match: str
) -> None:
    assert match in _refused(run_gate, good_archive, tmp_path, **changes).text


def test_nothing_is_judged_with_an_unusable_waiver(run_gate: RunGate, good_archive: Path, tmp_path: Path) -> None:
    result = _refused(run_gate, good_archive, tmp_path, days=-1)

    assert not (result.output / "verdict.json").exists()
