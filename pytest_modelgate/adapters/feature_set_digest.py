"""Versions of registered feature sets: their code, what it is bound to, and whatever it imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import io
import os
import pickle
import sys
import warnings
from functools import cache, partial
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from pytest_modelgate.core.features.feature_set import CodeSource, FeatureSet

_KNOWN = {"pytest_modelgate", *sys.stdlib_module_names}  # by versions of their own, or of Python
_DYNAMIC = {"__import__", "eval", "exec", "import_module"}


class UnfollowedCodeError(Exception):
    """Nothing vouches for a feature set's code: it may be another one the next time."""


def feature_set_version(feature_set: FeatureSet) -> str:
    """Digest of a feature set: its declaration, its code and all values that it is bound to, and what that imports.

    Functions and classes are found behind decorators, partials, closures, defaults and attributes, however deep. Their
    imports are followed through the project; of installed packages the version counts. Files that the code reads by
    itself are not looked at: whoever changes those names the feature set anew.

    Raises:
        UnfollowedCodeError: some of it cannot be followed.
    """
    code = _Code(_homes(feature_set.compute))
    try:
        code.dump((feature_set.columns, feature_set.warmup, feature_set.compute))
        files = _project_files(code.modules, code.homes)
    except Exception as error:  # whatever a stranger's objects and files raise
        raise UnfollowedCodeError(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
    digest = hashlib.sha256(code.written.getvalue())
    for name, content in sorted(files.items()):
        digest.update(b"\0" + name.encode() + b"\0" + content)
    return digest.hexdigest()


def code_source(feature_set: FeatureSet, root: Path) -> CodeSource:
    """The file that a feature set comes from, and the project's modules that it imports, as far as one can follow.

    Args:
        root: folder that the file's place is told from; of what is installed, the place in its environment is told.
    """
    code, compute = _Code(_homes(feature_set.compute)), inspect.unwrap(_function(feature_set.compute))
    module = compute.__module__
    path = Path(inspect.getsourcefile(compute) or module)
    try:
        code.dump(feature_set.compute)
        followed = _project_files(code.modules, code.homes)
        files = {name: text for name, text in followed.items() if _top(name) in code.homes or not _release_known(name)}
    except Exception:  # noqa: BLE001 - whatever a stranger's objects and files raise; evidence is marked elsewhere
        files = {}
    files.setdefault(module, path.read_bytes().replace(b"\r\n", b"\n") if path.is_file() else b"")
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(b"\0" + name.encode() + b"\0" + content)
    return CodeSource(_place(path, root), digest.hexdigest(), tuple(sorted(files.keys() - {module})))


def _release_known(module: str) -> bool:
    """Whether a module is installed by a package, whose release stands for its code."""
    return _top(module) in _distributions()


def _function(compute: object) -> Any:  # noqa: ANN401 - a function, or the class of what is called
    """What names the module of a computation."""
    if isinstance(compute, partial):
        return _function(compute.func)
    if isinstance(compute, MethodType):
        return compute.__func__
    return compute if isinstance(compute, FunctionType | type) else type(compute)


def _place(path: Path, root: Path) -> str:
    parts = path.parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts:
            return "/".join(parts[parts.index(folder) :])
    return Path(os.path.relpath(path, root)).as_posix() if path.anchor == root.anchor else path.as_posix()


def _homes(compute: object) -> frozenset[str]:
    """Packages of a computation's own code, which is read even where it is installed."""
    if isinstance(compute, partial):
        return _homes(compute.func)
    if isinstance(compute, MethodType):
        return _homes(compute.__func__) | _homes(compute.__self__)
    if isinstance(compute, FunctionType):
        wrapped = _homes(compute.__wrapped__) if hasattr(compute, "__wrapped__") else frozenset()
        return wrapped | {_top(compute.__globals__["__name__"])} - _KNOWN
    classes = (compute if isinstance(compute, type) else type(compute)).__mro__
    return frozenset(_top(base.__module__) for base in classes) - _KNOWN


class _Code(pickle.Pickler):
    """Writes values down with whatever is reached from them, and notes the modules of all functions and classes.

    Attributes:
        homes: packages whose code is read even where it is installed.
        written: the bytes so far.
        modules: by name, with their files; None where Python itself has none.
    """

    def __init__(self, homes: frozenset[str]) -> None:
        self.homes, self.written = homes, io.BytesIO()
        self.modules: dict[str, str | None] = {}
        super().__init__(self.written, protocol=5)

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - a reduction, or NotImplemented
        """Reduce what pickle would write by its name alone."""
        if isinstance(value, FunctionType):
            # functools.wraps lends a wrapper the name of what it wraps: globals and code are its own
            module, file = value.__globals__["__name__"], value.__code__.co_filename
            self._note(module, file)
            if _top(module) in _KNOWN or (_lies_in_installed(file) and _top(module) not in self.homes):
                return str, (f"{module}.{value.__code__.co_qualname}",)
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return str, (value.__code__.co_qualname, value.__defaults__, value.__kwdefaults__, cells, vars(value))
        if isinstance(value, type) and value.__module__ != "builtins":
            for base in value.__mro__:
                self._note(base.__module__, getattr(sys.modules[base.__module__], "__file__", None))
            return str, (f"{value.__module__}.{value.__qualname__}",)
        if isinstance(value, ModuleType):
            self._note(value.__name__, getattr(value, "__file__", None))
            return str, (value.__name__,)
        if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType | None):
            self._note(value.__module__ or "builtins", None)
        return NotImplemented

    def _note(self, module: str, file: str | None) -> None:
        self.modules[module] = file


