"""Names inside an archive: which are refused, which play a part, and what they say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain, shown

MODELS_FOLDER = "models/rl_symbols"
_MAX_NAME, _MAX_PARTS = 1024, 32
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE)
_STAMP = r"(?P<stamp>[0-9]{8}_[0-9]{6})"
_SUMMARY = re.compile(rf"(?:(?P<top>[^/]+)/)?training_summary_{_STAMP}\.json")
_MODEL = re.compile(rf"(?:(?P<top>[^/]+)/)?{MODELS_FOLDER}/(?P<id>[^/]+)\.pt", re.IGNORECASE)
_ARCHIVE = re.compile(rf"(?:.*_)?{_STAMP}(?:\.zip)?", re.IGNORECASE | re.DOTALL)
_ZIP_AGAIN = "Zip the training run again with an ordinary tool, or use pytest_modelgate.write_archive"


@dataclass(frozen=True)
class Roles:
    """Members that play a part, by their part.

    Attributes:
        summary: the training summary.
        summary_stamp: the time stamp in its name, ``YYYYMMDD_HHMMSS``.
        checkpoints: members by symbol and timeframe.
    """

    summary: str
    summary_stamp: str
    checkpoints: Mapping[tuple[Instrument, Timeframe], str]


def check_names(names: Iterable[str], location: str) -> None:
    """Refuse names that another program could take for another file, or for a place outside the archive.

    Args:
        names: of all members; a folder's ends with a slash.
        location: the archive, for messages.

    Raises:
        ArchiveError: an absolute, climbing, reserved or malformed name, or two names for one file.
    """
    seen: dict[str, str] = {}
    files: set[str] = set()
    for name in names:
        if flaw := _flaw(name):
            raise ArchiveError(f"{location}, member {plain(name)}", f"its name {flaw}", _ZIP_AGAIN)
        key = _fold(name.removesuffix("/"))
        if key in seen:
            problem = f"{shown(seen[key])} and {shown(name)} are the same file on some systems"
            raise ArchiveError(location, problem, "Keep one of the two")
        seen[key] = name
        if not name.endswith("/"):
            files.add(key)
    for key, name in seen.items():
        parts = key.split("/")
        for length in range(1, len(parts)):
            if (parent := "/".join(parts[:length])) in files:
                problem = f"{shown(seen[parent])} is a file, but {shown(name)} lies in a folder of that name"
                raise ArchiveError(location, problem, _ZIP_AGAIN)


def _flaw(name: str) -> str:
    if len(name) > _MAX_NAME or name.count("/") > _MAX_PARTS:
        return f"is longer than {_MAX_NAME} characters or {_MAX_PARTS} folders"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        return "holds control characters"
    if "\\" in name:
        return "holds a backslash, expected forward slashes"
    if name.startswith("/"):
        return "is absolute, expected one relative to the archive"
    for part in name.removesuffix("/").split("/"):
        if part in ("", ".", ".."):
            return f"holds the part {part!r}, expected plain folder and file names"
        if ":" in part:
            return "holds a colon, which names a drive or a stream of another file on Windows"
        if part.endswith((".", " ")) or _RESERVED.fullmatch(part):
            return "is reserved on Windows"
    return ""


def _fold(name: str) -> str:
    """One spelling for all that case-blind or normalising file systems take for the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def is_clutter(name: str) -> bool:
    """Whether a member is one that macOS put there for itself."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def find_roles(names: Iterable[str], location: str) -> Roles:
    """Find the summary and the checkpoints, at the root or under one top folder.

    Raises:
        ArchiveError: not exactly one summary, several top folders, or a checkpoint whose name is no model's.
    """
    files = sorted(names)
    summaries = [match for name in files if (match := _SUMMARY.fullmatch(name))]
    if len(summaries) != 1:
        named = [match.string for match in summaries]
        alike = named or [name for name in files if "training_summary" in name.lower()]
        listed = " and ".join(shown(name) for name in alike[:3]) or "none"
        problem = f"found {listed}, expected exactly one training_summary_YYYYMMDD_HHMMSS.json"
        raise ArchiveError(location, problem, "Keep one, at the archive's root or in its one top folder")
    models = [match for name in files if (match := _MODEL.fullmatch(name))]
    tops = sorted({match["top"] for match in (*summaries, *models) if match["top"]})
    if len(tops) > 1:
        problem = f"summary and checkpoints lie under several top folders, {' and '.join(map(shown, tops[:3]))}"
        raise ArchiveError(location, problem, "Put one training run into one archive")
    checkpoints: dict[tuple[Instrument, Timeframe], str] = {}
    for match in models:
        member = f"{location}, member {plain(match.string)}"
        instrument, timeframe = parse_key(match["id"], member)
        if timeframe is None or not match.string.endswith(f"{MODELS_FOLDER}/{match['id']}.pt"):
            problem = f"is called {shown(match.string)}, expected {MODELS_FOLDER}/SYMBOL_TIMEFRAME.pt"
            raise ArchiveError(member, problem, "Rename it, for example to UNIUSD_1Hour.pt")
        if (instrument, timeframe) in checkpoints:
            problem = f"is a second checkpoint beside {shown(checkpoints[instrument, timeframe])}"
            raise ArchiveError(member, problem, "Keep one of the two")
        checkpoints[instrument, timeframe] = match.string
    return Roles(summaries[0].string, summaries[0]["stamp"], checkpoints)


def parse_key(key: str, location: str) -> tuple[Instrument, Timeframe | None]:
    """Read ``SYMBOL_TIMEFRAME``, or ``SYMBOL`` alone.

    Args:
        location: archive and member, for messages.

    Raises:
        ArchiveError: the symbol or the timeframe is not spelled as Alpaca does.
    """
    symbol, separator, timeframe = key.rpartition("_")
    if not separator:
        symbol = key
    try:
        instrument = Instrument.parse(symbol)
    except ArchiveError as error:
        raise ArchiveError(f"{location}, {plain(error.where)}", error.problem, error.remedy) from None
    if not separator:
        return instrument, None
    if timeframe not in list(Timeframe):
        problem = f"is {shown(timeframe)}, expected one of {', '.join(Timeframe)}"
        raise ArchiveError(f"{location}, timeframe of {symbol}", problem, "Name models like UNIUSD_1Hour")
    return instrument, Timeframe(timeframe)


def archive_stamp(name: str) -> str | None:
    """The time stamp at the end of a zip's or folder's name, ``YYYYMMDD_HHMMSS``; None when it bears none."""
    match = _ARCHIVE.fullmatch(name)
    return match["stamp"] if match else None


def parse_stamp(stamp: str, location: str) -> pd.Timestamp:
    """Moment (UTC) that ``YYYYMMDD_HHMMSS`` stands for.

    Raises:
        ArchiveError: there is no such moment between 1980 and 2107, the years a zip can tell.
    """
    try:
        moment = pd.to_datetime(stamp, format="%Y%m%d_%H%M%S", utc=True)
    except ValueError:
        moment = None
    if moment is None or not 1980 <= moment.year <= 2107:
        problem = f"its time stamp is {stamp}, expected a date and time as YYYYMMDD_HHMMSS in UTC"
        raise ArchiveError(location, problem, "Rename it to when training ended")
    return moment
