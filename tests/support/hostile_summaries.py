"""Hypothesis strategies for training summaries."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st
from support.hostile_zips import blows

METRICS = {
    "fitness_score": [0.5, 0.8],
    "profit_factor": [1.5, 2.5],
    "consistency": [0.8, 0.9],
    "max_drawdown": [0.2, 0.08],
}
BARE: dict[str, Any] = {"UNIUSD": METRICS}
FULL: dict[str, Any] = {
    "schema": "modelgate.training_summary/1",
    "reward_scale": 0.001,
    "validation_interval": 10,
    "feature_set": "reference-v1",
    "activation": "tanh",
    "account_mode": "neutral",
    "trainer_version": "4.1.0",
    "training_window": {"start": "2023-01-01T00:00:00+00:00", "end": "2024-06-30T16:00:00+00:00"},
    "models": {
        "UNIUSD_1Hour": {
            **METRICS,
            "parity_probe": {
                "observations": [[0.0, 1.0]],
                "logits": [[0.1, 0.2, 0.3]],
                "bars": [[1.7e9, 1, 1, 1, 1, 0]],
                "features": [[0.5]],
            },
        }
    },
}
_TEXT = (
    "", "UNIUSD", "UNIUSD_1Hour", "tanh", "x" * 81, "<script>", "::error::x", "\x1b[2J", "2024-12-27T00:00:00Z",
    "9999-12-31T23:59:59+14:00", "\u202e", "\ud800",
)  # fmt: skip
RAW = (
    "NaN", "Infinity", "-Infinity", "1e999", "-0", "1" * 5000, "1e400", "0x10", "01", "'x'", "tru", '"\\ud800"',
    "[" * 50 + "]" * 50,
    '{"a": 1, "a": 2}', "[1,]", "{} {}", "/* */ 1", '"\t"', "9" * 400, "1e-400", "[" * 100_000, '{"a":' * 5_000,
)  # fmt: skip


def values() -> st.SearchStrategy[Any]:
    """JSON values, and NaN and infinities, which Python writes as well."""
    numbers = st.floats() | st.integers() | st.sampled_from([10**400, -1, 0, 1, 8, 1e308, True])
    atoms = numbers | st.none() | st.booleans() | st.sampled_from(_TEXT) | st.text(max_size=10)
    keys = st.sampled_from((*METRICS, *_TEXT, "models", "schema", "parity_probe", "start")) | st.text(max_size=5)
    return st.recursive(
        atoms, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(keys, inner, max_size=6), max_leaves=15
    )


@st.composite
def summaries(draw: st.DrawFn) -> bytes:
    """A summary with a few parts replaced, taken out, or written in ways that JSON does not have."""
    document = copy.deepcopy(draw(st.sampled_from([BARE, FULL])))
    raw = []
    for _ in range(draw(st.integers(0, 3))):
        holder, key = draw(st.sampled_from(list(_places(document))))
        what = draw(st.sampled_from(["value", "value", "raw", "gone", "new"]))
        if what == "value":
            holder[key] = draw(values())
        elif what == "raw":
            raw.append(draw(st.sampled_from(RAW)))
            holder[key] = f"RAW{len(raw) - 1}RAW"
        elif what == "new" and isinstance(holder, dict):
            holder[draw(st.sampled_from(_TEXT) | st.text(max_size=5))] = draw(values())
        else:
            del holder[key]
        if not list(_places(document)):
            break
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    for number, written in enumerate(raw):
        text = text.replace(f'"RAW{number}RAW"', written)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16"]))
    return draw(blows(text.encode(encoding, "surrogatepass")))


def _places(value: Any) -> Any:
    """Every key of every object and every index of every list."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
