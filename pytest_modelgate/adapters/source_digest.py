"""Versions of the code that evaluates: evidence gained by other code is not used again."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import pickle
import secrets
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pytest_modelgate.core.features.feature_set import FeatureSet

# Code that evidence depends on. Not in it: what fetches, writes, decides or reports; where a policy is evaluated, since
# actions are the same everywhere; text and errors, since they speak of failures, which are not used again; the store
# and the key, which have a schema and contents of their own. A test holds the list against the imports.
EVIDENCE = (
    "adapters/alpaca/client.py",
    "adapters/archive/__init__.py",
    "adapters/archive/folder_source.py",
    "adapters/archive/limits.py",
    "adapters/archive/names.py",
    "adapters/archive/reader.py",
    "adapters/archive/schema.py",
    "adapters/archive/strict_json.py",
    "adapters/archive/summary.py",
    "adapters/archive/zip_source.py",
    "adapters/cassettes",
    "adapters/checkpoint",
    "adapters/exchange_calendar.py",
    "adapters/files/zip_layout.py",
    "adapters/files/zip_records.py",
    "adapters/gpu/torch_device.py",
    "core/backtest",
    "core/config/profiles.py",
    "core/config/settings.py",
    "core/evidence/records.py",
    "core/features",
    "core/integrity",
    "core/market",
    "core/planning/plan.py",
    "core/policy",
    "core/statistics/bootstrap.py",
    "core/statistics/paired_comparison.py",
    "core/statistics/timing.py",
    "core/training/run.py",
    "core/typing.py",
    "services/champions.py",
    "services/evaluator.py",
    "services/market_data.py",
    "services/model_loader.py",
)
_LIBRARIES = ("exchange-calendars", "numpy", "pandas")  # whose releases can change figures; torch's cannot
_PACKAGE = Path(__file__).parents[1]
_KNOWN = {_PACKAGE.name, *sys.stdlib_module_names}  # by versions of their own, or of Python
_DYNAMIC = {"__import__", "eval", "exec", "import_module"}


@cache
def evidence_version(root: Path = _PACKAGE) -> str:
    """Digest of all files that evidence depends on, and of the versions of libraries that can change figures.

    Args:
        root: the package.
    """
    parts = [root / part for part in EVIDENCE]
    files = [path for part in parts for path in ([part] if part.suffix else part.rglob("*.py"))]
    return _digest(root, files, [f"{name} {version(name)}" for name in _LIBRARIES])


@cache
def package_version(root: Path = _PACKAGE) -> str:
    """Version of the package and digest of all its files, whatever their line endings."""
    return f"{version('pytest-modelgate')}+{_digest(root, root.rglob('*.py'), [])}"


def feature_set_version(feature_set: FeatureSet) -> str:
    """Digest of a feature set: its declaration, what its computation is bound to, its file, and whatever that imports.

    Imports are followed through the project; of installed packages the version counts. Where they cannot be followed,
    or nothing tells the code, nothing vouches for it, and every call gets a digest of its own. Files that the code
    reads by itself are not looked at: whoever changes those names the feature set anew.
    """
    compute, bound = _unbind(feature_set.compute)
    defined = compute if inspect.isroutine(compute) else type(compute)
    try:
        source = Path(inspect.getsourcefile(defined) or "")
        declared = pickle.dumps((feature_set.columns, feature_set.warmup, bound))
        files = _project_files(source, defined.__module__)
    except Exception:  # noqa: BLE001 - whatever a stranger's objects and files raise
        return secrets.token_hex(32)
    digest = hashlib.sha256(declared)
    for name, content in sorted(files.items()):
        digest.update(b"\0" + name.encode() + b"\0" + content)
    return digest.hexdigest()


def _digest(root: Path, files: Iterable[Path], versions: Iterable[str]) -> str:
    digest = hashlib.sha256("\n".join(versions).encode())
    for path in sorted(files):
        digest.update(b"\0" + path.relative_to(root).as_posix().encode() + b"\0" + _text(path))
    return digest.hexdigest()


def _text(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")


def _unbind(compute: Callable[..., object]) -> tuple[Callable[..., object], list[object]]:
    """The function behind partials and decorators, and all values that it is bound to."""
    bound: list[object] = []
    compute = inspect.unwrap(compute)
    while isinstance(compute, partial):
        bound += [compute.args, sorted(compute.keywords.items())]
        compute = inspect.unwrap(compute.func)
    bound += [cell.cell_contents for cell in getattr(compute, "__closure__", None) or ()]
    bound.append(getattr(compute, "__self__", None) if inspect.isroutine(compute) else compute)
    return compute, bound


def _project_files(source: Path, module: str) -> dict[str, bytes]:
    """Contents of a file and of all project files it imports by module name; versions of the packages it imports.

    A package belongs to the project where it is not installed, or where the file itself is part of it.

    Raises:
        ImportError: imports cannot be followed.
    """
    files: dict[str, bytes] = {}
    home, packages = module.partition(".")[0], {module} if source.name == "__init__.py" else set()
    todo, seen = [(module, source)], {module}
    while todo:
        name, path = todo.pop()
        files[name] = _text(path)
        if path.suffix != ".py":
            continue  # an extension: its bytes have to do
        for imported in sorted(_imports(files[name], _package_of(name, path)) - seen):
            seen.add(imported)
            top, package = imported.partition(".")[0], imported.rpartition(".")[0]
            if top in _KNOWN or (package and package not in packages):
                continue  # the latter is a name in a module, or in an installed package
            spec = importlib.util.find_spec(imported)
            if spec and top != home and _is_installed(spec):
                files[imported] = _release(top).encode()
                continue
            if spec and spec.submodule_search_locations is not None:
                packages.add(imported)
            if spec and spec.origin and spec.has_location:
                todo.append((imported, Path(spec.origin)))
    return files


def _package_of(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


@cache
def _imports(source: bytes, package: str) -> frozenset[str]:
    """Modules that a file may import, with the packages they are in; names imported from modules are among them.

    Raises:
        ImportError: it imports what its text does not tell.
    """
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif getattr(node, "id", None) in _DYNAMIC or getattr(node, "attr", None) == "import_module":
            raise ImportError
        for name in names:
            parts = name.split(".")
            modules |= {".".join(parts[: count + 1]) for count in range(len(parts))}
    return frozenset(modules)


def _release(package: str) -> str:
    """The version of an installed package; empty where it is distributed under another name."""
    with suppress(PackageNotFoundError):
        return version(package)
    return ""


def _is_installed(spec: ModuleSpec) -> bool:
    folders = [spec.origin or "", *(spec.submodule_search_locations or ())]
    return any({"dist-packages", "site-packages"} & set(Path(folder).parts) for folder in folders)
