"""docs/features.md read aloud: one row at a time, plain Python, nothing shared with the code under test."""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import fmean

import pandas as pd

Series = Callable[[int], float]  # value k bars before the present


class Past:
    """The notation of the document; every method takes k, bars before the present."""

    def __init__(self, frame: pd.DataFrame, row: int) -> None:
        self.bars = [tuple(map(float, values)) for values in frame.iloc[: row + 1].to_numpy().tolist()][::-1]
        self.starts = [datetime.fromtimestamp(stamp.timestamp(), UTC) for stamp in frame.index[: row + 1]][::-1]
        self.s = self.vol(96)

    def _log(self, price: float) -> float:
        return math.log(price / self.bars[0][3])  # relative to the present close: a flat market is 0 throughout

    def o(self, k: int) -> float:
        return self._log(self.bars[k][0])

    def hi(self, k: int) -> float:
        return self._log(max(self.bars[k][:4]))

    def lo(self, k: int) -> float:
        return self._log(min(self.bars[k][:4]))

    def c(self, k: int) -> float:
        return self._log(self.bars[k][3])

    def v(self, k: int) -> float:
        return self.bars[k][4]

    def r(self, k: int) -> float:
        return self.c(k) - self.c(k + 1)

    def tr(self, k: int) -> float:
        return max(self.hi(k), self.c(k + 1)) - min(self.lo(k), self.c(k + 1))

    def span(self, k: int) -> float:
        return self.hi(k) - self.lo(k)

    def vol(self, n: int, k: int = 0) -> float:
        return math.sqrt(fmean(self.r(j) ** 2 for j in range(k, k + n)))


def reference_row(frame: pd.DataFrame, row: int) -> dict[str, float]:
    past = Past(frame, row)
    return {
        **_price_action(past),
        **_intraday(past),
        **_calendar(past.starts[0]),
        **_regime(past),
        **_technical(past),
        **_multi_window(past),
    }


def _per(a: float, b: float) -> float:
    return a / (b + 1e-8)


def _contrast(a: float, b: float) -> float:
    return _per(a - b, a + b)


def _volume_share(a: float, b: float) -> float:
    return a / b if b > 0 else 0.0


def _clip(x: float) -> float:
    return min(5.0, max(-5.0, x))


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def _mean(x: Series, n: int, k: int = 0) -> float:
    return fmean(x(j) for j in range(k, k + n))


def _sum(x: Series, n: int, k: int = 0) -> float:
    return math.fsum(x(j) for j in range(k, k + n))


def _sd(x: Series, n: int, k: int = 0) -> float:
    mean = _mean(x, n, k)
    return math.sqrt(fmean((x(j) - mean) ** 2 for j in range(k, k + n)))


def _price_action(x: Past) -> dict[str, float]:
    streak = 1
    while streak < 8 and _sign(x.r(streak)) == _sign(x.r(0)):
        streak += 1
    return {
        "return_1": _clip(_per(x.r(0), x.s)),
        "open_gap": _clip(_per(x.o(0) - x.c(1), x.s)),
        "body": _per(x.c(0) - x.o(0), x.span(0)),
        "upper_wick": _per(x.hi(0) - max(x.o(0), x.c(0)), x.span(0)),
        "lower_wick": _per(min(x.o(0), x.c(0)) - x.lo(0), x.span(0)),
        "streak": streak * _sign(x.r(0)) / 8,
        "range_ratio": _contrast(x.span(0), _mean(x.span, 48)),
    }


def _intraday(x: Past) -> dict[str, float]:
    today = [k for k in range(96) if x.starts[k].date() == x.starts[0].date()]
    k = len(today)
    assert today == list(range(k))
    top, bottom = max(x.hi(j) for j in today), min(x.lo(j) for j in today)
    traded = math.fsum(x.v(j) for j in today)
    distance = _volume_share(math.fsum(x.v(j) * (x.c(0) - (x.hi(j) + x.lo(j) + x.c(j)) / 3) for j in today), traded)
    return {
        "day_return": _clip(_per(x.c(0) - x.o(k - 1), x.s * math.sqrt(k))),
        "day_range_position": _per(2 * x.c(0) - top - bottom, top - bottom),
        "day_vwap_distance": _clip(_per(distance, x.s * math.sqrt(k))),
        "overnight_gap": _clip(_per(x.o(k - 1) - x.c(k), x.s)),
    }


def _calendar(start: datetime) -> dict[str, float]:
    time_of_day = (start.hour + start.minute / 60 + start.second / 3600) / 24
    day_of_month = (start.day - 1) / calendar.monthrange(start.year, start.month)[1]
    return {
        "time_of_day_sin": math.sin(math.tau * time_of_day),
        "time_of_day_cos": math.cos(math.tau * time_of_day),
        "weekday_sin": math.sin(math.tau * start.weekday() / 7),
        "weekday_cos": math.cos(math.tau * start.weekday() / 7),
        "day_of_month_sin": math.sin(math.tau * day_of_month),
        "day_of_month_cos": math.cos(math.tau * day_of_month),
        "weekend": 1.0 if start.strftime("%a") in ("Sat", "Sun") else 0.0,
    }


