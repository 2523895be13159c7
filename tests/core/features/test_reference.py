from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.feature_oracle import reference_row

from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import GROUPS, REFERENCE, WARMUP, compute_all
from pytest_modelgate.core.features.series import compute_features
from pytest_modelgate.core.market.bars import Bars, Instrument, Timeframe

DOC = (Path(__file__).parents[3] / "docs" / "features.md").read_text(encoding="utf-8")
DOC_ROW = re.compile(r"^\| (\w+) \| .* \| \[(\S+), (\S+)\] \| (\S+) \|$", re.MULTILINE)
DOCUMENTED = {name: (float(low), float(high), neutral) for name, low, high, neutral in DOC_ROW.findall(DOC)}

# How a market opens: bars per UTC day, first bar's time of day, bar length.
MARKETS = {
    "crypto 15Min": (96, "00:00", "15min"),
    "crypto 1Hour": (24, "00:00", "1h"),
    "stock 15Min": (26, "13:30", "15min"),
    "stock 1Hour": (7, "13:30", "1h"),
    "crypto 4Hour": (6, "00:00", "4h"),
    "stock 1Day": (1, "05:00", "1D"),
}


def make_index(market: str, rows: int) -> pd.DatetimeIndex:
    per_day, opens, length = MARKETS[market]
    days = pd.date_range("2024-01-20", periods=rows // per_day + 1, freq="1D", tz="UTC", unit="ns")
    stamps = [day + pd.Timedelta(f"{opens}:00") + k * pd.Timedelta(length) for day in days for k in range(per_day)]
    return pd.DatetimeIndex(stamps[:rows]).as_unit("ns")


def make_bars(seed: int, rows: int, market: str = "crypto 1Hour") -> pd.DataFrame:
    """A random walk on a tick grid with flat stretches, runs without volume, holes in time and opens above the high."""
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.permutation(rows + rows // 8)[:rows])
    index = make_index(market, rows + rows // 8)[kept]
    moves = rng.standard_t(3, rows) * 0.01
    quiet = np.zeros(rows, dtype=bool)
    for _ in range(rows // 40):
        start = int(rng.integers(rows))
        quiet[start : start + int(rng.integers(1, 30))] = True
    moves[quiet] = 0.0
    close = np.maximum(np.round(100 * np.exp(np.cumsum(moves)), 2), 0.05)
    before = np.concatenate([close[:1], close[:-1]])
    open_ = np.where(quiet, close, np.round(before + 0.02 * rng.integers(-2, 3, rows), 2))
    wicks = np.where(quiet, 0.0, np.round(rng.exponential(0.4, (2, rows)), 2))
    high = np.maximum(open_, close) + wicks[0]
    low = np.maximum(np.minimum(open_, close) - wicks[1], 0.01)
    odd = ~quiet & (rng.random(rows) < 0.05)
    open_ = np.where(odd, high + 0.01, open_)
    volume = np.where(rng.random(rows) < 0.2, 0.0, np.round(rng.lognormal(3, 1, rows), 3))
    for _ in range(rows // 150):
        start = int(rng.integers(rows))
        volume[start : start + int(rng.integers(1, 60))] = 0.0
    prices = pd.DataFrame({"open": open_, "high": high, "low": low, "close": close}, index=index)
    return prices.round(2).assign(volume=volume)  # equal prices are equal to the last bit, as in any feed


def flat_bars(rows: int) -> pd.DataFrame:
    frame = pd.DataFrame(3.7, index=make_index("crypto 1Hour", rows), columns=["open", "high", "low", "close"])
    return frame.assign(volume=0.0)


def rising_bars(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(0.004 + 0.01 * rng.standard_normal(rows)))
    before = np.concatenate([close[:1], close[:-1]])
    frame = pd.DataFrame({"open": before, "high": np.maximum(before, close), "low": np.minimum(before, close)})
    frame = frame.assign(close=close, volume=1.0)
    frame.index = make_index("crypto 1Hour", rows)
    return frame


def settled(frame: pd.DataFrame) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return REFERENCE.compute(frame).iloc[WARMUP:].to_numpy()


seeds = st.integers(0, 2**32 - 1)
markets = st.sampled_from(sorted(MARKETS))
some_bars = st.builds(make_bars, seeds, st.integers(WARMUP + 1, 420), markets)


def test_the_groups_hold_the_promised_numbers_of_features() -> None:
    sizes = {group: len(names) for group, names in GROUPS.items()}
    assert sizes == {
        "price action": 7, "intraday": 4, "calendar": 7, "regime": 12, "technical": 14, "multi-window": 9,
    }  # fmt: skip


def test_the_name_and_width_are_what_checkpoints_declare() -> None:
    assert (REFERENCE.name, len(REFERENCE.columns), len(set(REFERENCE.columns))) == ("reference-v1", 53, 53)


def test_the_documentation_lists_exactly_the_columns_in_order() -> None:
    assert tuple(name for name, *_ in DOC_ROW.findall(DOC)) == REFERENCE.columns


def test_the_documented_groups_are_the_groups_of_the_code() -> None:
    headings = re.findall(r"^### ([\w -]+) \((\d+)\)$", DOC, re.MULTILINE)
    assert [(name.lower(), int(size)) for name, size in headings] == [(name, len(of)) for name, of in GROUPS.items()]


def test_the_documentation_states_the_warm_up() -> None:
    assert f"warm-up of **{WARMUP}** bars" in DOC.replace("\n", " ").replace("  ", " ")


@settings(deadline=None, max_examples=40)
@given(frame=some_bars)
def test_every_feature_is_what_its_documented_formula_says(frame: pd.DataFrame) -> None:
    computed = REFERENCE.compute(frame)
    for row in {WARMUP, len(frame) - 1}:
        expected = reference_row(frame, row)
        assert tuple(expected) == REFERENCE.columns
        assert computed.iloc[row].to_dict() == pytest.approx(expected, rel=0, abs=1e-7)


@settings(deadline=None, max_examples=25)
@given(frame=some_bars, data=st.data())
def test_later_bars_change_no_bit_of_a_row(frame: pd.DataFrame, data: st.DataObject) -> None:
    present = data.draw(st.integers(WARMUP, len(frame) - 1))
    changed = frame.copy()
    changed.iloc[present + 1 :] = changed.iloc[present + 1 :] * 3.3 + 1.7
    np.testing.assert_array_equal(settled(changed)[: present + 1 - WARMUP], settled(frame)[: present + 1 - WARMUP])


@settings(deadline=None, max_examples=25)
@given(frame=some_bars, data=st.data())
def test_cutting_later_bars_off_changes_no_bit_of_a_row(frame: pd.DataFrame, data: st.DataObject) -> None:
    present = data.draw(st.integers(WARMUP, len(frame) - 1))
    np.testing.assert_array_equal(settled(frame.iloc[: present + 1]), settled(frame)[: present + 1 - WARMUP])


@settings(deadline=None, max_examples=25)
@given(frame=some_bars, data=st.data())
def test_history_before_the_warm_up_changes_no_bit_of_a_row(frame: pd.DataFrame, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(frame) - WARMUP - 1))
    wild = frame.copy()
    wild.iloc[:start] *= 1e6
    expected = settled(frame.iloc[start:])
    np.testing.assert_array_equal(settled(wild)[start:], expected)


@settings(deadline=None, max_examples=25)
@given(frame=some_bars, prices=st.floats(1e-6, 1e6), volumes=st.floats(1e-6, 1e6))
def test_units_of_price_and_volume_do_not_matter(frame: pd.DataFrame, prices: float, volumes: float) -> None:
    scaled = frame * [prices, prices, prices, prices, volumes]
    np.testing.assert_allclose(settled(scaled), settled(frame), rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(frame=some_bars, data=st.data())
def test_every_valid_bar_gives_features_in_their_documented_range(frame: pd.DataFrame, data: st.DataObject) -> None:
    extremes = st.sampled_from([5e-324, 1e-300, 1e-9, 1.0, 1e9, 1e300, 1.7e308])
    for _ in range(data.draw(st.integers(0, 6))):
        column = data.draw(st.integers(0, 4))
        frame.iloc[data.draw(st.integers(0, len(frame) - 1)), column] = data.draw(extremes)
    features = REFERENCE.compute(frame).iloc[WARMUP:]
    for name, (low, high, _) in DOCUMENTED.items():
        assert features[name].between(low, high).all(), name


def test_a_market_that_stands_still_reads_the_documented_neutral_values() -> None:
    features = REFERENCE.compute(flat_bars(WARMUP + 100)).iloc[WARMUP:]
    neutral = {name: float(value) for name, (_, _, value) in DOCUMENTED.items() if value != "none"}
    assert len(neutral) == 53 - len(GROUPS["calendar"])
    expected = pd.DataFrame(neutral, index=features.index)
    pd.testing.assert_frame_equal(features[list(neutral)], expected, check_exact=True)


def test_only_the_warm_up_is_undefined() -> None:
    undefined = REFERENCE.compute(make_bars(1, 300)).isna().to_numpy()
    assert undefined[:WARMUP].all()
    assert not undefined[WARMUP:].any()


@pytest.mark.parametrize("rows", [0, 1, 2, 50, WARMUP])
def test_a_series_within_the_warm_up_is_undefined_throughout(rows: int) -> None:
    features = REFERENCE.compute(make_bars(2, rows))
    assert features.shape == (rows, 53)
    assert features.isna().to_numpy().all()


def test_the_warm_up_is_the_longest_look_back() -> None:
    frame = make_bars(3, WARMUP + 1)
    other = frame.copy()
    other.iloc[0] = [50.0, 51.0, 49.0, 50.0, 1.0]
    assert (settled(other) != settled(frame)).any()


def test_columns_and_index_pass_the_gates_own_check() -> None:
    bars = Bars(Instrument.parse("BTCUSD"), Timeframe.HOUR_1, make_bars(4, 300))
    assert compute_features(bars, REFERENCE).columns == REFERENCE.columns


def test_the_bars_handed_in_stay_as_they_were() -> None:
    frame = make_bars(5, 300)
    before = frame.copy()
    REFERENCE.compute(frame)
    pd.testing.assert_frame_equal(frame, before, check_exact=True)


@pytest.mark.parametrize("name", ["momentum_24", "momentum_48", "momentum_96", "trend_48", "trend_96", "channel_192"])
def test_a_steady_rise_shows_and_a_steady_fall_mirrors_it(name: str) -> None:
    rise = rising_bars(1200)
    fall = pd.DataFrame(
        {"open": 1 / rise["open"], "high": 1 / rise["low"], "low": 1 / rise["high"], "close": 1 / rise["close"]}
    ).assign(volume=1.0)
    up, down = (REFERENCE.compute(frame)[name].iloc[WARMUP:] for frame in (rise, fall))
    assert (up > 0).mean() > 0.9
    assert up.to_numpy() == pytest.approx(-down.to_numpy(), abs=1e-9)


def test_the_documented_registration_is_a_working_feature_set() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    namespace: dict[str, object] = {}
    exec(compile(code, "docs/features.md", "exec"), namespace)
    register = namespace["pytest_modelgate_feature_sets"]
    assert callable(register)
    ((name, feature_set),) = register().items()
    assert isinstance(feature_set, FeatureSet)
    bars = Bars(Instrument.parse("BTCUSD"), Timeframe.HOUR_1, make_bars(6, 60))
    assert (name, compute_features(bars, feature_set).warmup) == (feature_set.name, 24)


def test_series_side_by_side_have_the_bits_they_have_alone() -> None:
    frame = make_bars(4, WARMUP + 60)
    frames = [frame, frame.iloc[: WARMUP + 20], frame * 1.01, frame.iloc[: WARMUP + 1]]

    together = compute_all(frames)

    for alone, beside in zip(map(REFERENCE.compute, frames), together, strict=True):
        assert beside.shape == alone.shape
        assert np.ascontiguousarray(beside).tobytes() == alone.to_numpy().tobytes()
