"""The built-in formats, seen together."""

from __future__ import annotations

from collections import Counter

from pytest_modelgate.adapters.archive import SUFFIXES
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.policy_format import PolicyFormat, suffixes_of


def test_archives_know_the_endings_of_all_formats() -> None:
    assert sorted(SUFFIXES) == sorted(suffixes_of(builtin_formats()))


def test_formats_have_names_of_their_own() -> None:
    formats = builtin_formats()
    assert all(isinstance(item, PolicyFormat) for item in formats)
    assert max(Counter(item.name for item in formats).values()) == 1
