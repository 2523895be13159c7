"""The gate as its user meets it: one command, outcomes, verdict."""

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from support import model_factory
from support.plugin_helpers import DROPPED, GOOD, HELD_OUT, IDLE, GateResult, RunGate, model, pack

OPTIONS = ("-v", "--gate-decision=table")


def outcomes(result: GateResult) -> dict[str, str]:
    """Outcome word per test id."""
    words = ("PASSED", "FAILED", "XFAIL", "SKIPPED", "ERROR")
    lines = (line.split() for line in result.run.outlines)
    return {line[0]: line[1] for line in lines if len(line) > 1 and line[1] in words}


def test_the_ids_are_those_of_the_contract(run_gate: RunGate, good_archive: Path) -> None:
    result = run_gate(good_archive, "--collect-only", "-q")

    listed = [line for line in result.run.outlines if "::" in line and "WAVUSD" in line]
    assert listed == [
        "model_tests/test_gating.py::test_threshold[WAVUSD_1Hour-fitness]",
        "model_tests/test_gating.py::test_threshold[WAVUSD_1Hour-profit_factor]",
        "model_tests/test_gating.py::test_threshold[WAVUSD_1Hour-consistency]",
        "model_tests/test_gating.py::test_threshold[WAVUSD_1Hour-max_drawdown]",
        "model_tests/test_gating.py::test_classification[WAVUSD_1Hour]",
        "model_tests/test_backtest.py::test_sanity[WAVUSD_1Hour-30d]",
        *(f"model_tests/test_walk_forward.py::test_fold[WAVUSD_1Hour-fold{n}of5]" for n in range(1, 6)),
        "model_tests/test_walk_forward.py::test_spread[WAVUSD_1Hour]",
        *(
            f"model_tests/test_integrity.py::test_{name}[WAVUSD_1Hour]"
            for name in (
                "parity",
                "causality",
                "weights_matter",
                "not_degenerate",
                "accounting",
                "feasible_at_alpaca",
                "account_skew",
                "precision",
            )
        ),
        "model_tests/test_decision.py::test_decision[WAVUSD_1Hour]",
    ]
    assert not result.output.exists()


def test_a_model_that_earns_in_every_fold_passes(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), *OPTIONS)

    assert result.run.ret == 0
    found = outcomes(result)
    assert set(found.values()) == {"PASSED"}
    assert result.decision("WAVUSD_1Hour") == "LIVE"
    assert result.verdict["complete"] is True
    assert result.verdict["promotable"] == ["WAVUSD_1Hour"]


def test_a_passing_decision_is_named_in_its_outcome(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-v", "-m", "decision")

    result.run.stdout.fnmatch_lines(["*test_decision?WAVUSD_1Hour? PASSED (PAPER)*"])


def test_a_model_that_is_not_known_to_meet_new_data_goes_no_further_than_paper(
    run_gate: RunGate, tmp_path: Path
) -> None:
    result = run_gate(pack(tmp_path, GOOD))

    (found,) = result.verdict["models"]
    assert (found["table_decision"], found["decision"]) == ("LIVE", "PAPER")
    assert found["reasons"][0].startswith("Not proven, data it never saw: 0 of 5 folds are out-of-sample (5 unknown)")
    assert [proof["name"] for proof in found["proofs"] if not proof["shown"]] == ["out_of_sample"]


def test_a_model_that_proves_itself_is_live(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, training_window=HELD_OUT), "--gate-require=live", "-v")

    assert result.run.ret == 0
    result.run.stdout.fnmatch_lines(["*test_decision?WAVUSD_1Hour? PASSED (LIVE)*"])
    (found,) = result.verdict["models"]
    assert {proof["name"]: proof["shown"] for proof in found["proofs"]} == dict.fromkeys(
        ("out_of_sample", "timing", "single_fold", "money", "trades"), True
    )
    assert {fold["sample"] for fold in found["folds"]} == {"out-of-sample"}


def test_the_proofs_are_shown_under_the_table_too(run_gate: RunGate, tmp_path: Path) -> None:
    (found,) = run_gate(pack(tmp_path, GOOD), "--gate-decision=table").verdict["models"]

    assert found["decision"] == "LIVE"
    assert [proof["name"] for proof in found["proofs"] if not proof["shown"]] == ["out_of_sample"]


