from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketsim.demo import AS_OF, HELD_OUT_FROM, demo_series
from marketsim.generator import SeriesSpec, generate
from marketsim.wire import SeriesKey
from numpy.typing import NDArray

Floats = NDArray[np.float64]

START, END = pd.Timestamp("2024-06-24T00:00:00Z"), pd.Timestamp("2024-07-09T00:00:00Z")
CRYPTO = SeriesSpec("crypto", 7, START, END, price=7.0, volatility=0.9, decimals=4, zero_volume=0.01)
STOCK = SeriesSpec("us_equity", 7, START, END, price=180.0, volatility=0.3, turnover=1e9)
LONG = SeriesSpec(
    "crypto",
    3,
    pd.Timestamp("2023-09-01T00:00:00Z"),
    pd.Timestamp("2024-12-28T00:00:00Z"),
    price=30.0,
    volatility=0.9,
    decimals=4,
)


def returns(frame: pd.DataFrame) -> Floats:
    return np.diff(np.log(frame["close"].to_numpy(np.float64)))


def autocorrelation(values: Floats, lag: int) -> float:
    return float(np.corrcoef(values[:-lag], values[lag:])[0, 1])


def digest(frame: pd.DataFrame) -> str:
    assert isinstance(frame.index, pd.DatetimeIndex)
    return hashlib.sha256(frame.index.asi8.tobytes() + frame.to_numpy("<f8").tobytes()).hexdigest()[:16]


def momentum_folds(key: SeriesKey, frame: pd.DataFrame) -> list[float]:
    """After-cost return of each of the last five 36-day folds: long while momentum is up, filled at the next open."""
    cost, bars = (0.0035, 24) if key[0] == "crypto" else (0.0005, 6)
    if key[0] == "us_equity":
        assert isinstance(frame.index, pd.DatetimeIndex)
        hour = frame.index.tz_convert("America/New_York").hour
        frame = frame[(hour >= 9) & (hour < 16)]
    opens, closes = frame["open"].to_numpy(np.float64), frame["close"].to_numpy(np.float64)
    long = np.zeros(len(closes))
    long[bars + 1 :] = closes[bars:-1] > closes[: -bars - 1]
    exits = np.append(opens[1:], closes[-1])
    growth = np.log1p(long * (exits / opens - 1) - cost * np.abs(np.diff(long, prepend=0.0)))
    borders = [HELD_OUT_FROM + pd.Timedelta(days=36 * fold) for fold in range(6)]
    rows = frame.index.searchsorted(borders)
    return [float(np.expm1(growth[rows[fold] : rows[fold + 1]].sum())) for fold in range(5)]


@pytest.mark.parametrize(("spec", "expected"), [(CRYPTO, "911e7874a05bd54c"), (STOCK, "db844decc73592fe")])
def test_a_seed_gives_the_same_bytes_everywhere(spec: SeriesSpec, expected: str) -> None:
    assert digest(generate(spec)) == expected


def test_another_seed_gives_other_prices() -> None:
    assert not np.allclose(generate(CRYPTO)["close"], generate(replace(CRYPTO, seed=8))["close"])


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32),
    st.sampled_from([CRYPTO, STOCK]),
    st.floats(0.05, 2.0),
    st.floats(0.0, 1.0),
    st.integers(2, 6),
)
def test_bars_are_consistent(seed: int, spec: SeriesSpec, volatility: float, edge: float, decimals: int) -> None:
    frame = generate(replace(spec, seed=seed, price=500.0, volatility=volatility, edge=edge, decimals=decimals))
    values = frame.to_numpy()
    assert np.isfinite(values).all()
    assert (values[:, :4] > 0).all()
    assert (frame["high"] >= frame[["open", "close"]].max(axis=1)).all()
    assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all()
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    np.testing.assert_array_equal(values[:, :4], np.round(values[:, :4], decimals))


def test_crypto_trades_every_hour() -> None:
    hours = pd.date_range(START, END, freq="h", inclusive="left")
    assert generate(CRYPTO).index.equals(hours.as_unit("ns"))


def test_the_thinnest_crypto_bars_have_no_trade_and_one_price() -> None:
    frame = generate(replace(LONG, zero_volume=0.005))
    quiet = frame[frame["volume"] == 0]
    assert len(quiet) / len(frame) == pytest.approx(0.005, abs=0.0005)
    for column in ("open", "high", "low"):
        assert quiet[column].equals(quiet["close"])


def test_stocks_trade_from_pre_market_to_post_market_on_sessions_only() -> None:
    index = generate(STOCK).index
    assert isinstance(index, pd.DatetimeIndex)
    local = index.tz_convert("America/New_York")
    hours: dict[str, list[int]] = {}
    for moment in local:
        hours.setdefault(f"{moment:%m-%d}", []).append(moment.hour)
    assert not {"06-29", "06-30", "07-04", "07-06", "07-07"} & hours.keys()
    assert hours["07-02"] == list(range(4, 20))
    assert hours["07-03"] == list(range(4, 17))


