"""From an empty folder to a promoted model of one's own, with what a wheel installs."""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest
from first_hour import ARCHIVE, STEPS, glue, play
from support.installed import install, using


@pytest.mark.long
def test_the_first_hour_ends_with_a_promoted_model(tmp_path: Path) -> None:
    site, folder = install(tmp_path / "site"), tmp_path / "mine"
    folder.mkdir()
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "APCA", "ALPACA"))}

    said = {name: text for name, _, text in play(folder, {**alone, **using(site)})}

    assert said.keys() == STEPS.keys()
    assert "1 model: 1 would be judged" in said["modelgate check"]
    assert "1 may trade on paper: modelgate promote" in said["pytest"]
    assert "promoted: UNIUSD_1Hour PAPER" in said["modelgate promote"]
    with zipfile.ZipFile(folder / ARCHIVE) as archive:
        trained = archive.read("models/rl_symbols/UNIUSD_1Hour.pt")
    assert (folder / "models/paper/UNIUSD_1Hour.pt").read_bytes() == trained
    record = json.loads((folder / "models/paper/promotion.json").read_text())
    assert [model["sha256"] for model in record["models"]] == [hashlib.sha256(trained).hexdigest()]
    (judged,) = json.loads((folder / "gate-report/verdict.json").read_text())["models"]
    assert judged["checkpoint"]["parity"] == "proven"
    assert {fold["sample"] for fold in judged["folds"]} == {"out-of-sample"}
    assert glue(folder) < 47
