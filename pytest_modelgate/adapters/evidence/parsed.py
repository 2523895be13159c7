"""Records that were read before, by the digest of their bytes: what is on disk is looked at anew, but parsed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
_ROOM = 1 << 22  # bytes of files; parsed they take about eight times as much


@dataclass
class ParsedRecords(Generic[T]):
    """What files hold; those not asked for longest are let go of when their bytes take more than the room there is.

    Attributes:
        parse: what a file's bytes hold; it must depend on nothing else, and an error it raises is not kept.
    """

    parse: Callable[[bytes], T]
    room: int = _ROOM
    _known: dict[bytes, tuple[int, T]] = field(default_factory=dict, init=False, repr=False)

    def known(self, digest: bytes) -> T | None:
        """What the bytes of a digest hold; None where they were not read, or are let go of."""
        return self._known[digest][1] if digest in self._known else None

    def of(self, content: bytes) -> T:
        """What these bytes hold; the same object as long as it is known."""
        digest = hashlib.sha256(content).digest()
        known = self._known.pop(digest, None) or (len(content), self.parse(content))
        self._known[digest] = known
        taken = sum(size for size, _ in self._known.values())
        while taken > self.room and len(self._known) > 1:
            size, _ = self._known.pop(next(iter(self._known)))
            taken -= size
        return known[1]
