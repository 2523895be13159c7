"""Which members of an archive describe a training run, and which are its checkpoints: the layouts trainers write.

However many folders lead to them: what counts is how they lie to each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pytest_modelgate.adapters.archive.names import (
    MODELS_FOLDER,
    STAMP,
    SUFFIXES,
    archive_stamp,
    bare_name,
    listed,
    stamp_within,
    without_suffix,
)
from pytest_modelgate.adapters.files.file_kinds import why_no_checkpoint
from pytest_modelgate.errors import ArchiveError
from pytest_modelgate.text import plain, shown

_FOLDER = r"(?P<folder>(?:[^/]+/)*)"
_MODEL = re.compile(_FOLDER + r"models/(?:rl_symbols/)?[^/]+", re.IGNORECASE)
_FOLDERS = re.compile(r"(^|/)models/")
_ONE_RUN = "Put one training run into one archive"


class Kind(StrEnum):
    """Layouts, the first that fits being read; named by the file that describes the run."""

    SUMMARY = "training_summary_YYYYMMDD_HHMMSS.json"
    MANIFEST = "manifest.json"
    ASSESSMENTS = "model_assessments.json"
    INDEX = "index.json"


_PATTERNS = {
    Kind.SUMMARY: re.compile(_FOLDER + rf"training_summary_{STAMP}\.json"),
    Kind.MANIFEST: re.compile(_FOLDER + r"manifest\.json"),
    Kind.ASSESSMENTS: re.compile(_FOLDER + r"model_assessments\.json"),
    Kind.INDEX: re.compile(_FOLDER + r"index\.json"),
}


@dataclass(frozen=True)
class Roles:
    """Members that play a part, by their part.

    Attributes:
        kind: the layout.
        main: the member that lists the models.
        beside: a member that says more of the run: the manifest beside a summary, ``summary.json`` beside assessments;
            None when there is none.
        folder: that ``main`` lies in, with a slash at its end; empty for the archive's root.
        stamp: a time stamp ``YYYYMMDD_HHMMSS`` in the name of ``main`` or of its folder; None when there is none.
        checkpoints: members by their file names without their ending, as far as these could be models'.
        rivals: of names that several files bear, and no ``.pt``: all of them.
        strays: sentences about checkpoints and descriptions that are passed over.
        suffixes: endings of model files.
    """

    kind: Kind
    main: str
    beside: str | None
    folder: str
    stamp: str | None
    checkpoints: Mapping[str, str]
    rivals: Mapping[str, tuple[str, ...]]
    strays: tuple[str, ...]
    suffixes: tuple[str, ...]

    def stem(self, name: str) -> str:
        """A member's file name without the ending of a model file."""
        return without_suffix(name.rpartition("/")[2], self.suffixes)


def find_roles(names: Iterable[str], archive: str, location: str, suffixes: tuple[str, ...] = SUFFIXES) -> Roles:
    """Find what describes the run, and the checkpoints that lie where it says they do.

    Args:
        names: of all files that can be read.
        archive: file or folder name of the archive: its time stamp or run id tells the right one of several runs.
        location: the archive, for messages.
        suffixes: endings of model files; of several files of one name the ``.pt`` is the model.

    Raises:
        ArchiveError: nothing describes a run, several do and nothing tells which is meant, or the checkpoints lie in
            several places, none of which is beside what describes them.
    """
    files = sorted(names)
    every = {kind: [match for name in files if (match := _PATTERNS[kind].fullmatch(name))] for kind in Kind}
    kind = next((kind for kind, found in every.items() if found), None)
    if kind is None:
        if what := why_no_checkpoint([name for name in files if "/" not in name]):
            problem = f"{what[0]}, expected the archive of a training run"
            raise ArchiveError(location, problem, f"{what[1]}; then pytest_modelgate.write_archive packs it")
        raise ArchiveError(location, f"found {_alike(files)}, expected {_EXPECTED}", _PACK)
    found = every[kind]
    chosen = found[0] if len(found) == 1 else _choose(found, archive, location)
    folder, main = chosen["folder"], chosen.string
    companion = {Kind.SUMMARY: "manifest.json", Kind.ASSESSMENTS: "summary.json"}.get(kind)
    beside = f"{folder}{companion}" if companion and f"{folder}{companion}" in set(files) else None
    inside, strays = _checkpoints(files, folder, kind, location, suffixes)
    checkpoints, rivals, passed = _by_name(inside, suffixes)
    strays += passed
    others = [match.string for match in found if match is not chosen]
    if others:
        strays = (f"{listed(others)} is about another run, and is not read" if len(others) == 1 else
                  f"{listed(others)} are about other runs, and are not read", *strays)  # fmt: skip
    return Roles(kind, main, beside, folder, _stamp_of(chosen), checkpoints, rivals, strays, suffixes)


