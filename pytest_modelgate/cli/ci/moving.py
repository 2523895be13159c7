"""Steps that bring files from where they are to where they are needed, and see that they are the right ones."""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
from hashlib import file_digest
from pathlib import Path
from typing import Any

from pytest_modelgate.errors import PromotionError, SettingsError
from pytest_modelgate.text import shown, terminal_safe

TRUSTED_EVENTS = ("push", "schedule", "workflow_dispatch", "release", "merge_group")
"""What only people with write access to the repository can start; ``gate.yml`` lets in the same."""

_RUN = re.compile(r"[0-9]{1,20}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
ARCHIVES = "archives"


def add_moving(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    """Declare the commands."""
    origin = commands.add_parser("origin", help="see that another run, whose artifact is wanted, can be trusted")
    origin.add_argument("run_id", metavar="RUN-ID", help="its number")
    origin.set_defaults(run=_origin)
    fetch = commands.add_parser("fetch", help="fetch the archive from ARCHIVE_URL")
    fetch.add_argument("--sha256", required=True, metavar="DIGEST", help="of the archive that is expected")
    fetch.add_argument("--to", type=Path, required=True, metavar="DIR", help="where it is put")
    fetch.set_defaults(run=_fetch)
    pack = commands.add_parser("pack", help="put what was promoted, and its archive, in one folder")
    pack.add_argument("promoted", type=Path, help="the folder given to modelgate promote")
    pack.add_argument("--archive", type=Path, required=True, metavar="X.zip", help="the archive")
    pack.add_argument("--to", type=Path, required=True, metavar="DIR", help="a folder that is not there yet")
    pack.set_defaults(run=_pack)
    keep = commands.add_parser("keep", help="keep an archive where models are judged again")
    keep.add_argument("archive", type=Path, help="the archive")
    keep.add_argument("--beside", type=Path, required=True, metavar="DIR", help="the folder the trader reads")
    keep.add_argument("--in", dest="folder", default="", metavar="DIR", help="where (default: archives, beside it)")
    keep.set_defaults(run=_keep)


def _origin(options: argparse.Namespace) -> int:
    """Refuse artifacts of runs that a fork, or a pull request, could have started."""
    from pytest_modelgate.adapters.download import ask_github

    remedy = "Name a run of this repository, of this branch or the default one, that no pull request started"
    if not _RUN.fullmatch(options.run_id):
        raise SettingsError("run-id", f"is {shown(options.run_id)}, expected the number of a run", remedy)
    run = ask_github(f"/actions/runs/{options.run_id}", os.environ)
    where = f"run {options.run_id}"
    head = (run.get("head_repository") or {}).get("full_name")
    if head != os.environ.get("GITHUB_REPOSITORY"):
        raise SettingsError(where, f"comes from {shown(head)}, not from this repository", remedy)
    if run.get("event") not in TRUSTED_EVENTS:
        raise SettingsError(where, f"was started by {shown(run.get('event'))}", remedy)
    branches = {os.environ.get("GITHUB_REF_NAME"), os.environ.get("DEFAULT_BRANCH")} - {None, ""}
    if run.get("head_branch") not in branches:
        raise SettingsError(where, f"is of the branch {shown(run.get('head_branch'))}", remedy)
    print(terminal_safe(f"{where}: {run['event']} on {run['head_branch']} at {run.get('head_sha')}"))
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from pytest_modelgate.adapters.download import fetch

    if not _DIGEST.fullmatch(options.sha256):
        problem = f"is {shown(options.sha256)}, expected 64 hexadecimal digits"
        raise SettingsError("archive-sha256", problem, "Give the sha256 of the archive")
    url = os.environ.get("ARCHIVE_URL", "")
    if not url:
        raise SettingsError("ARCHIVE_URL", "is empty", "Give the input archive-url, or the secret ARCHIVE_URL")
    path = fetch(url, options.sha256, options.to, os.environ.get("ARCHIVE_AUTHORIZATION", ""))
    print(terminal_safe(f"{path}: {path.stat().st_size} bytes, sha256 {options.sha256}"))
    return 0


def _pack(options: argparse.Namespace) -> int:
    """Copies of the models in force, what is said of them, and the archive; their digests go to the jobs after it."""
    from pytest_modelgate.adapters.github import set_outputs
    from pytest_modelgate.adapters.promotion import Target

    record = Target(options.promoted).record()
    if record is None:
        raise PromotionError(str(options.promoted), "holds no promotion.json", "Promote into it first")
    options.to.mkdir()
    for model in record.models:
        for name in model.files:
            shutil.copyfile((options.promoted / model.file).with_name(name), options.to / name)
    shutil.copyfile(options.promoted / "promotion.json", options.to / "promotion.json")
    keep(options.archive, options.to / ARCHIVES)
    files = sorted(path for path in options.to.rglob("*") if path.is_file())
    lines = "".join(f"{file_sha256(path)}  {path.as_posix()}\n" for path in files)
    set_outputs(os.environ, {"sha256": base64.b64encode(lines.encode()).decode()})
    return 0


def _keep(options: argparse.Namespace) -> int:
    folder = Path(options.folder) if options.folder else options.beside.resolve().parent / ARCHIVES
    print(terminal_safe(f"{keep(options.archive, folder)}: kept"))
    return 0


def keep(archive: Path, folder: Path) -> Path:
    """Keep an archive under its digest, since names may come again; one that is kept already stays as it is."""
    kept = folder / file_sha256(archive)[:16] / archive.name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{archive.name}.tmp")
        shutil.copyfile(archive, temporary)
        temporary.replace(kept)
    return kept


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
