"""Versions of the code that evaluates: evidence gained by other code is not used again."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

# Code that evidence depends on. Not in it: what fetches, writes, decides or reports; where a policy is evaluated, since
# actions are the same everywhere; text and errors, since they speak of failures, which are not used again; the store
# and the key, which have a schema and contents of their own. A test holds the list against the imports.
EVIDENCE = (
    "adapters/account_cassettes/files.py",
    "adapters/account_cassettes/joining.py",
    "adapters/account_cassettes/journal.py",
    "adapters/account_cassettes/rows.py",
    "adapters/account_cassettes/told.py",
    "adapters/alpaca/action_rows.py",
    "adapters/alpaca/actions.py",
    "adapters/alpaca/client.py",
    "adapters/alpaca/plain.py",
    "adapters/alpaca/rows.py",
    "adapters/archive/__init__.py",
    "adapters/archive/belonging.py",
    "adapters/archive/declaration.py",
    "adapters/archive/entries.py",
    "adapters/archive/folder_source.py",
    "adapters/archive/limits.py",
    "adapters/archive/manifest.py",
    "adapters/archive/manifest_fields.py",
    "adapters/archive/matching.py",
    "adapters/archive/names.py",
    "adapters/archive/opened_file.py",
    "adapters/archive/reader.py",
    "adapters/archive/roles.py",
    "adapters/archive/schema.py",
    "adapters/archive/streamed_source.py",
    "adapters/archive/strict_json.py",
    "adapters/archive/summary.py",
    "adapters/archive/tar_source.py",
    "adapters/archive/zip_source.py",
    "adapters/cassettes",
    "adapters/checkpoint",
    "adapters/exchange_calendar.py",
    "adapters/files/fast_json.py",
    "adapters/files/file_kinds.py",
    "adapters/files/statistic_names.py",
    "adapters/files/tar_layout.py",
    "adapters/files/zip_layout.py",
    "adapters/files/zip_records.py",
    "adapters/formats",
    "adapters/gpu/torch_device.py",
    "adapters/meanings.py",
    "adapters/policy_format.py",
    "core/backtest",
    "core/config/profiles.py",
    "core/config/ranges.py",
    "core/config/settings.py",
    "core/config/watch_limits.py",
    "core/evidence/records.py",
    "core/features",
    "core/integrity",
    "core/market",
    "core/planning/plan.py",
    "core/policy",
    "core/statistics/bootstrap.py",
    "core/statistics/net_timing.py",
    "core/statistics/paired_comparison.py",
    "core/training/run.py",
    "core/typing.py",
    "core/watching/account_equity.py",
    "core/watching/attribution.py",
    "core/watching/closure.py",
    "core/watching/evidence.py",
    "core/watching/fees.py",
    "core/watching/fills.py",
    "core/watching/market.py",
    "core/watching/matching.py",
    "core/watching/measuring.py",
    "core/watching/moments.py",
    "core/watching/order_ids.py",
    "core/watching/period.py",
    "core/watching/records.py",
    "core/watching/skill.py",
    "core/watching/sub_account.py",
    "core/watching/track.py",
    "core/watching/walking.py",
    "services/account_replaying.py",
    "services/champions.py",
    "services/companies.py",
    "services/evaluator.py",
    "services/market_data.py",
    "services/model_loader.py",
    "services/replaying.py",
    "services/watching.py",
)
_LIBRARIES = ("exchange-calendars", "numpy", "pandas")  # whose releases can change figures; torch's cannot
_PACKAGE = Path(__file__).parents[1]
_PYTHON = "python {}.{}".format(*sys.version_info)  # floats are added in another way since 3.12


@cache
def evidence_version(root: Path = _PACKAGE) -> str:
    """Digest of all files that evidence depends on, and of the versions of libraries that can change figures.

    Args:
        root: the package.
    """
    parts = [root / part for part in EVIDENCE]
    files = [path for part in parts for path in ([part] if part.suffix else part.rglob("*.py"))]
    return _digest(root, files, [_PYTHON, *(f"{name} {version(name)}" for name in _LIBRARIES)])


@cache
def package_version(root: Path = _PACKAGE) -> str:
    """Version of the package and digest of all its files, whatever their line endings."""
    return f"{version('pytest-modelgate')}+{_digest(root, root.rglob('*.py'), [_PYTHON])}"


def _digest(root: Path, files: Iterable[Path], versions: Iterable[str]) -> str:
    digest = hashlib.sha256("\n".join(versions).encode())
    for path in sorted(files):
        digest.update(b"\0" + path.relative_to(root).as_posix().encode() + b"\0" + _text(path))
    return digest.hexdigest()


def _text(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")
