"""Nights of a stock: which moves are actions that prices were not adjusted for, which are news, which nobody can tell.

With the list of a company's actions they are known; without it, moves are all there is to tell by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.corporate_actions import ActionKind, CorporateAction
from pytest_modelgate.core.market.nights import Nights, nights_of

_LOOKED_AT = math.log(1.2)  # moves from here on are said, with what tells for and against a split
_ABSURD = math.log(3.0)  # nothing moves further overnight by news, as far as guessing goes
_FORWARD = {"5:4": 1.25, "4:3": 4 / 3, "3:2": 1.5, "2:1": 2.0, "5:2": 2.5, "3:1": 3.0}
_WHOLE = (3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 80, 100)  # usual ones beyond
_REVERSE = {"2:1": 2.0, "3:1": 3.0}  # nobody merges three shares into two
_USUAL = ("3:2", "2:1", "3:1")
_TOLERANCE, _CLOSE = 0.08, 0.04  # in the logarithm: the price moves overnight besides
_CRASH_TRADING = 5.0  # dollars traded on the day over what is usual; a split moves prices, not dollars
_UNUSUAL_TRADING = 2.0
_TELLS = 4.0  # deviations of the series' nights; an action that moves the price less does not show
_LARGE = 0.05  # share of the price, of a dividend or a spin-off that is said
_MOST_SAID = 3


@dataclass(frozen=True)
class Overnight:
    """What is wrong with a stock's nights.

    Attributes:
        unadjusted: actions that prices were not adjusted for, as ``4:1 on 2020-08-31``.
        failures: a sentence about each of these; warnings: what a reader should know besides.
    """

    unadjusted: tuple[str, ...]
    failures: tuple[str, ...]
    warnings: tuple[str, ...]


def judge_nights(bars: Bars, actions: Sequence[CorporateAction] | None, adjustment: str) -> Overnight:
    """Tell splits that prices were not adjusted for from news.

    Args:
        actions: all there were, by day; None where nobody recorded them.
        adjustment: what was asked of the prices, in Alpaca's words.
    """
    nights = nights_of(bars)
    holes = [
        f"no bars between {nights.day(night - 1)} and {nights.day(night)} ({nights.length[night]} days), "
        f"over which the price moved by {math.expm1(nights.moves[night]):+.1%}"
        for night in np.flatnonzero(nights.holes).tolist()
    ]
    far = np.flatnonzero((np.abs(nights.moves) >= _LOOKED_AT) & ~nights.holes).tolist()
    found = _guessed(nights, far) if actions is None else _known(nights, far, actions, adjustment)
    return Overnight(found.unadjusted, found.failures, (*holes, *found.warnings))


def _guessed(nights: Nights, far: Iterable[int]) -> Overnight:
    unadjusted, failures, warnings = [], [], []
    for night in far:
        move, trading = float(nights.moves[night]), nights.trading(night)
        ratio, apart = _nearest(move)
        usual = ratio in _USUAL and apart <= _TOLERANCE and trading <= _CRASH_TRADING
        if usual or abs(move) > _ABSURD:
            split = f"{_directed(ratio, move)} on {nights.day(night)}"
            unadjusted.append(split)
            failures.append(f"prices are not adjusted for what looks like a split of {split}")
            continue
        said = f"{nights.moved(night)} on {trading:.1f} times the usual dollars"
        if apart > _CLOSE:
            warnings.append(f"{said}: whether by news or by an action that prices were not adjusted for, nothing tells")
        elif trading <= _UNUSUAL_TRADING:
            warnings.append(f"{said}, as a {_directed(ratio, move)} split that prices were not adjusted for would")
        else:
            warnings.append(f"{said}: the ratio of a {_directed(ratio, move)} split, but traded like news")
    return Overnight(tuple(unadjusted), tuple(failures), tuple(_shortened(warnings)))


def _known(nights: Nights, far: Sequence[int], actions: Sequence[CorporateAction], adjustment: str) -> Overnight:
    unadjusted: list[str] = []
    failures: list[str] = []
    warnings: list[str] = []
    explained: set[int] = set()
    scale = nights.scale()
    for action in actions:
        night = nights.before_day(action.day)
        if night is None:
            continue
        if action.price_ratio is not None:
            expected, covered = -math.log(action.price_ratio), action.covered_by(adjustment)
            at = _unadjusted_at(nights, night, expected, scale, covered=covered)
            if at is not None:
                explained.add(at)
                kind = "" if action.kind is ActionKind.SPLIT else f"{action.kind} "
                unadjusted.append(f"{kind}{action.what.removesuffix(' split')} on {action.day}")
                failures.append(f"prices are not adjusted for the {action}")
        elif action.kind is ActionKind.SPIN_OFF and not action.covered_by(adjustment):
            explained.add(night)
            sentence = f"prices are not adjusted for the {action}, {nights.moved(night)}"
            if nights.moves[night] < -max(_TELLS * scale, math.log1p(_LARGE)):
                unadjusted.append(f"{action.what} on {action.day}")
                failures.append(sentence)
            else:
                warnings.append(sentence)
        elif action.kind is ActionKind.CASH_DIVIDEND and not action.covered_by(adjustment):
            share = action.dollars / (nights.before[night] * _later_splits(actions, action, adjustment))
            if share > _LARGE:
                explained.add(night)
                warnings.append(f"prices are not adjusted for the {action}, {share:.1%} of the price")
    news = [
        f"{nights.moved(night)}, and Alpaca lists no split for it: taken for news"
        for night in far
        if night not in explained
    ]
    return Overnight(tuple(unadjusted), tuple(failures), (*warnings, *_shortened(news)))


def _unadjusted_at(nights: Nights, night: int, expected: float, scale: float, *, covered: bool) -> int | None:
    """The night over which an action of known size moved the price; None where prices were adjusted for it.

    The move is either the action's or none, with what else happens overnight. Where the action is too small to tell
    them apart, what was asked for does.

    Args:
        night: that before the action's day; the list may be a day off, which counts where the action is far out.
        expected: logarithm of what the action does to prices that are not adjusted.
        covered: whether the adjustment asked for should have removed it.
    """
    size = abs(expected)
    if size < _TELLS * scale or nights.holes[night]:
        return None if covered or not size else night
    beside = range(max(0, night - 1), min(len(nights.moves), night + 2)) if size >= _LOOKED_AT else (night,)
    nearest = min(beside, key=lambda at: abs(nights.moves[at] - expected))
    return nearest if abs(nights.moves[nearest] - expected) < abs(nights.moves[nearest]) else None


def _later_splits(actions: Sequence[CorporateAction], dividend: CorporateAction, adjustment: str) -> float:
    """By how much prices of before a dividend were divided since: its dollars are those that were paid."""
    later = (action for action in actions if action.day > dividend.day and action.covered_by(adjustment))
    return math.prod(action.price_ratio or 1.0 for action in later)


def _nearest(move: float) -> tuple[str, float]:
    """The ratio of a split that a move is nearest to, larger part first, and how far from it, in the logarithm."""
    if abs(move) > _ABSURD:
        whole = min(_WHOLE, key=lambda ratio: abs(abs(move) - math.log(ratio)))
        if abs(abs(move) - math.log(whole)) > _TOLERANCE:
            whole = round(math.exp(abs(move)))
        return f"{whole}:1", abs(abs(move) - math.log(whole))
    usual = _REVERSE if move > 0 else _FORWARD
    return min(((name, abs(abs(move) - math.log(ratio))) for name, ratio in usual.items()), key=lambda pair: pair[1])


def _directed(ratio: str, move: float) -> str:
    """The ratio as it is written of a split that moves the price that way: ``4:1`` lets it fall."""
    return ratio if move < 0 else ":".join(reversed(ratio.split(":")))


def _shortened(sentences: Sequence[str]) -> list[str]:
    """The first few, and how many more there are."""
    more = len(sentences) - _MOST_SAID
    if more <= 1:
        return list(sentences)
    return [*sentences[:_MOST_SAID], f"{more} more nights moved the price by a fifth or more"]
