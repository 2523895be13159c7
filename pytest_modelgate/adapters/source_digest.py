"""Which code evaluates: evidence gained by other code is not reused."""

from __future__ import annotations

import hashlib
import inspect
import secrets
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from pytest_modelgate.core.features.feature_set import FeatureSet

_PACKAGE = Path(__file__).parents[1]
_EVALUATES = ("core/**/*.py", "adapters/**/*.py", "gate.py", "market_data.py")


@cache
def code_version() -> str:
    """The package's version, and a digest of the files that evaluate, whatever their line endings."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _EVALUATES for path in _PACKAGE.glob(pattern)):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + _text(path))
    return f"{version('pytest-modelgate')}+{digest.hexdigest()}"


def feature_set_version(feature_set: FeatureSet) -> str:
    """Digest of what a feature set declares, and of the file that defines its computation.

    Code that this file imports is not looked at: whoever changes it names the feature set anew. Without a file nothing
    vouches for the code, and every process gets a digest of its own.
    """
    compute = inspect.unwrap(feature_set.compute)
    while isinstance(compute, partial):
        compute = compute.func
    try:
        source = inspect.getsourcefile(compute if inspect.isroutine(compute) else type(compute))
    except TypeError:
        source = None
    if source is None or not Path(source).is_file():
        return secrets.token_hex(32)
    declared = repr((feature_set.columns, feature_set.warmup)).encode()
    return hashlib.sha256(declared + b"\0" + _text(Path(source))).hexdigest()


def _text(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")
