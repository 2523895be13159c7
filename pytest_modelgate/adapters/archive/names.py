"""Names inside an archive: which are refused, which are passed over, and what those of models and runs say."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain, shown

MODELS_FOLDER = "models/rl_symbols"
SUFFIXES = (".pt", ".zip", ".onnx", ".safetensors", ".pth")  # of model files: those of the built-in formats, see a test
_MAX_NAME, _MAX_PARTS = 1024, 32
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
STAMP = r"(?P<stamp>[0-9]{8}_[0-9]{6})"
_ENDING = re.compile(r"\.(zip|tar|tar\.gz|tgz)$", re.IGNORECASE)
_ARCHIVE = re.compile(rf"(?:.*_)?{STAMP}", re.DOTALL)
_WITHIN = re.compile(rf"(?<![0-9]){STAMP}(?![0-9])")
# Of folded names: what a model or a summary lies under, and what else describes a run.
_PART = re.compile(
    r"(.*/)?(training_summary[^/]*\.json|models(/rl_symbols)?"
    r"|models/(rl_symbols/)?[^/]+\.(pt|pth|zip|onnx|safetensors|pkl|json))"
)
_DOCUMENT = re.compile(r"(.*/)?(manifest|index|summary|model_assessments)\.json")
_PACK_AGAIN = "Pack the training run again with an ordinary tool, or use pytest_modelgate.write_archive"


@dataclass(frozen=True)
class Member:
    """What an archive lists.

    Attributes:
        name: as the archive spells it; a folder's ends with a slash.
        size: bytes, unpacked.
        flaw: why its content cannot be read, as the end of a sentence; empty when it can.
    """

    name: str
    size: int
    flaw: str = ""


@dataclass(frozen=True)
class Sound:
    """Members that can be read under names that mean the same everywhere.

    Attributes:
        sizes: bytes by name; no folders, and nothing that macOS put there for itself.
        odd: names of the others that are passed over.
    """

    sizes: Mapping[str, int]
    odd: tuple[str, ...]


def sound_members(members: Iterable[Member], location: str) -> Sound:
    """Take what can be read, and pass over what cannot, unless it might be taken for a model or for what describes one.

    Args:
        members: all, folders included.
        location: the archive, for messages.

    Raises:
        ArchiveError: a name that leads outside of the archive; one that some program would take for a model's or a
            summary's, though it is odd or cannot be read; or two names for one of these.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    sizes: dict[str, int] = {}
    odd: list[str] = []
    for member in members:
        if flaw := _way_out(member.name):
            raise ArchiveError(f"{location}, member {plain(member.name)}", f"its name {flaw}", _PACK_AGAIN)
        if is_clutter(member.name):
            continue
        key, flaw, folder = _taken_for(member.name), _flaw(member.name), member.name.endswith("/")
        alike[key].append(member.name)
        if not (flaw or member.flaw):
            sizes |= {} if folder else {member.name: member.size}
        elif _PART.fullmatch(key) and not (folder and member.flaw == ""):
            problem, remedy = (f"its name {flaw}", _PACK_AGAIN) if flaw else (member.flaw, _IN_PLACE)
            raise ArchiveError(f"{location}, member {plain(member.name)}", problem, remedy)
        else:
            odd.append(member.name)
    twice = _check_alike(alike, location)
    return Sound({name: size for name, size in sizes.items() if name not in twice}, (*odd, *sorted(twice)))


_IN_PLACE = "Put the file itself in its place, packed and unencrypted as ordinary tools do"


def _check_alike(alike: Mapping[str, list[str]], location: str) -> set[str]:
    """Names that share a place with another, or lie in what is a file; refused where that place has a meaning."""
    files = {key: names[0] for key, names in alike.items() if any(not name.endswith("/") for name in names)}
    twice: set[str] = set()
    for key, names in alike.items():
        if key in files and len(names) > 1:
            if _means_something(key):
                problem = f"{shown(names[0])} and {shown(names[1])} are the same file on some systems"
                raise ArchiveError(location, problem, "Keep one of the two")
            twice.update(names)
        at = key.find("/")
        while at >= 0:
            if (parent := key[:at]) in files:
                if _means_something(key) or _means_something(parent):
                    problem = f"{shown(files[parent])} is a file, but {shown(names[0])} lies in a folder of that name"
                    raise ArchiveError(location, problem, _PACK_AGAIN)
                twice.update((files[parent], *names))
            at = key.find("/", at + 1)
    return twice


