"""``--gate-evaluate-dropped`` shows what training metrics ruled out, and nothing depends on it."""

from pathlib import Path

import pytest
from support import cheap_runs
from support.cheap_runs import BAD, CheapRun

FOLDS = [f"{BAD}.fold{number}of5" for number in range(1, 6)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cheap_runs.cheap_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def plain(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> CheapRun:
    return cheap_runs.run(tmp_path_factory.mktemp("plain"), archive)


def of_dropped(run: CheapRun) -> list[str]:
    return sorted(name for name in run.evaluations if name.startswith(BAD))


@pytest.mark.long
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_folds_of_dropped_models_are_shown_and_change_nothing(
    archive: Path, plain: CheapRun, tmp_path: Path, workers: str
) -> None:
    run = cheap_runs.run(tmp_path, archive, workers, "--gate-evaluate-dropped")

    assert (of_dropped(plain), of_dropped(run)) == ([], FOLDS)
    assert (run.digest, run.ret, run.outcomes) == (plain.digest, plain.ret, plain.outcomes)
    (row,) = (line for line in run.text.splitlines() if line.startswith(BAD) and "DROP" in line)
    assert "/5)" in row
    page = (run.output / "report.html").read_text(encoding="utf-8")
    assert "For information, decided without it" not in (plain.output / "report.html").read_text(encoding="utf-8")
    assert "gating dropped the model; for information, fold1of5 returns" in page


@pytest.mark.long
def test_a_fold_that_cannot_be_evaluated_is_told_and_changes_nothing(
    archive: Path, plain: CheapRun, tmp_path: Path
) -> None:
    run = cheap_runs.run(tmp_path, archive, "-rs", "--gate-evaluate-dropped", mishap={FOLDS[1]: "raise"})

    assert (run.digest, run.ret, run.outcomes) == (plain.digest, plain.ret, plain.outcomes)
    assert f"{BAD}: gating dropped the model; for information, fold2of5 " in " ".join(run.text.split())


def test_the_configuration_may_ask_for_it(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\ngate_evaluate_dropped = true\n")

    assert of_dropped(cheap_runs.run(tmp_path, archive, "-k", BAD)) == FOLDS


@pytest.mark.long
def test_shards_share_these_folds_and_a_merge_shows_them(archive: Path, plain: CheapRun, tmp_path: Path) -> None:
    shown = "--gate-evaluate-dropped"
    shards = [
        cheap_runs.run(tmp_path, archive, f"--gate-shard={index}/2", shown, name=f"{index}", output=f"shard-{index}")
        for index in (1, 2)
    ]

    evidence = [f"--gate-evidence={shard.output / 'evidence'}" for shard in shards]
    merged = cheap_runs.run(tmp_path, archive, "--gate-merge", shown, *evidence, name="merged")

    assert sorted(of_dropped(shards[0]) + of_dropped(shards[1])) == FOLDS
    assert len(of_dropped(shards[0])) == 3
    assert merged.evaluations == []
    assert merged.digest == plain.digest
    assert any(line.startswith(BAD) and "/5)" in line for line in merged.text.splitlines())