def _regime(x: Past) -> dict[str, float]:
    changes = [x.vol(24) - x.vol(24, k) for k in range(1, 97)]
    parkinson = math.sqrt(fmean(x.span(k) ** 2 for k in range(24)) / (4 * math.log(2)))

    def efficiency(n: int) -> float:
        return _per(abs(x.c(0) - x.c(n)), _sum(lambda k: abs(x.r(k)), n))

    def trend(n: int) -> float:
        def time(k: int) -> float:
            return float(-k)

        covariance = fmean((time(k) - _mean(time, n)) * (x.c(k) - _mean(x.c, n)) for k in range(n))
        return _per(covariance / _sd(time, n), _sd(x.c, n))

    def scores(n: int) -> list[float]:
        mean, deviation = _mean(x.r, n), _sd(x.r, n)
        return [_per(x.r(k) - mean, deviation) for k in range(n)]

    z = scores(48)
    return {
        "volatility_level": _clip(math.log((x.s + 1e-8) / 0.01)),
        "volatility_12_96": _contrast(x.vol(12), x.s),
        "volatility_percentile": fmean(_per(d, abs(d)) for d in changes),
        "parkinson_24": _contrast(parkinson, x.vol(24)),
        "efficiency_24": efficiency(24),
        "efficiency_96": efficiency(96),
        "trend_24": trend(24),
        "trend_48": trend(48),
        "trend_96": trend(96),
        "autocorrelation_48": math.fsum(z[k] * z[k + 1] for k in range(47)) / 48,
        "skew_96": _clip(fmean(score**3 for score in scores(96))),
        "drawdown_96": _clip(_per(x.c(0) - max(x.hi(k) for k in range(96)), x.s * math.sqrt(96))),
    }


def _technical(x: Past) -> dict[str, float]:
    def ema(y: Series, n: int, k: int = 0) -> float:
        weights = [(1 - 2 / (n + 1)) ** j for j in range(4 * n)]
        return math.fsum(w * y(k + j) for j, w in enumerate(weights)) / math.fsum(weights)

    def m(k: int) -> float:
        return ema(x.c, 12, k) - ema(x.c, 26, k)

    def moves(k: int) -> tuple[float, float]:
        up, down = x.hi(k) - x.hi(k + 1), x.lo(k + 1) - x.lo(k)
        return (up if up > 0 and up > down + 1e-8 else 0.0), (down if down > 0 and down > up + 1e-8 else 0.0)

    def p(k: int) -> float:
        return math.fsum(moves(j)[0] for j in range(k, k + 14))

    def q(k: int) -> float:
        return math.fsum(moves(j)[1] for j in range(k, k + 14))

    top, bottom = max(x.hi(k) for k in range(14)), min(x.lo(k) for k in range(14))
    gains = math.fsum(max(x.r(k), 0.0) for k in range(14))
    losses = math.fsum(max(-x.r(k), 0.0) for k in range(14))
    since_high = min(range(26), key=lambda k: (-x.hi(k), k))
    since_low = min(range(26), key=lambda k: (x.lo(k), k))
    money = math.fsum(x.v(k) * _per(2 * x.c(k) - x.hi(k) - x.lo(k), x.span(k)) for k in range(20))
    return {
        "rsi_14": _per(gains - losses, gains + losses),
        "macd": _clip(_per(m(0), _mean(x.tr, 14))),
        "macd_histogram": _clip(_per(m(0) - ema(m, 9), _mean(x.tr, 14))),
        "bollinger_20": _per(x.c(0) - _mean(x.c, 20), 2 * _sd(x.c, 20)),
        "bollinger_width_20": _contrast(_sd(x.c, 20), fmean(_sd(x.c, 20, k) for k in range(96))),
        "stochastic_14": _per(2 * x.c(0) - top - bottom, top - bottom),
        "atr_14_96": _contrast(_mean(x.tr, 14), _mean(x.tr, 96)),
        "di_14": _per(p(0) - q(0), _sum(x.tr, 14)),
        "adx_14": fmean(_per(abs(p(k) - q(k)), p(k) + q(k)) for k in range(14)),
        "aroon_25": (since_low - since_high) / 25,
        "obv_24": _volume_share(math.fsum(_sign(x.r(k)) * x.v(k) for k in range(24)), _sum(x.v, 24)),
        "cmf_20": _volume_share(money, _sum(x.v, 20)),
        "volume_1_96": _volume_share(x.v(0) - _mean(x.v, 96), x.v(0) + _mean(x.v, 96)),
        "volume_12_96": _volume_share(_mean(x.v, 12) - _mean(x.v, 96), _mean(x.v, 12) + _mean(x.v, 96)),
    }


def _multi_window(x: Past) -> dict[str, float]:
    def channel(n: int) -> float:
        top, bottom = max(x.hi(k) for k in range(n)), min(x.lo(k) for k in range(n))
        return _per(2 * x.c(0) - top - bottom, top - bottom)

    return {
        **{f"momentum_{n}": _clip(_per(x.c(0) - x.c(n), x.s * math.sqrt(n))) for n in (3, 6, 12, 24, 48, 96, 192)},
        "channel_48": channel(48),
        "channel_192": channel(192),
    }
