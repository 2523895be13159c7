"""What a night costs: each of its works is done, and the gate saw the record of every model."""

from pathlib import Path

import nightly
import pytest

pytestmark = pytest.mark.long


def test_a_night_of_two_models_is_measured_work_by_work(tmp_path: Path) -> None:
    first, again, watched, bare = nightly.measure(tmp_path, models=2, days=10)

    works = [night.what.partition(":")[0] for night in (first, again, watched, bare)]
    assert works == ["account, first night", "account, one day later", "gate with --gate-paper", "gate without"]
    assert all(night.cpu > 0.0 for night in (first, again, watched, bare))
    assert len(nightly.table([first, again, watched, bare]).splitlines()) == 6
