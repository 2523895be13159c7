"""Depth of what was parsed: Python's recursion ends early, and not with an error that names a file."""

from __future__ import annotations


def nests_deeper(document: object, most: int) -> bool:
    """Whether tables and lists lie within each other more than so many levels deep."""
    level = [document]
    for _ in range(most + 1):
        containers = [value for value in level if isinstance(value, dict | list)]
        if not containers:
            return False
        level = [child for value in containers for child in (value.values() if isinstance(value, dict) else value)]
    return True