def _project_files(modules: dict[str, str | None], homes: frozenset[str]) -> dict[str, bytes]:
    """Contents of the files of modules and of all project files they import by name; releases of installed packages.

    A package belongs to the project where it is not installed, or is one of the homes.

    Raises:
        ImportError: imports cannot be followed, or an installed package has no release.
    """
    files: dict[str, bytes] = {}
    own = {name: file for name, file in modules.items() if _top(name) not in _KNOWN}
    installed = {
        name for name, file in own.items() if file is None or (_lies_in_installed(file) and _top(name) not in homes)
    }
    files |= {_top(name): _release(_top(name)) for name in installed}
    todo = [(name, Path(file)) for name, file in own.items() if file and name not in installed]
    seen = {name for name, _ in todo}
    packages = {name for name, path in todo if path.name == "__init__.py"}
    while todo:
        name, path = todo.pop()
        files[name] = path.read_bytes().replace(b"\r\n", b"\n")
        if path.suffix != ".py":
            continue  # an extension: its bytes have to do
        for imported in sorted(_imports(files[name], _package_of(name, path)) - seen):
            seen.add(imported)
            parent = imported.rpartition(".")[0]
            if _top(imported) in _KNOWN or (parent and parent not in packages):
                continue  # the latter is a name in a module, or in an installed package
            spec = _find(imported)
            if spec and _top(imported) not in homes and _is_installed(spec):
                files[imported] = _release(_top(imported))
            elif spec:
                packages |= {imported} if spec.submodule_search_locations is not None else set()
                todo += [(imported, Path(spec.origin))] if spec.origin and spec.has_location else []
    return files


def _find(module: str) -> ModuleSpec | None:
    """Where a module is; None where there is none: a name in a module, or an import that is never made."""
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None


def _top(module: str) -> str:
    return module.partition(".")[0]


def _package_of(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


@cache
def _imports(source: bytes, package: str) -> frozenset[str]:
    """Modules that a file may import, with the packages they are in; names imported from modules are among them.

    Raises:
        ImportError: it imports what its text does not tell.
    """
    modules: set[str] = set()
    with warnings.catch_warnings(action="ignore"):
        tree = ast.parse(source)
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        if _DYNAMIC & {
            getattr(node, "id", ""),
            getattr(node, "attr", ""),
            *(name.rpartition(".")[2] for name in names),
        }:
            raise ImportError(f"line {getattr(node, 'lineno', 0)} imports or runs what its text does not tell")
        for name in names:
            parts = name.split(".")
            modules |= {".".join(parts[: count + 1]) for count in range(len(parts))}
    return frozenset(modules)


def _release(package: str) -> bytes:
    """Releases of the distributions that install a package.

    Raises:
        ImportError: nothing tells.
    """
    distributions = _distributions().get(package)
    if not distributions:
        raise ImportError(f"{package} is installed, but by no package that bears a version")
    return " ".join(f"{name} {version(name)}" for name in sorted(set(distributions))).encode()


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def _is_installed(spec: ModuleSpec) -> bool:
    return any(_lies_in_installed(folder) for folder in [spec.origin or "", *(spec.submodule_search_locations or ())])


def _lies_in_installed(place: str) -> bool:
    return bool({"dist-packages", "site-packages"} & set(Path(place).parts))
