"""What happened at every bar comes back to the last bit from a third of the room, or not at all."""

import base64
import hashlib
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evidence_factory import EVIDENCE

from pytest_modelgate.adapters.evidence.columns import PackedColumns, pack, unpack
from pytest_modelgate.adapters.evidence.record import packed
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.core.evidence.records import BarFigures, WindowEvidence

_BARS = 864


def evidence_of(*, bars: int) -> WindowEvidence:
    rng = np.random.default_rng(1)
    columns = [tuple(rng.normal(0.0, 0.01, bars).tolist()) for _ in range(8)]
    equity = tuple((1e5 * np.exp(np.cumsum(rng.normal(0.0, 0.01, bars + 1)))).tolist())
    times = tuple(range(1719792000, 1719792000 + 3600 * bars, 3600))
    return replace(EVIDENCE, equity=equity, times=times, bars=BarFigures(*columns))


@settings(max_examples=30)
@given(st.lists(st.floats(width=64), max_size=5), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5))
def test_every_number_comes_back_to_the_last_bit(floats: list[float], times: list[int]) -> None:
    given_ = replace(EVIDENCE, equity=tuple(floats), times=tuple(times))

    found = unpack(*pack(given_))

    assert np.array(found.equity).tobytes() == np.array(floats).tobytes()
    assert replace(found, equity=()) == replace(given_, equity=())


def test_a_record_takes_less_than_nine_bytes_a_number() -> None:
    evidence = evidence_of(bars=_BARS)

    assert len(packed(evidence)) - len(packed(EVIDENCE)) < 9 * 10 * _BARS


def deflated(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


_ROWS = pack(EVIDENCE)[1].rows
_SIZE = 8 * sum(_ROWS.values())
BROKEN = {
    "no base64": PackedColumns(_ROWS, "*"),
    "not deflated": PackedColumns(_ROWS, "AAAA"),
    "too short": PackedColumns(_ROWS, deflated(bytes(_SIZE - 8))),
    "too long": PackedColumns(_ROWS, deflated(bytes(_SIZE + 8))),
    "cut off": PackedColumns(_ROWS, base64.b64encode(zlib.compress(bytes(_SIZE))[:-2]).decode()),
    "a column more": PackedColumns({**_ROWS, "more": 0}, deflated(bytes(_SIZE))),
    "a column of no length": PackedColumns({**_ROWS, "equity": -1}, deflated(bytes(_SIZE))),
    "a column without end": PackedColumns({**_ROWS, "equity": 1 << 40}, deflated(bytes(_SIZE))),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_was_not_packed_is_refused(case: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        unpack(pack(EVIDENCE)[0], BROKEN[case])


def test_a_window_without_its_columns_is_damaged(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, "run")
    store.write(EVIDENCE)
    (path,) = store.folder.iterdir()
    record = json.loads(path.read_text())
    body = json.dumps({**json.loads(record["body"]), "columns": None})
    path.write_text(json.dumps({**record, "body": body, "sha256": hashlib.sha256(body.encode()).hexdigest()}))

    assert "damaged" in str(store.read(EVIDENCE.model, EVIDENCE.window))
