"""The package as an installer leaves it: in a folder that has nothing to do with the project."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from support import cheap_gate

from pytest_modelgate.services.scaffolding import repository

ROOT = Path(__file__).parents[2]


def install(folder: Path) -> Path:
    """Put the package, its suite and what ``modelgate init`` writes where a wheel puts them."""
    target = folder / "pytest_modelgate"
    shutil.copytree(ROOT / "pytest_modelgate", target, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "model_tests", target / "model_tests", ignore=shutil.ignore_patterns("__pycache__"))
    for name, path in repository().items():
        (target / "consumer" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / "consumer" / name)
    return folder


def using(site: Path, **further: str) -> dict[str, str]:
    """Environment of processes that import it from there."""
    return {"PYTHONPATH": os.pathsep.join([str(site), str(Path(cheap_gate.__file__).parents[1])]), **further}
