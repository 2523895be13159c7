"""Pages of Alpaca's trading API, of which each list has a form of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_modelgate.adapters.alpaca.transport import UnusableAnswerError
from pytest_modelgate.core.watching.moments import parse_moment
from pytest_modelgate.core.watching.records import NANOSECONDS

Row = Mapping[str, Any]
_MOST_DAYS = 30  # that portfolio history serves at once below a day


def all_orders(ask: Callable[[int], Sequence[Row]], after: int, limit: int) -> list[Row]:
    """Every order submitted after a moment, by submission, each as it was told last.

    There is no token: the next page begins a second before the last order of this one, and what is known already is
    told once more. A page shorter than the limit need not be the last, since legs may count; one without news is.

    Args:
        ask: orders submitted after a moment (nanoseconds since 1970 UTC), oldest first, no more than the limit.
        after: exclusive.

    Raises:
        UnusableAnswerError: a full page within one second, behind which nothing can be asked for, or pages that are
            not in order.
        ValueError, KeyError, TypeError: a row without an id, or without the moment of its submission.
    """
    found: dict[str, Row] = {}
    while True:
        page = ask(after)
        moments = [submitted(row) for row in page]
        if moments != sorted(moments):
            raise UnusableAnswerError("Alpaca's orders are not in the order of their submission")
        news = [row for row in page if row["id"] not in found]
        found |= {row["id"]: row for row in page}
        if not news:
            return list(found.values())
        begin = moments[-1] - NANOSECONDS
        if begin <= after:
            if len(page) < limit:
                return list(found.values())
            problem = f"{limit} orders were submitted within one second, behind which Alpaca cannot be asked"
            raise UnusableAnswerError(problem, "Record another account: such a trader is none that can be watched")
        after = begin


def submitted(row: Row) -> int:
    """When an order was submitted; one that is held back as a leg was created only."""
    return parse_moment(row.get("submitted_at") or row["created_at"])


def all_activities(ask: Callable[[str | None], Sequence[Row]]) -> list[Row]:
    """Every activity, as it came.

    Args:
        ask: the page behind an id; None is the first.
    """
    found: list[Row] = []
    while page := ask(str(found[-1]["id"]) if found else None):
        found.extend(page)
    return found


def history_windows(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Stretches, each of which portfolio history serves at once; moments, the ends shared."""
    longest = _MOST_DAYS * 86_400 * NANOSECONDS
    while first < last:
        end = min(first + longest, last)
        yield first, end
        first = end
