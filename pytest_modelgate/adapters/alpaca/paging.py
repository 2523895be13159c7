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
        begin = moments[-1] - NANOSECONDS if moments else after
        ends = all(row["id"] in found for row in page) or begin <= after
        found |= {row["id"]: row for row in page}
        if not ends:
            after = begin
        elif len(page) < limit:
            return list(found.values())
        else:
            problem = f"{limit} orders were submitted within one second, behind which Alpaca cannot be asked"
            raise UnusableAnswerError(problem, "Record another account: such a trader is none that can be watched")


def submitted(row: Row) -> int:
    """When an order was submitted; one that is held back as a leg was created only."""
    return parse_moment(row.get("submitted_at") or row["created_at"])


def all_activities(ask: Callable[[str | None], Sequence[Row]], limit: int) -> list[Row]:
    """Every activity, as it came.

    Args:
        ask: the page behind an id, no longer than the limit; None is the first.

    Raises:
        UnusableAnswerError: a full page tells nothing new.
        KeyError: a row without an id.
    """
    found: list[Row] = []
    known: set[str] = set()
    while page := ask(str(found[-1]["id"]) if found else None):
        ids = {str(row["id"]) for row in page}
        if ids <= known:
            if len(page) < limit:
                break
            raise UnusableAnswerError("Alpaca's pages go round in a circle: a full page told nothing new")
        known |= ids
        found.extend(page)
    return found


def history_windows(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Stretches, each of which portfolio history serves at once; moments, the ends shared."""
    longest = _MOST_DAYS * 86_400 * NANOSECONDS
    while first < last:
        end = min(first + longest, last)
        yield first, end
        first = end
