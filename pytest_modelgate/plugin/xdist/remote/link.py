"""The worker's end of the connection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count
from typing import Any

from execnet import RemoteError

from pytest_modelgate.adapters.evidence.store import EvidenceConflictError
from pytest_modelgate.errors import ArchiveError, GateError, MarketDataError, SettingsError

ERRORS = {kind.__name__: kind for kind in (ArchiveError, EvidenceConflictError, MarketDataError, SettingsError)}
"""Errors that cross the connection as what they are; others arrive as ``SettingsError``."""
_WHERE = "the connection to the process that reports"


class Link:
    """Asks the process that reports for one errand at a time.

    Args:
        channel: execnet's.
    """

    def __init__(self, channel: Any) -> None:  # noqa: ANN401 - execnet publishes no type for them
        self._channel, self._numbers = channel, count()

    def ask(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the errand gives
        """Ask, and wait for the answer; see ``services.errands``.

        Raises:
            GateError: it cannot be done, or the connection broke.
        """
        number = next(self._numbers)
        try:
            self._channel.send((number, name, arguments))
            answered, error, value = self._channel.receive()
            while answered != number:  # to a question that a time limit cut short
                answered, error, value = self._channel.receive()
        except (EOFError, OSError, RemoteError):
            raise SettingsError(_WHERE, "broke", "Run the gate again when both machines can be reached") from None
        if error:
            raise ERRORS.get(error, SettingsError)(*value)
        return value

    def fetch(self, name: str, *arguments: object) -> Iterator[bytes]:
        """A content, piece by piece; it is whole only if the iteration ends without an error.

        Raises:
            GateError: as of ``ask``, or what arrived is not what was sent.
        """
        digest = hashlib.sha256()
        self.ask(name, *arguments)
        while isinstance(piece := self.ask("piece"), bytes):
            digest.update(piece)
            yield piece
        if piece != digest.hexdigest():
            raise SettingsError(_WHERE, "altered what it carried", "Run the gate again")

    def close(self) -> None:
        """End the connection: nothing is held any more."""
        self._channel.close()


def told(error: GateError) -> tuple[str, tuple[str, str, str]]:
    """An error, as it is sent."""
    return type(error).__name__, (error.where, error.problem, error.remedy)
