"""The suite in force: where it lies, and how it comes beside the project's own tests under the ids of the contract."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.adapters.files.shipped import shipped
from pytest_modelgate.plugin.collection import SUITE
from pytest_modelgate.plugin.state import FOREIGN, NAMED

if TYPE_CHECKING:  # the plan pulls in pandas, which a run without an archive must not pay for
    from pytest_modelgate.core.config.settings import Settings
    from pytest_modelgate.core.planning.plan import Plan

_CHAMPION, _PAPER = "test_champion.py", "test_paper.py"
_SELECTING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")  # pytest's own options


def shipped_folder() -> Path:
    """The suite that comes with the package."""
    return shipped(SUITE)


def suite_folder(config: pytest.Config) -> Path:
    """The user's ``model_tests/``, in the root folder or here, if there is one; else the one shipped with us.

    What lies in the archive's folder is no suite: it was written by whoever wrote the archive.
    """
    archive = config.getoption("model_archive")
    for own in (config.rootpath / SUITE, config.invocation_params.dir / SUITE):
        if own.is_dir() and not (archive and _lies_in(own, config.invocation_params.dir / archive)):
            return own
    return shipped_folder()


def use_suite(config: pytest.Config) -> None:
    """Add the suite to what the project collects; where tests are named, find it in ids of ours wherever it lies.

    Where the project's folders cover it, they lead to it: of two paths of which one covers the other, pytest 8 collects
    the inner one only. Alike in xdist's workers, which parse the same command line.
    """
    suite, here = suite_folder(config), config.invocation_params.dir
    config.stash[NAMED] = config.args_source is pytest.Config.ArgsSource.ARGS
    if config.stash[NAMED]:
        config.args[:] = [in_suite(argument, suite, here) for argument in config.args]
    elif not any(_lies_in(suite, here / argument) for argument in config.args):
        config.args.append(str(suite))


def runs_all(config: pytest.Config) -> bool:
    """Whether nothing is named or left out, as far as the command line and the configuration tell."""
    return not config.stash[NAMED] and not any(getattr(config.option, name, None) for name in _SELECTING)


def describe_suite(config: pytest.Config) -> str:
    """Where the suite comes from, and what runs beside it."""
    own = suite_folder(config) != shipped_folder()
    place = f"{SUITE}/ of the project, in place of the shipped one" if own else "shipped with pytest-modelgate"
    if config.stash[NAMED]:
        return f"suite {place}; of it, and of the project's own tests, only what is named is run"
    return f"suite {place}, beside the project's own tests"


def suite_digest(config: pytest.Config) -> str:
    """Digest of the suite's modules, whatever their line endings."""
    digest = hashlib.sha256()
    for path in sorted(suite_folder(config).glob("*.py")):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.name} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def in_suite(argument: str, suite: Path, here: Path) -> str:
    """An argument with ``model_tests/...`` for its path, however spelled, with the path at which that lies."""
    path, colons, names = argument.partition("::")
    parts = PurePosixPath(path if (here / path).exists() else path.replace("\\", "/")).parts
    elsewhere = (here / path).exists() and not _lies_in(here / path, shipped_folder())
    if SUITE not in parts or elsewhere:
        return argument
    inside = parts[len(parts) - parts[::-1].index(SUITE) :]
    return f"{suite.joinpath(*inside)}{colons}{names}"


def is_shipped(argument: str) -> bool:
    """Whether a test that is named is one of the shipped suite, which says nothing about where the project lies."""
    return _lies_in(Path(argument.partition("::")[0]), shipped_folder())


