"""Settings for all tests."""

import os
import signal

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("modelgate", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("modelgate")


def pytest_configure() -> None:
    """Runs of the gate in tests tell nobody but us: not the job that the tests run in. They heed Ctrl-C, unlike it."""
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        os.environ.pop(name, None)
    # A job in the background ignores it, and so would whatever it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Runs in the order in which tests stand; a random one is asked for where it matters."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
    return pytester
