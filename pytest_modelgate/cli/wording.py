"""Options that a command shares with the gate, and errors that call them as the command does."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytest_modelgate.core.config.options import Option
from pytest_modelgate.errors import SettingsError


def add_options(parser: argparse.ArgumentParser, options: Sequence[Option]) -> None:
    """Declare options of the gate under their short names."""
    for option in options:
        parser.add_argument(
            option.short_name,
            type=option.kind,
            choices=option.choices,
            metavar=option.metavar or _listed(option.choices),
            default=option.default,
            help=option.help,
        )


def _listed(choices: Sequence[str] | None) -> str | None:
    """How choices that hold commas are told apart; None where argparse's own list does."""
    return "|".join(choices) if choices and any("," in choice for choice in choices) else None


def positive(text: str) -> float:
    """A number above 0, of an option.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


@contextmanager
def called_as_here() -> Iterator[None]:
    """Call options as these commands do: pytest's bear the prefix ``--gate-``."""
    try:
        yield
    except SettingsError as error:
        where, remedy = (text.replace("--gate-", "--") for text in (error.where, error.remedy))
        raise SettingsError(where, error.problem, remedy) from None
