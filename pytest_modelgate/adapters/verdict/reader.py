"""A verdict read back from its file, believed only as long as not a byte of it was altered."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.adapters.verdict.writer import digest, seal, verdict_bytes
from pytest_modelgate.errors import PromotionError
from pytest_modelgate.text import plain

_MOST_BYTES = 256 * 1024 * 1024
_RERUN = "Run the gate again, or fetch the verdict it wrote"


def read_verdict(path: Path) -> Verdict:
    """Read a verdict that is exactly as the gate wrote it.

    Digest and seal tell an altered verdict, and what they do not cover - spelling, order, white space - has to be the
    gate's own. They do not tell who wrote it: that takes an attestation, or a digest that came another way.

    Raises:
        PromotionError: the file cannot be read, is no verdict, or was altered.
    """
    location = f"verdict {path}"
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise PromotionError(location, f"cannot be read: {error.strerror}", "Check the path") from None
    if len(raw) > _MOST_BYTES:
        raise PromotionError(location, f"is larger than {_MOST_BYTES} bytes", _RERUN)
    try:
        verdict = Verdict.model_validate_json(raw)
        spelled = verdict_bytes(verdict)
    except (ValidationError, ValueError) as error:
        flaw = f": {_first_flaw(error)}" if isinstance(error, ValidationError) else ""
        raise PromotionError(location, f"is not a verdict of this version{flaw}", _RERUN) from None
    document = verdict.model_dump(mode="json")
    if digest(document) != verdict.digest:
        raise PromotionError(location, "was altered: its digest is not that of its content", _RERUN)
    if seal(document) != verdict.run.get("seal") or spelled != raw:
        raise PromotionError(location, "was altered since the gate wrote it", _RERUN)
    return verdict


def _first_flaw(error: ValidationError) -> str:
    """Field and kind of the first flaw, without quoting the file's own text."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return plain(".".join(str(part) for part in first["loc"]), 80) or "not JSON"
