"""Stand-ins for what a step's script calls: Python with the package installed, pip, venv, gh and git's remote."""

from __future__ import annotations

import re
import shutil
import stat
import sys
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

_HERE = Path(__file__).resolve()
_LOCAL = re.compile(r"\./(\S+\.whl) --hash=sha256:([0-9a-f]{64})")
_PINNED = re.compile(r"[\w.-]+==[^\s;]+(?: ; [^\\]+)? \\$")


def install(folder: Path, site: Path, wheel: Path) -> Path:
    """Put the stand-ins into a folder, for the front of PATH."""
    folder.mkdir(parents=True)
    launch = f"PYTHONPATH={site} exec {sys.executable}"
    tool = f"PYTHONPATH={_HERE.parents[1]} exec {sys.executable} -m support.workflow_tools"
    code = "from pytest_modelgate.cli.main import main; raise SystemExit(main())"
    _script(
        folder / "python", f'case "$1 $2" in "-m pip"|"-m venv") {tool} {folder} {wheel} "$@";; esac\n{launch} "$@"'
    )
    _script(folder / "modelgate", f'{launch} -c "{code}" "$@"')
    _script(folder / "gh", f'{tool} {folder} {wheel} gh "$@"')
    return folder


def main(folder: Path, wheel: Path, words: list[str]) -> int:
    """Do what the tool would do, or refuse what it would refuse."""
    if words[:2] == ["-m", "venv"]:
        bin_folder = Path(words[2]) / "bin"
        bin_folder.mkdir(parents=True)
        for name in ("python", "modelgate"):
            shutil.copy(folder / name, bin_folder)
        return 0
    if words[:3] == ["-m", "pip", "download"]:
        target = Path(words[words.index("--dest") + 1])
        target.mkdir(exist_ok=True)
        shutil.copy(wheel, target)
        return 0
    if words[:3] == ["-m", "pip", "install"]:
        return _pip_install(words[3:])
    if words[:3] == ["gh", "attestation", "verify"]:
        from support.workflow_actions import verify_attestation

        return 0 if verify_attestation(words) else 1
    if words[0] == "gh":  # auth setup-git and pr create: whoever plays the step looks at what it pushed
        with Path(folder, "gh.log").open("a") as log:
            log.write(f"{' '.join(words)}\n")
        return 0
    return 1


def _pip_install(words: list[str]) -> int:
    """Refuse what pip refuses under --require-hashes: a line without a hash, a wheel that is another one."""
    files = [Path(value) for option, value in pairwise(words) if option == "--requirement"]
    for file in files:
        for line in file.read_text().splitlines():
            if "--require-hashes" not in words or not line or line[0] in "# ":
                continue
            local = _LOCAL.fullmatch(line)
            if local:
                if sha256(Path(local[1]).read_bytes()).hexdigest() != local[2]:
                    return _refuse(f"{file}: the hash of {local[1]} differs")
            elif not _PINNED.fullmatch(line):
                return _refuse(f"{file}: {line} is not pinned with a hash")
    return 0


def _refuse(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 1


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