def test_a_delay_costs_whoever_follows_the_market(run_gate: RunGate, tmp_path: Path) -> None:
    (found,) = run_gate(pack(tmp_path, GOOD)).verdict["models"]

    (late,) = (part for part in found["robustness"]["disturbances"] if part["name"] == "one bar later")
    assert 0.0 < late["return"] < found["compounded_return"]


def test_requiring_live_blocks_a_paper_model(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "--gate-require=live")

    assert result.run.ret == 1
    assert result.verdict["promotable"] == []
    result.run.stdout.fnmatch_lines(["*test_decision[[]WAVUSD_1Hour] - PAPER (LIVE required): *"])


def test_a_review_model_that_never_trades_is_held_back_with_every_reason(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, IDLE), *OPTIONS)

    assert result.run.ret == 1
    found = outcomes(result)
    assert found["model_tests/test_gating.py::test_threshold[RNDUSD_1Hour-fitness]"] == "XFAIL"
    assert found["model_tests/test_gating.py::test_classification[RNDUSD_1Hour]"] == "XFAIL"
    assert found["model_tests/test_backtest.py::test_sanity[RNDUSD_1Hour-30d]"] == "FAILED"
    assert found["model_tests/test_walk_forward.py::test_fold[RNDUSD_1Hour-fold1of5]"] == "XFAIL"
    assert found["model_tests/test_decision.py::test_decision[RNDUSD_1Hour]"] == "FAILED"
    assert result.decision("RNDUSD_1Hour") == "RETRAIN"


def test_a_dropped_model_is_not_backtested_and_does_not_block_its_sibling(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD, DROPPED), *OPTIONS)

    assert result.run.ret == 1
    found = outcomes(result)
    assert found["model_tests/test_gating.py::test_threshold[RNDUSD_1Hour-profit_factor]"] == "FAILED"
    assert found["model_tests/test_backtest.py::test_sanity[RNDUSD_1Hour-30d]"] == "SKIPPED"
    assert found["model_tests/test_walk_forward.py::test_fold[RNDUSD_1Hour-fold5of5]"] == "SKIPPED"
    assert found["model_tests/test_walk_forward.py::test_spread[RNDUSD_1Hour]"] == "SKIPPED"
    assert found["model_tests/test_decision.py::test_decision[RNDUSD_1Hour]"] == "FAILED"
    assert result.verdict["complete"] is True
    assert result.verdict["promotable"] == ["WAVUSD_1Hour"]


def test_the_verdict_is_valid_and_names_what_was_judged(run_gate: RunGate, good_archive: Path) -> None:
    result = run_gate(good_archive)

    schema = json.loads((files("pytest_modelgate") / "schemas" / "verdict.schema.json").read_text())
    jsonschema.validate(result.verdict, schema)
    market = result.verdict["market_data"]
    assert [item["symbol"] for item in market] == ["RNDUSD", "WAVUSD"]
    assert all(item["last"] == "2024-12-27T20:00:00+00:00" for item in market)
    assert result.verdict["archive"]["timestamp"] == "2024-12-27T21:18:19+00:00"


def test_a_second_run_gives_the_same_bytes_apart_from_its_own_facts(run_gate: RunGate, good_archive: Path) -> None:
    first, second = run_gate(good_archive).verdict, run_gate(good_archive).verdict

    assert first.pop("run") != second.pop("run")
    assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_real_workers_give_the_digest_of_a_single_process(run_gate: RunGate, good_archive: Path, workers: int) -> None:
    alone = run_gate(good_archive)
    spread = run_gate(good_archive, f"-n{workers}", subprocess=True)

    assert spread.verdict["complete"] is True
    assert spread.verdict["digest"] == alone.verdict["digest"]
    assert spread.run.parseoutcomes() == alone.run.parseoutcomes()


def test_the_options_change_the_digest(run_gate: RunGate, tmp_path: Path) -> None:
    archive = pack(tmp_path, GOOD)

    digests = {run_gate(archive, *options).verdict["digest"] for options in ([], ["--gate-capital=5000"])}

    assert len(digests) == 2


