"""Records of evidence in plain types that survive a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.fills import Trade
from pytest_modelgate.core.backtest.metrics import FoldResult, Metrics
from pytest_modelgate.core.features.feature_set import CodeSource
from pytest_modelgate.core.integrity.check import Check, NoiseDraw
from pytest_modelgate.core.market.quality import Quality
from pytest_modelgate.core.planning.plan import CHAMPION, PAPER
from pytest_modelgate.core.policy.account_features import AccountFeature
from pytest_modelgate.core.statistics.paired_comparison import Comparison
from pytest_modelgate.core.watching.evidence import WatchEvidence
from pytest_modelgate.errors import CheckpointError, GateError, MarketDataError
from pytest_modelgate.text import inert


@dataclass(frozen=True)
class CheckpointEvidence:
    """Checkpoint that was judged, and its own facts.

    Attributes:
        member: the archive's name for the checkpoint.
        sha256: digest of its bytes.
        hidden: sizes of the hidden layers.
        layers: names of all layers in the order in which they were judged to apply.
        parity: ``proven`` when the trainer's own outputs were reproduced, else ``unproven``.
        parity_detail: what was compared, or why nothing could be.
        model_version: None where nobody knows one.
        actions: names of the policy's actions.
        warnings: sentences on what was inferred of it.
        feature_source: the project's code that computed its features; None where it is the gate's own.
        activation: None where the layers are not known.
        format: of its file; None for the trainer's own.
        normaliser: the archive's name for the file with the statistics of observations, if there is one.
        observation: order in which its trainer flattens the parts of an observation; None for the gate's own.
        uncertified: its actions may be others on another machine.
    """

    member: str
    sha256: str
    model_version: str | None
    min_trader_version: str | None
    feature_set: str
    activation: str | None
    hidden: tuple[int, ...]
    layers: tuple[str, ...]
    window: int
    n_features: int
    actions: tuple[str, ...]
    account: tuple[AccountFeature, ...]
    parity: str
    parity_detail: str
    warnings: tuple[str, ...] = ()
    feature_source: CodeSource | None = None
    format: str | None = None
    normaliser: str | None = None
    normaliser_sha256: str | None = None
    observation: tuple[str, ...] | None = None
    uncertified: bool = False

    @property
    def n_actions(self) -> int:
        """Outputs of the policy."""
        return len(self.actions)


@dataclass(frozen=True)
class MarketEvidence:
    """Bars that were used: ``first`` and ``last`` are bar starts (ISO 8601, UTC), ``sha256`` their fingerprint.

    ``traded_sha256`` is that of the prices at which orders are executed, empty where they are the bars' own; ``source``
    names the file that a user's own bars are from; ``bar_origin`` says when the first one of a day begins (``03:00
    UTC``) where two or four hours of crypto begin at other hours than Alpaca's, else it is empty.
    """

    symbol: str
    timeframe: str
    feed: str
    adjustment: str
    first: str
    last: str
    bars: int
    sha256: str
    quality: Quality
    traded_sha256: str = ""
    source: str = ""
    bar_origin: str = ""


@dataclass(frozen=True)
class BarFigures:
    """A ``BarAttribution`` in plain types, one number per bar in every array; nothing where nothing was forgone."""

    returns: tuple[float, ...]
    overnight_weight: tuple[float, ...]
    intraday_weight: tuple[float, ...]
    overnight_return: tuple[float, ...]
    intraday_return: tuple[float, ...]
    fees: tuple[float, ...]
    slippage: tuple[float, ...]
    forgone: tuple[float, ...] = ()

    @classmethod
    def of(cls, attribution: BarAttribution) -> BarFigures:
        """Figures of an attribution."""
        columns = {field.name: getattr(attribution, field.name) for field in fields(cls)}
        if not columns["forgone"].any():
            del columns["forgone"]
        return cls(**{name: tuple(values.tolist()) for name, values in columns.items()})

    def attribution(self) -> BarAttribution:
        """The attribution, to the last bit."""
        return BarAttribution(
            *(np.array(getattr(self, field.name), dtype=np.float64) for field in fields(BarAttribution))
        )


@dataclass(frozen=True)
class FlaggedBars:
    """What a window earned at bars with doubtful prices.

    Attributes:
        times: starts of those of them at which there was a position or a fill, seconds since 1970 UTC.
        total_return: compounded over them alone, a fraction.
        share: of the window's logarithmic growth; beyond 1 where the rest lost, NaN where there was no growth.
        rest_return: compounded over all other bars.
    """

    times: tuple[int, ...]
    total_return: float
    share: float
    rest_return: float

    @classmethod
    def of(cls, attribution: BarAttribution, times: Sequence[int], flagged_at: Sequence[int]) -> FlaggedBars | None:
        """Figures of a window; None where it held nothing at a flagged bar.

        Args:
            times: starts of the window's bars, seconds since 1970 UTC.
            flagged_at: starts of flagged bars, in the window or not.
        """
        marked = np.isin(times, flagged_at) & attribution.held
        if not marked.any():
            return None
        there, rest = attribution.without(~marked), attribution.without(marked)
        growth = np.log(np.maximum(np.finfo(float).tiny, 1.0 + attribution.returns))
        whole = float(growth.sum())
        share = float(growth[marked].sum()) / whole if whole else math.nan
        return cls(tuple(np.asarray(times)[marked].tolist()), there.total_return(), share, rest.total_return())


@dataclass(frozen=True)
class WindowEvidence:
    """Evidence of one model over one window.

    Attributes:
        model: model id.
        window: window name.
        start, end: half-open range of bar starts (ISO 8601, UTC).
        sample: in-sample, gap, out-of-sample or unknown.
        equity: USD, the starting capital and then each bar's close.
        bars: weights held and returns earned at every bar.
        delayed: result had every order come one bar later.
        refused: orders the account refused, by reason; ``low_confidence`` counts bars without any.
        times: start of every bar, seconds since 1970 UTC.
        first_open: USD, open of the first bar; with ``bars`` it gives every price.
        exits: positions that a rule of execution closed within a bar, by rule; empty without any.
        flagged: what was earned at bars with doubtful prices; None where nothing was held at one.
        waited: orders of a closed session that were filled at the session's open instead of their bar's.
        trades: round trips, oldest first; empty in records from before they were kept, too.
    """

    model: str
    window: str
    start: str
    end: str
    sample: str
    checkpoint: CheckpointEvidence
    market: MarketEvidence
    metrics: Metrics
    equity: tuple[float, ...]
    bars: BarFigures
    delayed: FoldResult
    refused: Mapping[str, int]
    times: tuple[int, ...]
    first_open: float
    exits: Mapping[str, int] = field(default_factory=dict)
    flagged: FlaggedBars | None = None
    waited: int = 0
    trades: tuple[Trade, ...] = ()

    def without_bars(self) -> WindowEvidence:
        """The same without what happened at every bar, in a hundredth of the memory; no longer to be written."""
        return replace(self, equity=(), bars=BarFigures(*[()] * len(fields(BarFigures))), times=(), trades=())


@dataclass(frozen=True)
class IntegrityEvidence:
    """Results of the integrity checks of one model, and how it bears noise; ``window`` is ``integrity``.

    Attributes:
        undrawn: why no noise was drawn, half a sentence; empty where it was.
    """

    model: str
    window: str
    checks: tuple[Check, ...]
    noise: tuple[NoiseDraw, ...]
    undrawn: str = ""


@dataclass(frozen=True)
class ChampionEvidence:
    """Comparison of a model with the one now deployed; ``window`` is ``champion``."""

    model: str
    window: str
    comparison: Comparison


_OURS = "This is a fault of the gate: report it with the archive and the options used"
_MEMORY = "Run again what failed with --lf, with fewer workers (-n) or where there is more memory"
_GPU = "Run again what failed with --lf; if it happens again, leave the GPU alone with --gate-device cpu"
_MACHINE = {  # failures of the machine, by the type of error
    "MemoryError": ("there was not enough memory to evaluate it", _MEMORY),
    "OutOfMemoryError": ("the GPU had not enough memory to evaluate it", _MEMORY),
    "AcceleratorError": ("the GPU failed while it was evaluated", _GPU),
}


@dataclass(frozen=True)
class WindowFailure:
    """Reason why evidence could not be gained; the model is INCOMPLETE.

    Attributes:
        of_model: it lies in the model's checkpoint or market data, and not in the run or its machine.
    """

    model: str
    window: str
    where: str
    problem: str
    remedy: str
    of_model: bool = False

    @classmethod
    def from_error(cls, model: str, window: str, error: BaseException) -> WindowFailure:
        """Record an error; one that is not ours is named by its type, so that no text of a stranger is passed on."""
        if isinstance(error, GateError):
            # what is deployed, or on record of an account, and cannot be compared with says nothing against the model
            of_model = window not in (CHAMPION, PAPER) and isinstance(error, CheckpointError | MarketDataError)
            return cls(model, window, error.where, error.problem, error.remedy, of_model)
        crash = f"the evaluation crashed with {type(error).__name__}"
        problem, remedy = _MACHINE.get(type(error).__name__, (crash, _OURS))
        if not isinstance(error, Exception):
            problem, remedy = "the evaluation was cut off", "Give it more time, then run what failed again with --lf"
        if isinstance(error, OSError) and error.errno is not None:
            problem, remedy = f"the evaluation could not go on: {error.strerror}", "See to it, then run the gate again"
        return cls(model, window, f"{model} {window}", problem, remedy)

    @classmethod
    def of_test(cls, model: str, window: str) -> WindowFailure:
        """Record that the window's own test ended before it got its evidence."""
        problem = "its test ended in an error before it had its evidence"
        return cls(
            model, window, f"{model} {window}", problem, "See to that error, then run what failed again with --lf"
        )

    def __str__(self) -> str:
        return inert(f"{self.where}: {self.problem}. {self.remedy}.")


Evidence = WindowEvidence | IntegrityEvidence | ChampionEvidence | WatchEvidence | WindowFailure
