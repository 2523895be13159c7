"""Limits to what an archive may ask of the machine that reads it."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Caps that hold while reading, whatever an archive's headers claim.

    Attributes:
        summary_bytes: size of the training summary, unpacked.
        model_bytes: size of one checkpoint, unpacked.
        entries: files and folders in the archive.
        json_depth: lists and objects within each other in the summary.
        json_containers: lists and objects in the summary altogether; each takes far more memory than its two bytes.
    """

    summary_bytes: int = 16 * _MIB
    model_bytes: int = 512 * _MIB
    entries: int = 20_000
    json_depth: int = 16
    json_containers: int = 200_000

    @property
    def directory_bytes(self) -> int:
        """Size of a zip's central directory: names of ordinary length for as many entries as may be."""
        return 400 * max(self.entries, 1_000)


DEFAULT_LIMITS = Limits()
