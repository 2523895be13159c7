"""Evidence of a run on another machine: whatever ``EvidenceStore`` does with files is asked for there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pytest_modelgate.adapters.evidence.record import Body, crash, packed, parsed_records, unpacked
from pytest_modelgate.core.evidence.records import Evidence, WindowFailure
from pytest_modelgate.errors import SettingsError

Ask = Callable[..., Any]
"""Asks the process that has the files: the name of what is to be done, and its arguments, in plain types."""


class RemoteStore:
    """Does for a worker on another machine what ``EvidenceStore`` does for one beside the files, under the same names.

    What is written stands in the run's folder when the call returns. Who holds a claim is known there by the
    connection: where that breaks, the claim stays behind, as one of a process that came to a sudden end.

    Args:
        ask: raises ``SettingsError`` where something cannot be written there, or the connection broke.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._claimed: set[tuple[str, str]] = set()
        self._parsed = parsed_records()
        self._seen: dict[tuple[str, str], bytes] = {}

    def write(self, evidence: Evidence, key: str = "") -> None:
        """As ``EvidenceStore.write``."""
        self._ask("write", evidence.model, evidence.window, packed(evidence, key))

    def fail(self, failure: WindowFailure, key: str = "") -> None:
        """As ``EvidenceStore.fail``; where nobody can be told any more, the connection itself tells."""
        with suppress(SettingsError):
            self._ask("fail", failure.model, failure.window, packed(failure, key))

    def read(self, model: str, window: str) -> Evidence | None:
        """As ``EvidenceStore.read``; what came here before, and is still the same, is not sent again."""
        digest = self._seen.get((model, window), b"")
        known = self._parsed.known(digest)
        content = self._ask("read", model, window, digest if known else b"")
        if content is None:
            return None
        if content is False:
            return crash(model, window)
        if content is True and known:
            return known.evidence
        self._seen[model, window] = hashlib.sha256(content).digest()
        return _evidence(unpacked(content, model, window, self._parsed))

    def digest(self, model: str, window: str) -> str:
        """As ``EvidenceStore.digest``."""
        return str(self._ask("digest", model, window))

    def reusable(self, model: str, window: str, key: str) -> Evidence | None:
        """As ``EvidenceStore.reusable``."""
        content = self._ask("reusable", model, window, key)
        return None if content is None else _evidence(unpacked(content, model, window, self._parsed))

    @property
    def has_others(self) -> bool:
        """As ``EvidenceStore.has_others``."""
        return bool(self._ask("has_others"))

    def has_other(self, model: str, window: str) -> bool:
        """As ``EvidenceStore.has_other``."""
        return bool(self._ask("has_other", model, window))

    @contextmanager
    def claim(self, model: str, window: str) -> Iterator[None]:
        """As ``EvidenceStore.claim``."""
        work = model, window
        if work in self._claimed:
            yield
            return
        try:
            self._ask("claim", *work)
            self._claimed.add(work)
            yield
        finally:
            self._claimed.discard(work)
            self._let_go("release", *work)  # also where waiting for it was cut short

    @contextmanager
    def computing(self, key: str) -> Iterator[None]:
        """As ``EvidenceStore.computing``."""
        try:
            self._ask("compute", key)
            yield
        finally:
            self._let_go("computed", key)

    def forget(self, model: str, window: str) -> None:
        """As ``EvidenceStore.forget``."""
        self._ask("forget", model, window)

    def _let_go(self, *errand: str) -> None:
        with suppress(SettingsError):  # a broken connection lets go of everything
            self._ask(*errand)


def _evidence(said: Body | WindowFailure) -> Evidence:
    return said.evidence if isinstance(said, Body) else said