def test_the_archive_may_be_an_extracted_folder(run_gate: RunGate, tmp_path: Path) -> None:
    import zipfile

    folder = tmp_path / "Alpaca_trading_trained_20241227_211819"
    with zipfile.ZipFile(pack(tmp_path, GOOD)) as archive:
        archive.extractall(folder)

    assert run_gate(folder).decision("WAVUSD_1Hour") == "PAPER"


def test_tracked_account_features_are_judged_too(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "--gate-account=tracked", "--gate-decision=table")

    assert result.decision("WAVUSD_1Hour") == "LIVE"  # this model reads no account feature


def test_ini_keys_are_read_and_the_command_line_wins(
    run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\ngate_folds = 3\ngate_decision = table\n")

    settings = run_gate(pack(tmp_path, GOOD), "--gate-decision=proven").verdict["settings"]

    assert (settings["folds"], settings["decision"]) == (3, "proven")


def test_a_project_registers_its_own_feature_set(run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_modelgate import FeatureSet
        from scaling import LIMIT

        def compute(bars):
            close = bars["close"]
            return (close / close.shift(24) - 1.0).clip(-LIMIT, LIMIT).to_frame("day").assign(one=1.0)

        def pytest_modelgate_feature_sets():
            return {"mine-1": FeatureSet("mine-1", ("day", "one"), 24, compute)}
        """
    )
    policy = {
        "trunk.0.weight": np.array([[100.0, 0.0]]),
        "trunk.0.bias": np.zeros(1),
        "policy_head.weight": np.array([[0.0], [1.0], [-1.0]]),
        "policy_head.bias": np.array([0.5, 0.0, 0.0]),
    }
    custom = model("WAVUSD", model_factory.APPROVED, policy, n_features=2, obs_dim=2, feature_set="mine-1")
    archive = pack(tmp_path, custom, feature_set="mine-1")

    pytester.makepyfile(scaling="LIMIT = 1\n")

    result = run_gate(archive, "--gate-decision=table", drawn=True)

    assert result.decision("WAVUSD_1Hour") == "LIVE"
    (judged,) = result.verdict["models"]
    source = judged["checkpoint"]["feature_source"]
    digest = hashlib.sha256()
    for name in ("conftest", "scaling"):
        digest.update(b"\0" + name.encode() + b"\0" + (pytester.path / f"{name}.py").read_bytes())
    assert source == {"file": "conftest.py", "sha256": digest.hexdigest(), "modules": ["scaling"]}
    told = f"conftest.py with scaling, sha256 {source['sha256']}"
    assert f"model gate: feature set mine-1 of {told}" in result.text
    assert f"mine-1, of {told}" in (result.output / "report.html").read_text(encoding="utf-8")


def test_a_users_own_check_can_block(run_gate: RunGate, tmp_path: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_mine="""
        def test_no_wild_equity(evidence, bars, trained_model):
            assert trained_model.id == "WAVUSD_1Hour"
            assert len(bars) > 8760
            assert max(max(item.equity) for item in evidence.values()) < 1.0, "too good to be true"
        """
    )

    result = run_gate(pack(tmp_path, GOOD), "test_mine.py")

    assert result.run.ret == 1
    assert "too good to be true" in result.text


def test_last_failed_picks_what_failed(run_gate: RunGate, good_archive: Path) -> None:
    run_gate(good_archive)
    result = run_gate(good_archive, "--lf", "-v")

    assert set(outcomes(result)) == {
        "model_tests/test_backtest.py::test_sanity[RNDUSD_1Hour-30d]",
        "model_tests/test_integrity.py::test_not_degenerate[RNDUSD_1Hour]",
        "model_tests/test_decision.py::test_decision[RNDUSD_1Hour]",
    }


@pytest.mark.long
def test_warnings_as_errors_do_not_stop_the_gate(run_gate: RunGate, tmp_path: Path) -> None:
    result = run_gate(pack(tmp_path, GOOD), "-W", "error", subprocess=True)

    assert result.run.ret == 0