_EXPECTED = f"one {Kind.SUMMARY}, {Kind.MANIFEST}, {Kind.ASSESSMENTS} or {Kind.INDEX}"
_PACK = "Pack the summary that the trainer wrote with its models, or use pytest_modelgate.write_archive"


def _alike(files: list[str]) -> str:
    """Names that come near a summary's, for whoever has misspelled it."""
    near = [name for name in files if "training_summary" in name.lower()]
    return listed(near) if near else "no training summary"


def _stamp_of(match: re.Match[str]) -> str | None:
    if stamp := match.groupdict().get("stamp"):
        return stamp
    return stamp_within(match["folder"].removesuffix("/").rpartition("/")[2])


def _choose(found: list[re.Match[str]], archive: str, location: str) -> re.Match[str]:
    """The one of several runs that the archive is named by."""
    bare, stamp = bare_name(archive), archive_stamp(archive) or stamp_within(bare_name(archive))
    runs = [(match, match["folder"].removesuffix("/").rpartition("/")[2]) for match in found]
    meant = [match for match, run in runs if run and (bare == run or bare.endswith(f"_{run}"))]
    meant = meant or [match for match in found if stamp and _stamp_of(match) == stamp]
    if len(meant) == 1:
        return meant[0]
    told = f"{len(meant)} of them are of the time in the archive's name" if meant else "its name fits none of them"
    every = listed((match.string for match in found), most=8)
    problem = f"found {every}, expected one, or one that the archive is named by, but {told}"
    raise ArchiveError(location, problem, "Keep one, or end the archive's name in its YYYYMMDD_HHMMSS or run id")


def _checkpoints(
    files: list[str], folder: str, kind: Kind, location: str, suffixes: tuple[str, ...]
) -> tuple[list[str], tuple[str, ...]]:
    """Checkpoints of this run, sorted, and sentences about those that are none of it."""
    alike = [name for name in files if name.lower().endswith(suffixes) and _MODEL.fullmatch(name)]
    known = [name for name in alike if name.endswith(suffixes)]
    roots = {match["folder"] for name in known if (match := _MODEL.fullmatch(name)) and _FOLDERS.search(name)}
    root = _root(roots, folder, kind, location)
    if root is None:
        return [], (f"{listed(alike)} not judged: expected in {MODELS_FOLDER}/",) if alike else ()
    place = f"{root}{MODELS_FOLDER}/"
    if not any(_lies_in(name, place) for name in known):
        place = f"{root}models/"
    inside = [name for name in alike if _lies_in(name, place)]
    odd = [name for name in inside if not name.endswith(suffixes)]
    elsewhere = [name for name in alike if name not in inside]
    endings = {name.lower()[name.rfind(".") :] for name in odd}
    strays = [f"{listed(odd)} not judged: expected the ending {' or '.join(sorted(endings))}"] if odd else []
    strays += [f"{listed(elsewhere)} not judged: not in {plain(place)}"] if elsewhere else []
    return [name for name in inside if name.endswith(suffixes)], tuple(strays)


def _lies_in(name: str, place: str) -> bool:
    rest = name.removeprefix(place)
    return rest != name and "/" not in rest


def _by_name(
    inside: Iterable[str], suffixes: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Checkpoints by their names without ending, names that several bear, and sentences about what gives way to a .pt.

    Trainers export their checkpoints to other formats, and lay these beside; what is promoted is what was judged.
    """
    named: dict[str, list[str]] = {}
    for name in inside:
        named.setdefault(without_suffix(name.rpartition("/")[2], suffixes), []).append(name)
    found, rivals, exported = {}, {}, []
    for stem, members in named.items():
        own = next((name for name in members if name.endswith(".pt")), None)
        found[stem] = own or members[0]
        if own:
            exported += [name for name in members if name != own]
        elif len(members) > 1:
            rivals[stem] = tuple(members)
    strays = (f"{listed(exported)} not judged: the .pt of that name beside it is the model",) if exported else ()
    return found, rivals, strays


def _root(roots: set[str], folder: str, kind: Kind, location: str) -> str | None:
    """The folder above ``models`` that belongs to a description: its own, else the nearest to the top on its way."""
    if folder in roots or not roots:
        return folder if roots else None
    related = [root for root in roots if root.startswith(folder) or folder.startswith(root)]
    related.sort(key=lambda root: (root.count("/"), root))
    if related and (len(related) == 1 or related[0].count("/") < related[1].count("/")):
        return related[0]
    if not related and kind is not Kind.SUMMARY:
        return None
    where = listed(related or sorted(roots))
    problem = f"checkpoints lie under {where}, and what describes them under {shown(folder) if folder else 'the root'}"
    raise ArchiveError(location, problem, _ONE_RUN)