def test_stock_hours_follow_daylight_saving() -> None:
    around = replace(STOCK, start=pd.Timestamp("2024-03-08T00:00:00Z"), end=pd.Timestamp("2024-03-12T00:00:00Z"))
    index = generate(around).index
    assert index[index >= "2024-03-08T06:00Z"][0] == pd.Timestamp("2024-03-08T09:00:00Z")
    assert index[index >= "2024-03-11T06:00Z"][0] == pd.Timestamp("2024-03-11T08:00:00Z")


def test_stocks_gap_overnight_and_only_then() -> None:
    frame = generate(STOCK)
    opens, closes = frame["open"].to_numpy(np.float64), frame["close"].to_numpy(np.float64)
    jumps = np.abs(opens[1:] - closes[:-1])
    overnight = np.diff(frame.index) > np.timedelta64(1, "h")
    assert (jumps[~overnight] == 0).all()
    assert (jumps[overnight] > 0).all()


def test_stock_volume_is_whole_shares_and_small_outside_regular_hours() -> None:
    frame = generate(STOCK)
    assert isinstance(frame.index, pd.DatetimeIndex)
    hour = frame.index.tz_convert("America/New_York").hour
    assert (frame["volume"] == np.round(frame["volume"])).all()
    assert frame["volume"][hour < 9].median() < 0.1 * frame["volume"][(hour >= 10) & (hour < 16)].median()


def test_volatility_clusters_and_returns_do_not() -> None:
    moves = returns(generate(LONG))
    size = np.abs(moves)
    assert np.mean([autocorrelation(size, lag) for lag in range(1, 25)]) > 0.05
    assert abs(autocorrelation(moves, 1)) < 0.05


def test_returns_have_fat_tails_and_the_asked_volatility() -> None:
    moves = returns(generate(LONG))
    assert np.mean((moves - moves.mean()) ** 4) / moves.var() ** 2 > 5
    assert moves.std() * np.sqrt(8760) == pytest.approx(0.9, rel=0.15)


def test_volume_rises_with_the_size_of_the_move() -> None:
    frame = generate(LONG)
    assert np.corrcoef(np.abs(returns(frame)), frame["volume"].to_numpy()[1:])[0, 1] > 0.2


def test_edge_changes_drift_alone() -> None:
    with_edge, without = generate(replace(LONG, edge=0.5)), generate(LONG)
    hourly = LONG.volatility / np.sqrt(8760)
    extra = (returns(with_edge) - returns(without)) / hourly
    steps = np.unique(np.round(extra, 1))
    assert steps.tolist() == [-0.5, 0.0, 0.5]


def test_edge_ends_when_told() -> None:
    end = pd.Timestamp("2024-06-01T00:00:00Z")
    ending = generate(replace(LONG, edge=0.5, edge_until=end))
    lasting, without = generate(replace(LONG, edge=0.5)), generate(LONG)
    assert ending[ending.index < end].equals(lasting[lasting.index < end])
    after = np.asarray(ending.index[1:] >= end)
    np.testing.assert_allclose(returns(ending)[after], returns(without)[after], atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"end": START},
        {"start": START + pd.Timedelta(minutes=30)},
        {"price": 0.0},
        {"volatility": -1.0},
        {"edge": -0.1},
        {"spell": 3.0},
        {"asset_class": "us_equity"},
    ],
)
def test_an_impossible_spec_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|must be"):
        replace(CRYPTO, **change)


@pytest.fixture(scope="module")
def demo() -> dict[SeriesKey, pd.DataFrame]:
    return demo_series()


def test_the_demo_covers_a_year_and_warm_up_before_its_archive(demo: dict[SeriesKey, pd.DataFrame]) -> None:
    for frame in demo.values():
        assert frame.index[0] <= pd.Timestamp("2023-09-02T00:00:00Z")
        assert frame.index[-1] > AS_OF - pd.Timedelta(hours=3)


@pytest.mark.parametrize("key", [("crypto", "UNI/USD", "1Hour"), ("us_equity", "AAPL", "1Hour")])
def test_a_momentum_rule_earns_in_every_fold_of_a_strong_edge(
    demo: dict[SeriesKey, pd.DataFrame], key: SeriesKey
) -> None:
    assert min(momentum_folds(key, demo[key])) > 0.05


@pytest.mark.parametrize("key", [("crypto", symbol, "1Hour") for symbol in ("BTC/USD", "LTC/USD")])
def test_a_momentum_rule_loses_in_every_fold_without_edge(demo: dict[SeriesKey, pd.DataFrame], key: SeriesKey) -> None:
    assert max(momentum_folds(key, demo[key])) < 0


def test_a_momentum_rule_is_mixed_where_edge_is_faint_or_costs_are_small(demo: dict[SeriesKey, pd.DataFrame]) -> None:
    for key in (("crypto", "ETH/USD", "1Hour"), ("us_equity", "GOOGL", "1Hour")):
        folds = momentum_folds(key, demo[key])
        assert min(folds) < 0 < max(folds)


@pytest.mark.parametrize("seed", range(5))
def test_edge_decides_what_a_rule_earns_whatever_the_seed(seed: int) -> None:
    key = ("crypto", "UNI/USD", "1Hour")
    strong, none = (generate(replace(LONG, seed=seed, spell=48.0, edge=edge)) for edge in (0.6, 0.0))
    assert sum(earned > 0 for earned in momentum_folds(key, strong)) >= 4
    assert sum(earned > 0 for earned in momentum_folds(key, none)) <= 2