def _means_something(key: str) -> bool:
    return bool(_PART.fullmatch(key) or _DOCUMENT.fullmatch(key))


def _way_out(name: str) -> str:
    """What leads outside of the archive, in a name as any system reads it; empty when nothing does."""
    slashed = name.replace("\\", "/")
    if slashed.startswith("/") or _DRIVE.match(slashed):
        return "is absolute, expected one relative to the archive"
    if any(part.rstrip(" ") == ".." for part in slashed.split("/")):
        return "holds the part '..', expected plain folder and file names"
    return ""


def _flaw(name: str) -> str:
    if len(name) > _MAX_NAME or name.count("/") > _MAX_PARTS:
        return f"is longer than {_MAX_NAME} characters or {_MAX_PARTS} folders"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        return "holds control characters"
    if "\\" in name:
        return "holds a backslash, expected forward slashes"
    for part in name.removesuffix("/").split("/"):
        if part in ("", "."):
            return f"holds the part {part!r}, expected plain folder and file names"
        if ":" in part:
            return "holds a colon, which names a drive or a stream of another file on Windows"
        if part.endswith((".", " ")) or _RESERVED.fullmatch(part):
            return "is reserved on Windows"
    return ""


def _taken_for(name: str) -> str:
    """One spelling for all that some program takes for the same place.

    Programs end a name at its first NUL, leave out control characters and dots, take backslashes for slashes; Windows
    cuts a stream, dots and blanks at a part's end, and does not tell large letters from small.
    """
    shortened = name.partition("\0")[0].replace("\\", "/")
    legible = "".join(letter for letter in shortened if unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp"))
    parts = (part.partition(":")[0].rstrip(". ") for part in legible.split("/"))
    return _fold("/".join(part for part in parts if part))


def _fold(name: str) -> str:
    """One spelling for all that case-blind or normalising file systems take for the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def is_clutter(name: str) -> bool:
    """Whether a member is one that macOS put there for itself."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def listed(names: Iterable[str], most: int = 3) -> str:
    """A few names for a message, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(shown(name, 90) for name in every[:most]) + more


def without_suffix(name: str, suffixes: Iterable[str]) -> str:
    """A model's file name without its ending."""
    return next((name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)), name)


def parse_key(key: str, location: str) -> tuple[Instrument, Timeframe | None]:
    """Read ``SYMBOL_TIMEFRAME``, or ``SYMBOL`` alone.

    Args:
        location: archive and member, for messages.

    Raises:
        ArchiveError: the symbol or the timeframe is not spelled as Alpaca does.
    """
    symbol, separator, timeframe = key.rpartition("_")
    instrument = parse_symbol(symbol if separator else key, location)
    if not separator:
        return instrument, None
    if timeframe not in list(Timeframe):
        problem = f"is {shown(timeframe)}, expected one of {', '.join(Timeframe)}"
        raise ArchiveError(f"{location}, timeframe of {symbol}", problem, "Name models like UNIUSD_1Hour")
    return instrument, Timeframe(timeframe)


def parse_symbol(symbol: str, location: str) -> Instrument:
    """Read a symbol.

    Raises:
        ArchiveError: it is not spelled as Alpaca does.
    """
    try:
        return Instrument.parse(symbol)
    except ArchiveError as error:
        raise ArchiveError(f"{location}, {plain(error.where)}", error.problem, error.remedy) from None


def bare_name(name: str) -> str:
    """A file's name without what says that it is an archive."""
    return _ENDING.sub("", name)


def archive_stamp(name: str) -> str | None:
    """The time stamp at the end of an archive's or folder's name, ``YYYYMMDD_HHMMSS``; None when it bears none."""
    match = _ARCHIVE.fullmatch(bare_name(name))
    return match["stamp"] if match else None


def stamp_within(name: str) -> str | None:
    """The one time stamp anywhere in the name of a run; None when it bears none, or several."""
    found = {match["stamp"] for match in _WITHIN.finditer(name)}
    return found.pop() if len(found) == 1 else None


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
