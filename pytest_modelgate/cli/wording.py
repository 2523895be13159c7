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
            metavar=option.metavar,
            default=option.default,
            help=option.help,
        )


@contextmanager
def called_as_here() -> Iterator[None]:
    """Call options as these commands do: pytest's bear the prefix ``--gate-``."""
    try:
        yield
    except SettingsError as error:
        where, remedy = (text.replace("--gate-", "--") for text in (error.where, error.remedy))
        raise SettingsError(where, error.problem, remedy) from None
