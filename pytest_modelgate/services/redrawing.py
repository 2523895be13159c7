"""A report written again: the run that decides from a verdict's evidence alone, and whether it says the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.core.config.options import OPTIONS
from pytest_modelgate.errors import PromotionError
from pytest_modelgate.text import plain

_TERMS = ("archive", "profile", "waivers", "market_data", "trials", "models", "complete", "promotable")
_FILES = {
    "ledger": "the ledger",
    "champion": "what was deployed",
    "paper": "what an account traded",
    "waivers": "the waivers' file",
}


def repeated_options(verdict: Verdict, own: Mapping[str, str]) -> list[str]:
    """Options of a run on a verdict's terms.

    Args:
        own: values by setting that go before what the verdict tells, such as the file of a profile.
    """
    told = {name: value for name, value in verdict.settings.items() if name not in _FILES}
    values: dict[str, Any] = {**told, "profile": verdict.profile.name, **own}
    words = []
    for option in OPTIONS:
        value = values.get(option.setting)
        if value is not None:
            words.append(f"{option.name}={value.lower() if option.setting == 'require' else value}")
    packages: Any = told.get("trainer_packages") or []
    return [*words, *(f"--gate-trainer-package={package}" for package in packages)]


def check_same(location: str, verdict: Verdict, again: Verdict, asked: Mapping[str, str]) -> None:
    """Refuse a page that would say another thing than the verdict.

    Args:
        asked: as ``own`` of ``repeated_options``.

    Raises:
        PromotionError: they differ; the message says in what, and what the run probably lacked.
    """
    old, new = verdict.model_dump(mode="json"), again.model_dump(mode="json")
    differing = [name for name in _TERMS if old[name] != new[name]]
    if not differing:
        return
    lacking = [
        f"{words} (--{name})"
        for name, words in _FILES.items()
        if verdict.settings.get(name) is not None and name not in asked
    ]
    version, here = verdict.settings["version"], again.settings["version"]
    if version != here:
        remedy = f"Evidence of another version is not read: install pytest-modelgate=={plain(str(version), 20)}"
    elif lacking:
        remedy = f"Name {' and '.join(lacking)} as of then"
    else:
        remedy = "Call it where the gate was called, with the same archive, cassettes and conftest.py"
    missing = "" if again.complete is True else f" ({plain(again.complete, 200)})"
    problem = f"its evidence does not lead to it again: {', '.join(differing)} would differ{missing}"
    raise PromotionError(location, problem, remedy)


def archive_of(verdict: Verdict, path: Path) -> Path:
    """The judged archive, where nobody says where it lies: beside the folder of results, in it, or here.

    Raises:
        PromotionError: none of that name is there.
    """
    name = Path(verdict.archive.name).name
    for folder in (Path(), path.parent.parent, path.parent):
        if name and (folder / name).exists():
            return folder / name
    problem = f"the archive it is about, {plain(name, 80)}, does not lie here, nor beside the verdict"
    raise PromotionError(f"verdict {path}", problem, "Name it with --archive")
