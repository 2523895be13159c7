"""Bars from cassettes, without keys and without network. ``recording`` is the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from pytest_modelgate.adapters.alpaca import client as alpaca
from pytest_modelgate.adapters.alpaca.actions import fetch_actions
from pytest_modelgate.adapters.alpaca.plain import plain_actions, plain_bars
from pytest_modelgate.adapters.cassettes import files as cassette_files
from pytest_modelgate.adapters.cassettes import vcr as cassettes
from pytest_modelgate.adapters.cassettes.entries import Entry
from pytest_modelgate.adapters.cassettes.own import own_bars
from pytest_modelgate.adapters.cassettes.plain import plain_pages
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.corporate_actions import ActionsRequest, CorporateAction, actions_request
from pytest_modelgate.core.market.requests import MarketRequest, Span, cover
from pytest_modelgate.errors import MarketDataError


def replay_bars(request: MarketRequest, folder: Path, record_command: str = cassette_files.RECORD) -> Bars:
    """The recorded bars of a request, all sessions, without keys and without network.

    They may lie in several cassettes that overlap; where they do, they must agree.

    Raises:
        MarketDataError: a cassette is missing, altered or unusable, or two contradict each other.
    """
    entries = cassette_files.entries_of(folder, request)
    by_span = {entry.span: entry for entry in entries if entry.final(request)}
    spans = cover(request, by_span)
    if spans is None:
        raise _not_recorded(request, folder, entries, record_command)
    parts = []
    for span in spans:
        name = by_span[span].name
        text = cassette_files.read_cassette(folder, name, record_command)
        parts.append(replay_text(request.over(span), text, f"cassette {folder / name}", record_command))
    return _joined(request, spans, parts)


def recordings_of(request: MarketRequest, folder: Path) -> tuple[str, ...]:
    """Names of the cassettes that ``replay_bars`` and ``replay_actions`` read; none where it would raise.

    Raises:
        MarketDataError: the manifest is unusable.
    """
    by_span = {entry.span: entry.name for entry in cassette_files.entries_of(folder, request) if entry.final(request)}
    asked = actions_request(request)
    actions = cassette_files.actions_entry(folder, asked) if asked else None
    return (*(by_span[span] for span in cover(request, by_span) or ()), *([actions.name] if actions else []))


def is_recorded(request: MarketRequest, folder: Path) -> bool:
    """Whether the manifest lists recordings that together hold a request."""
    return cover(request, [entry.span for entry in cassette_files.entries_of(folder, request)]) is not None


def _not_recorded(
    request: MarketRequest, folder: Path, entries: Sequence[Entry], record_command: str
) -> MarketDataError:
    """Error that names the recording there is not, or the one whose last bar was not final when it was made."""
    where = f"market data of {request}"
    open_ended = {entry.span: entry for entry in entries if not entry.final(request)}
    for span in cover(request, [entry.span for entry in entries]) or ():
        if span in open_ended:
            recorded, final = open_ended[span].recorded_at, request.over(span).final_at
            problem = (
                f"not recorded to its end, cassette {folder / open_ended[span].name} is of {recorded:%Y-%m-%d %H:%M} "
                f"UTC, but its last bar was final from {final:%Y-%m-%d %H:%M} UTC on"
            )
            return MarketDataError(where, problem, f"Record it again, then commit it and manifest: {record_command}")
    held = f", only {len(entries)} of other windows" if entries else ""
    problem = f"not recorded, there is no cassette {folder / cassette_files.path_of(request)}{held}"
    return MarketDataError(where, problem, f"Record it, then commit cassettes and manifest: {record_command}")


def replay_text(request: MarketRequest, text: str, where: str, record_command: str = cassette_files.RECORD) -> Bars:
    """The bars of one recording, which must answer exactly this request.

    Raises:
        MarketDataError: the recording is damaged, or another request was recorded.
    """
    remedy = f"Restore it from version control, or record it again: {record_command}"
    if request.own:
        return own_bars(request, text, where, remedy)
    pages = plain_pages(text)
    if pages and (bars := plain_bars(request, pages)):
        return bars
    with cassettes.play(text, where, remedy) as player:
        return alpaca.fetch_bars(request, credentials=None, reply=player.answer)


def replay_actions(
    request: MarketRequest, folder: Path, record_command: str = cassette_files.RECORD
) -> tuple[CorporateAction, ...] | None:
    """The recorded corporate actions of a stock's company, by day; None where nobody recorded them, and for crypto.

    Raises:
        MarketDataError: the cassette is altered or unusable.
    """
    asked = actions_request(request)
    entry = cassette_files.actions_entry(folder, asked) if asked else None
    if entry is None:
        return None
    text = cassette_files.read_cassette(folder, entry.name, record_command)
    return replay_actions_text(entry.request, text, f"cassette {folder / entry.name}", record_command)


def replay_actions_text(
    request: ActionsRequest, text: str, where: str, record_command: str = cassette_files.RECORD
) -> tuple[CorporateAction, ...]:
    """The actions of one recording; errors as of ``replay_text``."""
    remedy = f"Restore it from version control, or record it again: {record_command}"
    pages = plain_pages(text)
    if pages and (actions := plain_actions(request, pages)) is not None:
        return actions
    with cassettes.play(text, where, remedy) as player:
        return fetch_actions(request, credentials=None, reply=player.answer)


def _joined(request: MarketRequest, spans: Sequence[Span], parts: Sequence[Bars]) -> Bars:
    frame = parts[0].frame
    for span, part in zip(spans[1:], parts[1:], strict=True):
        changed, _ = differences(frame, part.frame, span.first, frame.index[-1])
        if len(changed):
            where = f"market data of {request}"
            problem = f"two cassettes disagree about the bar of {changed[0]:%Y-%m-%d %H:%M} UTC: its past was revised"
            raise MarketDataError(where, problem, "Record it anew: modelgate record ARCHIVE --record-mode all")
        frame = pd.concat([frame[frame.index < span.first], part.frame])
    return replace(parts[-1], frame=frame[request.first : request.last])


def differences(
    earlier: pd.DataFrame, later: pd.DataFrame, since: pd.Timestamp, until: pd.Timestamp
) -> tuple[pd.DatetimeIndex, int]:
    """Starts of the bars that two recordings of a series do not agree about, and how many bars were compared.

    Args:
        since, until: bar starts, both inclusive; the span that both were asked for.
    """
    old, new = earlier[since:until], later[since:until]
    both = old.index.union(new.index)
    same = (old.reindex(both) == new.reindex(both)).all(axis=1).to_numpy()  # a bar that one lacks equals nothing
    return pd.DatetimeIndex(both[~same]), len(both)
