"""Every StashKey of the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # these pull in pandas, which a run without an archive must not pay for
    from pytest_modelgate.plugin.run import GateRun

RUN: pytest.StashKey[GateRun] = pytest.StashKey()
HTML_DATA: pytest.StashKey[Any] = pytest.StashKey()  # pytest-html's ReportData, which it does not export
