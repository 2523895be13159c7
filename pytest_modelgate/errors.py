"""What failed, where, and what to do about it.

Every mistake a user can make ends in one of these. They cross the floors unchanged; only the plugin and the
command line turn them into what pytest or a shell shows.
"""

from __future__ import annotations

from pytest_modelgate.text import inert


class GateError(Exception):
    """A problem the user can act on, told in one sentence per part.

    Args:
        where: the thing at fault: file, archive member, symbol, field, option.
        problem: what was found and what was expected.
        remedy: what to do about it.
    """

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)
        self.where = where
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return inert(f"{self.where}: {self.problem}. {self.remedy}.")


class ArchiveError(GateError):
    """The archive as a whole cannot be used; nothing in it is judged."""


class SettingsError(GateError):
    """An option, ini key or profile has an unusable value."""


class CheckpointError(GateError):
    """One model's checkpoint cannot be used; its siblings are judged all the same."""


class MarketDataError(GateError):
    """The bars a model needs are missing, altered or unusable."""


class PromotionError(GateError):
    """A verdict, an archive or a target folder does not allow a promotion; nothing in the folder has changed."""


class AccountError(GateError):
    """What a trading account did is not on record, or what is recorded of it is altered or contradicts itself."""
