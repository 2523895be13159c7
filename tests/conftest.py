"""Settings for all tests."""

import os

from hypothesis import settings

pytest_plugins = ["pytester"]

# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("modelgate", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("modelgate")
