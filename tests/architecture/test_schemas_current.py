"""The published schemas are those of the code; `python -m pytest_modelgate.schemas` writes them anew."""

from collections.abc import Callable
from importlib.resources import files

import pytest

from pytest_modelgate.schemas.__main__ import SCHEMAS


@pytest.mark.parametrize(("name", "text"), SCHEMAS.items(), ids=list(SCHEMAS))
def test_the_published_schema_is_current(name: str, text: Callable[[], str]) -> None:
    assert (files("pytest_modelgate") / "schemas" / name).read_text(encoding="utf-8") == text()