def make_module(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Give the suite the node ids of the contract, ``model_tests/test_....py``, wherever it lies."""
    if module_path.parent.resolve() != suite_folder(parent.config).resolve():  # pytest follows links in its arguments
        return None
    return SuiteModule.at(module_path, parent)


class SuiteModule(pytest.Module):
    """A module of the suite, even where the project has tests in a file of the same name or calls tests otherwise."""

    @classmethod
    def at(cls, path: Path, parent: pytest.Collector) -> SuiteModule:
        """One of the modules."""
        module: SuiteModule = cls.from_parent(parent, path=path, nodeid=f"{SUITE}/{path.name}")
        return module

    def funcnamefilter(self, name: str) -> bool:
        """Tests of the suite are called as everywhere, and as the project calls its own."""
        return name.startswith("test_") or bool(super().funcnamefilter(name))

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Import it under a name of its own, unless it belongs to a package."""
        option, folder = self.config.option, self.path.parent
        mode = option.importmode
        if not (folder / "__init__.py").exists():
            if mode == "prepend" and folder.resolve() != shipped_folder() and str(folder) not in sys.path:
                sys.path.insert(0, str(folder))  # as pytest does: helpers of the project's own copy are found
            option.importmode = "importlib"
        try:
            assert self.obj
        finally:
            option.importmode = mode
        return super().collect()


class ShippedFolder(pytest.Collector):
    """The shipped suite, or a folder outside of the project on the way to it.

    Pytest's own collector of folders would load each ``conftest.py`` above them, whoever's that is.
    """

    def collect(self) -> Iterable[pytest.Collector]:
        """The suite's modules, whatever names the project gives to files of tests; above it, the next folder."""
        suite, hook = shipped_folder(), self.session.gethookproxy(self.path)
        if self.path != suite:
            step = self.path / suite.relative_to(self.path).parts[0]
            return [ShippedFolder.at(step, self)]
        paths = sorted(suite.glob("test_*.py"))
        kept = [path for path in paths if not hook.pytest_ignore_collect(collection_path=path, config=self.config)]
        return [SuiteModule.at(path, self) for path in kept]

    @classmethod
    def at(cls, path: Path, parent: pytest.Collector) -> ShippedFolder:
        """One of the folders."""
        folder: ShippedFolder = cls.from_parent(parent, name=path.name, path=path, nodeid=SUITE)
        return folder


def make_folder(path: Path, parent: pytest.Collector) -> ShippedFolder | None:
    """The shipped suite, or a folder on the way to it in which no tests of the project lie."""
    config, suite = parent.config, shipped_folder()
    if path not in (suite, *suite.parents) or suite_folder(config) != suite or _lies_in(config.rootpath, path):
        return None
    return ShippedFolder.at(path, parent)


def leads_to_suite(path: Path, config: pytest.Config) -> bool:
    """Whether a folder, which pytest may pass over, leads to the shipped suite: an environment in the project."""
    suite = shipped_folder()
    return path in (suite, *suite.parents) and suite_folder(config) == suite and not config.stash[NAMED]


def is_needless(path: Path, config: pytest.Config, plan: Plan | None) -> bool:
    """Whether a file of the suite has nothing to compare with."""
    if path.name not in (_CHAMPION, _PAPER) or path.parent.resolve() != suite_folder(config).resolve():
        return False
    models = plan.models if plan else ()
    return not any(model.champion if path.name == _CHAMPION else model.watched for model in models)


def foreign_folders(config: pytest.Config, settings: Settings) -> tuple[Path, ...]:
    """Folders from which nothing is collected: archive, evidence, recordings, results."""
    written = (settings.output, settings.cassettes, *settings.evidence)
    root = config.rootpath.resolve()
    folders = [settings.archive.resolve(), *(path.resolve() for path in written)]
    return tuple(folder for place, folder in enumerate(folders) if place == 0 or not root.is_relative_to(folder))


def is_foreign(path: Path, config: pytest.Config) -> bool:
    """Whether a path lies in one of those folders."""
    found = path.resolve()
    if not any(found.is_relative_to(folder) for folder in config.stash[FOREIGN]):
        return False
    return not found.is_relative_to(suite_folder(config).resolve())


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
