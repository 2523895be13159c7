"""Digests of JSON documents: one spelling for one content, so that its sha256 is the same on every machine."""

from __future__ import annotations

import hashlib
import json


def canonical_json(content: object, *, spaced: bool = False) -> str:
    """JSON in ASCII with its keys sorted, in one line.

    Args:
        content: what JSON can hold; tuples become lists, and order in lists counts.
        spaced: a space behind each comma and colon. Profiles and ledgers were digested in that spelling, and their
            digests stand in users' files; everything else goes without white space.

    Raises:
        ValueError: NaN or an infinity in it, for which JSON has no word.
    """
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(content, sort_keys=True, separators=separators, ensure_ascii=True, allow_nan=False)


def json_sha256(content: object, *, spaced: bool = False) -> str:
    """Sha256 of ``canonical_json``, in hex."""
    return hashlib.sha256(canonical_json(content, spaced=spaced).encode("ascii")).hexdigest()
