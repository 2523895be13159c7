"""Expressions of GitHub's workflows, evaluated as its runner does, as far as this project's workflows use them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|[!(),]|[A-Za-z_][\w-]*(?:\.[\w-]+)*|\d+)")
_STATUS = re.compile(r"\b(success|failure|always|cancelled)\(\)")
_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def evaluate(text: str, contexts: Mapping[str, Any], status: Mapping[str, bool]) -> Any:
    """Value of an expression.

    Args:
        contexts: ``github``, ``inputs``, ``needs`` and so on; what is not in them is null.
        status: what ``success()`` and its like say.
    """
    tokens, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        assert match, f"{text!r} at {place}"
        tokens.append(match[1])
        place = match.end()
    parser = _Parser(tokens, contexts, status)
    value = parser.alternatives()
    assert not parser.rest, f"{text!r}: {parser.rest}"
    return value


def fill(text: str, contexts: Mapping[str, Any], status: Mapping[str, bool]) -> Any:
    """A text with its expressions replaced; one that is nothing else keeps its type."""
    whole = _EMBEDDED.fullmatch(text.strip())
    if whole and text.strip().count("${{") == 1:
        return evaluate(whole[1], contexts, status)
    return _EMBEDDED.sub(lambda match: as_text(evaluate(match[1], contexts, status)), text)


def condition(text: object, contexts: Mapping[str, Any], status: Mapping[str, bool]) -> bool:
    """Whether a job or step runs; without a status function in it, success is asked for besides."""
    told = "success()" if text is None else as_text(text).strip()
    told = whole[1] if (whole := _EMBEDDED.fullmatch(told)) else told
    if not _STATUS.search(told):
        told = f"success() && ({told})"
    return bool(evaluate(told, contexts, status))


def as_text(value: object) -> str:
    """A value as a text has it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


class _Parser:
    def __init__(self, tokens: Sequence[str], contexts: Mapping[str, Any], status: Mapping[str, bool]) -> None:
        self.rest, self._contexts, self._status = list(tokens), contexts, status

    def alternatives(self) -> Any:
        value = self._together()
        while self._took("||"):
            other = self._together()
            value = value or other
        return value

    def _together(self) -> Any:
        value = self._compared()
        while self._took("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._single()
        for sign in ("==", "!="):
            if self._took(sign):
                same = as_text(value).casefold() == as_text(self._single()).casefold()
                return same if sign == "==" else not same
        return value

    def _single(self) -> Any:
        if self._took("!"):
            return not self._single()
        if self._took("("):
            value = self.alternatives()
            assert self._took(")")
            return value
        token = self.rest.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.isdigit():
            return int(token)
        if self._took("("):
            return self._call(token)
        return _look_up(self._contexts, token)

    def _call(self, name: str) -> Any:
        arguments = []
        while not self._took(")"):
            arguments.append(self.alternatives())
            self._took(",")
        if name in self._status:
            return self._status[name]
        functions: dict[str, Callable[..., Any]] = {
            "contains": lambda where, what: what in where,
            "format": lambda text, *parts: text.format(*map(as_text, parts)),
            "fromJSON": json.loads,
        }
        return functions[name](*arguments)

    def _took(self, token: str) -> bool:
        if self.rest[:1] != [token]:
            return False
        self.rest.pop(0)
        return True


def _look_up(contexts: Mapping[str, Any], path: str) -> Any:
    if path in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[path]
    first, *others = path.split(".")
    assert first in contexts, f"there is no context {first!r} here"
    value = contexts[first]
    for name in others:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
