"""Figures as the page writes them: one way for each kind, with a true minus and spaces that do not break."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NONE = "\u2013"  # of a figure that is undefined
_MINUS, _SPACE = "\u2212", "\u00a0"


def to_float(figure: float | str | None) -> float:
    """A figure of a verdict, where null is undefined and infinities are spelled."""
    return math.nan if figure is None else float(figure)


def _sign(text: str) -> str:
    return text.replace("-", _MINUS)


def _is_zero(text: str) -> bool:
    return not text.strip("+-0.,")


def signed(fraction: float, digits: int = 1) -> str:
    """A return: ``+31.8 %``."""
    if not math.isfinite(fraction):
        return NONE
    value = 100.0 * fraction
    text = f"{value:+,.0f}" if abs(value) >= 1000.0 else f"{value:+,.{digits}f}"
    return f"{_sign(text.lstrip('+-') if _is_zero(text) else text)}{_SPACE}%"


def share(fraction: float, digits: int = 1) -> str:
    """A share, or a depth, that has no sign: ``4.2 %``."""
    return NONE if not math.isfinite(fraction) else f"{_sign(f'{100.0 * fraction:,.{digits}f}')}{_SPACE}%"


def probability(fraction: float) -> str:
    """A p-value, as exactly as small ones need it: ``0.28 %``."""
    if not math.isfinite(fraction):
        return NONE
    return share(fraction, 2 if fraction < 0.1 else 1)


def likely(fraction: float) -> str:
    """A probability that may come close to certainty, and never is it: ``above 99.9 %``."""
    return f"above {share(0.999)}" if fraction > 0.999 else share(fraction)


def ratio(value: float, digits: int = 2) -> str:
    """A figure without a unit: ``8.21``."""
    if math.isinf(value):
        return f"{_MINUS if value < 0 else ''}\u221e"
    return NONE if math.isnan(value) else _sign(f"{value:,.{digits}f}")


def basis_points(fraction: float, digits: int = 1) -> str:
    """A fraction in basis points, without trailing zeros: ``35 bp``."""
    if not math.isfinite(fraction):
        return NONE
    text = f"{1e4 * fraction:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{_sign(text)}{_SPACE}bp"


def money(value: float) -> str:
    """USD without cents: ``+1,234``."""
    return NONE if not math.isfinite(value) else _sign(f"{value:+,.0f}")


def price(value: float) -> str:
    """A price, USD, in six digits."""
    if not math.isfinite(value) or value <= 0.0:
        return NONE
    return f"{value:,.{max(0, 5 - math.floor(math.log10(value)))}f}"


def interval(low: str, high: str) -> str:
    """Two figures: ``+16.8 % to +47.7 %``; nothing where one is undefined."""
    return "" if NONE in (low, high) else f"{low} to {high}"


def moment(seconds: float) -> str:
    """``2024-06-30 21:00``, UTC."""
    return f"{datetime.fromtimestamp(float(seconds), UTC):%Y-%m-%d %H:%M}"


def day(seconds: float) -> str:
    """``2024-06-30``, UTC."""
    return f"{datetime.fromtimestamp(float(seconds), UTC):%Y-%m-%d}"


def plural(count: int, noun: str) -> str:
    """``1 trade``, ``2 trades``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
