"""Limits to what an archive may ask of the machine that reads it."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_modelgate.errors import ArchiveError

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Caps that hold while reading, whatever an archive's headers claim.

    Attributes:
        summary_bytes: size of the training summary, unpacked.
        model_bytes: size of one checkpoint, unpacked.
        declaration_bytes: size of what is declared of one model in a file beside it.
        entries: files and folders in the archive.
        total_bytes: size of all checkpoints together, unpacked: copies of them take as much temporary space.
        ratio: how many times the archive's own size they may unpack to, beyond one of the largest. Weights hardly
            deflate, so that nothing honest comes near.
        json_depth: lists and objects within each other in the summary.
        json_containers: lists and objects in the summary altogether; each takes far more memory than its two bytes.
    """

    summary_bytes: int = 16 * _MIB
    model_bytes: int = 512 * _MIB
    declaration_bytes: int = _MIB
    entries: int = 20_000
    total_bytes: int = 128 * 1024 * _MIB
    ratio: int = 20
    json_depth: int = 16
    json_containers: int = 200_000

    @property
    def directory_bytes(self) -> int:
        """Size of a zip's central directory: names of ordinary length for as many entries as may be."""
        return 400 * max(self.entries, 1_000)

    def check_total(self, unpacked: int, packed: int, location: str) -> None:
        """Refuse an archive whose checkpoints would fill the disk.

        Args:
            unpacked: bytes of all checkpoints.
            packed: bytes of the archive itself.

        Raises:
            ArchiveError: they unpack to more than is allowed.
        """
        most = min(self.total_bytes, self.model_bytes + self.ratio * packed)
        if unpacked > most:
            problem = f"takes {packed} bytes, and its checkpoints {unpacked}, expected at most {most}"
            raise ArchiveError(location, problem, "Pack the checkpoints as the trainer wrote them, or fewer of them")


DEFAULT_LIMITS = Limits()
