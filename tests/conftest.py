"""Settings for all tests."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("modelgate", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("modelgate")


class _NeedsTorch(pytest.Module):
    """Tests that torch is the oracle of, or that need it for another reason: skipped where it is not installed."""

    def _getobj(self) -> Any:
        try:
            return super()._getobj()  # type: ignore[no-untyped-call]
        except self.CollectError as error:
            if isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name == "torch":
                pytest.skip("needs torch", allow_module_level=True)
            raise


if find_spec("torch") is None:

    def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
        """Modules that import torch, themselves or through a helper."""
        return _NeedsTorch.from_parent(parent, path=module_path)


def pytest_configure() -> None:
    """Runs of the gate in tests tell nobody but us: not the job that the tests run in. They heed Ctrl-C, unlike it.

    Nor do they heed the options that the tests are run with.
    """
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "PYTEST_ADDOPTS"):
        os.environ.pop(name, None)
    # A job in the background ignores it, and so would whatever it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Runs in the order in which tests stand; a random one is asked for where it matters."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
    return pytester
