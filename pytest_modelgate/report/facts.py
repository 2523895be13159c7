"""What a page is made from, by whoever makes it: a run of pytest, or a command that has a verdict and its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.evidence.records import WindowEvidence
from pytest_modelgate.core.watching.evidence import WatchEvidence

Windows = Mapping[str, WindowEvidence]
History = Mapping[str, Sequence[float]]


class Step(NamedTuple):
    """What may be done now: for money or on paper, and the command that does it."""

    minimum: Literal["live", "paper"]
    command: str


@dataclass(frozen=True, kw_only=True)
class PageFacts:
    """Facts of a page.

    Attributes:
        verdict: whose page it is.
        profile: whose limits were applied.
        windows: the evidence of a model by window (``backtest``, ``fold1of5``, ...), with its bars; what is no longer
            there is left out, and its pictures are, too. It is asked once per model, in the page's order.
        watched: what an account did with a model; None where none was asked, or it is no longer there.
        histories: of validations, by model and metric; empty where the archive is not at hand.
        command: what the models were judged with, for who wants to do it again; empty where nobody knows.
        steps: what may be done now.
        earlier: a verdict to compare with; None where there is none.
        notes: what else the reader has to know, as titles and texts.
        accounts: how account features were fed.
    """

    verdict: Verdict
    profile: Profile
    windows: Callable[[str], Windows]
    watched: Callable[[str], WatchEvidence | None] = lambda _: None
    histories: Mapping[str, History] = field(default_factory=dict)
    command: str = ""
    steps: tuple[Step, ...] = ()
    earlier: Verdict | None = None
    notes: tuple[tuple[str, str], ...] = ()
    accounts: str = ""
