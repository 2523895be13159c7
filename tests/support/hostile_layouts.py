"""Hypothesis strategies for tars, manifests, indexes and odd siblings."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

from hypothesis import strategies as st
from support.hostile_summaries import BARE, FULL, METRICS, RAW, values
from support.hostile_zips import DEFLATED, ODD_NAMES, Member, Zip, blows

_PREFIXES = ("", "content/Alpaca_trading/", "runs/20250601_120000/", "a/" * 31, "training_archives/20241227_211819/")
_MODELS = ("models/rl_symbols/", "models/", "", "checkpoints/", "Models/RL_symbols/", "models\\rl_symbols\\")
_STEMS = (
    "UNIUSD_1Hour", "UNIUSD", "UNIUSD_4Hour", "BTCUSD_1Hour", "UNIUSD_1Hour_best", "UNIUSD_3Hour", "uniusd_1hour",
    "CON", "BTC/USD_1Hour", "\u202e", "x\x1b[2J", "",
)  # fmt: skip
_DOCUMENTS = (
    "training_summary_20241227_211819.json", "training_summary_20241201_000000.json", "manifest.json", "index.json",
    "summary.json", "model_assessments.json", "Manifest.json", "training_summary_latest.json",
)  # fmt: skip
_ENTRY: dict[str, Any] = {
    "symbol": "UNIUSD",
    "timeframe": "1Hour",
    "sha256": hashlib.sha256(b"PKweights").hexdigest(),
    "file": "models/UNIUSD_1Hour.pt",
    "metrics": METRICS,
    "checkpoint": {"step": 5, "reason": "best"},
}
MANIFEST: dict[str, Any] = {
    "run_id": "20250601_120000",
    "created": "2025-06-01T12:00:00Z",
    "data_range": {"start": "2023-01-01", "end": "2025-01-31"},
    "selection": {"start": "2025-02-01", "end": "2025-03-31"},
    "models": {"UNIUSD_1Hour": _ENTRY},
}
INDEX: list[Any] = [_ENTRY]
_KEYS = ("file", "sha256", "timeframe", "data_range", "selection", "error", "history", "models", "checkpoint", "path")


@st.composite
def _documents(draw: st.DrawFn) -> bytes:
    document: Any = copy.deepcopy(draw(st.sampled_from([BARE, FULL, MANIFEST, INDEX, {"UNIUSD": {"error": "x"}}])))
    for _ in range(draw(st.integers(0, 3))):
        holder = document
        while isinstance(holder, dict | list) and holder:
            places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = draw(st.sampled_from(places))
            if draw(st.booleans()) or not isinstance(holder[key], dict | list):
                paths = st.sampled_from(["../x.pt", "/etc/passwd", "checkpoints/a.pt", *ODD_NAMES]).map(str)
                holder[key] = draw(values() | paths | st.sampled_from(_STEMS))
                if isinstance(holder, dict):
                    holder[draw(st.sampled_from((*_KEYS, *_STEMS)))] = draw(values())
                break
            holder = holder[key]
    text = json.dumps(document)
    if draw(st.booleans()):
        text = text.replace("0.8", draw(st.sampled_from(RAW)), 1)
    return text.encode("utf-8", "surrogatepass")


def members() -> st.SearchStrategy[list[tuple[str, bytes]]]:
    """Members of an archive, some of them with a part; often as they should be, but for one."""
    return _honest() | _any()


@st.composite
def _honest(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    prefix = draw(st.sampled_from(_PREFIXES))
    name, document = draw(
        st.sampled_from(
            [("manifest.json", MANIFEST), (_DOCUMENTS[0], FULL), (_DOCUMENTS[0], BARE), ("index.json", INDEX)]
        )
    )
    more = draw(st.just([]) | _any().map(lambda made: made[-1:]))
    return [
        (f"{prefix}{name}", json.dumps(document).encode()),
        (f"{prefix}models/UNIUSD_1Hour.pt", b"PKweights"),
        (f"{prefix}checkpoints/auto_best_5.pt", b"PK"),
        *more,
    ]


@st.composite
def _any(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    prefix = draw(st.sampled_from(_PREFIXES))
    made = [(prefix + draw(st.sampled_from(_DOCUMENTS[:6])), draw(_documents()))]
    more = st.tuples(st.builds(str.__add__, st.sampled_from(_PREFIXES), st.sampled_from(_DOCUMENTS)), _documents())
    made += draw(st.lists(more, max_size=2))
    for _ in range(draw(st.integers(1, 5))):
        under = draw(st.sampled_from([prefix, prefix, *_PREFIXES])) + draw(st.sampled_from(_MODELS))
        ending = draw(st.sampled_from([".pt", ".pt", ".pt", ".json", ".PT", ".pt:s", ".pt."]))
        made.append((under + draw(st.sampled_from(_STEMS)) + ending, draw(st.sampled_from([b"PKweights", b"PK", b""]))))
    if draw(st.booleans()):
        made.append((draw(st.sampled_from(ODD_NAMES)).decode("latin-1"), b"x"))
    return made


@st.composite
def layouts(draw: st.DrawFn) -> bytes:
    """Zips of members in any layout."""
    made = [Member(name.encode("utf-8", "surrogatepass"), content, DEFLATED) for name, content in draw(members())]
    flags = draw(st.sampled_from([0, 0x800, 0x800, 0x801]))
    return draw(blows(Zip(tuple(Member(m.name, m.content, m.method, flags) for m in made)).build()))


_TYPES = (
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.FIFOTYPE,
    tarfile.DIRTYPE,
    b"S",
    b"Z",
    b"g",
    b"L",
    b"x",
)


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    """Tars of members in any layout, plain or packed, after a few lies and blows."""
    out = io.BytesIO()
    form = draw(st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as archive:
        for name, content in draw(members()):
            if "\x00" in name or len(name) > 200:
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if draw(st.integers(0, 9)) == 0:
                info.type, info.linkname = draw(st.sampled_from(_TYPES)), "models"
            if draw(st.integers(0, 9)) == 0:
                key = draw(st.sampled_from(["path", "size", "linkpath", "GNU.sparse.major", "comment"]))
                info.pax_headers = {key: draw(st.sampled_from(["1", "99999999999", "models/rl_symbols/X.pt", "../x"]))}
            archive.addfile(info, io.BytesIO(content))
    raw = draw(blows(out.getvalue()))
    if draw(st.booleans()):
        return raw
    return draw(blows(gzip.compress(raw, mtime=0)))
