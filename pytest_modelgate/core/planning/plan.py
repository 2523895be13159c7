"""Plan of a run: every model, its gating and the evidence it has to show; a function of archive, options, as-of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import OWN_FEED, AccountMode, Settings, Shard
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.market.grid import CLOCK, origin_of
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.session_opens import opens_request
from pytest_modelgate.core.market.sessions import source_timeframe
from pytest_modelgate.core.market.windows import Window, backtest_window, market_window, walk_forward_windows
from pytest_modelgate.core.planning.looks import TrialCount, effective_looks
from pytest_modelgate.core.training.gating import Classification, Gating, check_reward_scale, judge_training
from pytest_modelgate.core.training.run import TrainedModel, TrainingRun
from pytest_modelgate.errors import SettingsError


class WorkKind(StrEnum):
    """Kinds of evidence, and how each is gained."""

    WINDOW = "window"  # one window is traded
    INTEGRITY = "integrity"  # the model is examined
    CHAMPION = "champion"  # the model is compared with the one now deployed
    PAPER = "paper"  # what an account did with the model is compared with what it would have done


_CONCEALED = 4  # looks that nobody declares, so that a single model counts as the best of five
# names of the evidence of which there is one
INTEGRITY, CHAMPION, PAPER = WorkKind.INTEGRITY.value, WorkKind.CHAMPION.value, WorkKind.PAPER.value


@dataclass(frozen=True)
class Work:
    """One piece of evidence that a model has to show.

    Attributes:
        name: of the evidence, unique for the model: the window's, ``integrity``, ``champion`` or ``paper``.
        start, end: half-open range of the bar starts it is about, UTC.
    """

    kind: WorkKind
    name: str
    start: pd.Timestamp
    end: pd.Timestamp

    @classmethod
    def trading(cls, window: Window) -> Work:
        """The work of trading one window."""
        return cls(WorkKind.WINDOW, window.name, window.start, window.end)

    @property
    def window(self) -> Window:
        """The range of bars as a window of the same name."""
        return Window(self.name, self.start, self.end)


class WorkId(NamedTuple):
    """One piece of evidence of one model, by names."""

    model: str
    name: str


@dataclass(frozen=True)
class OnAccount:
    """What is known of a model's record before it is read.

    Attributes:
        digest: of all that the comparison with the account depends on beside the model and its bars.
        since: when a model of this id was put in force (UTC); None where none is.
    """

    digest: str
    since: pd.Timestamp | None


@dataclass(frozen=True)
class ModelPlan:
    """Evidence that one model has to show.

    Attributes:
        model: what the archive says about it.
        gating: None when the training summary has no entry for its checkpoint, or the model has a fault.
        backtest: the sanity window.
        folds: the walk-forward windows, oldest first.
        champion: digest of the deployed model that it is compared with; None where there is none.
        account: how account features are fed to it.
        watched: what an account is to show of it; None where no account is asked.
    """

    model: TrainedModel
    gating: Gating | None
    backtest: Window
    folds: tuple[Window, ...]
    champion: str | None = None
    account: AccountMode = "neutral"
    watched: OnAccount | None = None

    @property
    def dropped(self) -> bool:
        """Whether gating alone decides: a dropped model is not backtested."""
        return self.gating is not None and self.gating.classification is Classification.DROP

    @property
    def windows(self) -> tuple[Window, ...]:
        """Every window that is traded, the sanity window first."""
        return (self.backtest, *self.folds)

    @property
    def work(self) -> tuple[Work, ...]:
        """All evidence that the decision needs."""
        if self.dropped:
            return ()
        traded = [Work.trading(window) for window in self.windows]
        further = [*([self.contest] if self.champion else []), *([self.watch] if self.watched else [])]
        return (*traded, self.integrity, *further)

    @property
    def integrity(self) -> Work:
        """Integrity checks, over the whole walk-forward."""
        return Work(WorkKind.INTEGRITY, INTEGRITY, self.folds[0].start, self.folds[-1].end)

    @property
    def contest(self) -> Work:
        """Comparison with the model now deployed, over the whole walk-forward."""
        return Work(WorkKind.CHAMPION, CHAMPION, self.folds[0].start, self.folds[-1].end)

    @property
    def watch(self) -> Work:
        """Comparison with an account, from when the model was put in force to the last bar."""
        end = self.folds[-1].end
        since = self.watched.since if self.watched else None
        return Work(WorkKind.PAPER, PAPER, end if since is None else min(since, end), end)

    @property
    def conceivable(self) -> tuple[Work, ...]:
        """All work, also where gating or the lack of a champion or an account makes it needless."""
        return (*map(Work.trading, self.windows), self.integrity, self.contest, self.watch)

    def work_named(self, name: str) -> Work:
        """The conceivable work of that name."""
        return next(work for work in self.conceivable if work.name == name)

    def bars(self, work: Work) -> int:
        """Most bars that a piece of work spans: what it costs, compared with others."""
        return int((work.end - work.start) / self.model.timeframe.delta)


@dataclass(frozen=True)
class Plan:
    """Evidence that a whole run has to show.

    Attributes:
        as_of: UTC.
        models: sorted by id.
        count: looks at models on this market window.
    """

    run: TrainingRun
    as_of: pd.Timestamp
    models: tuple[ModelPlan, ...]
    count: TrialCount

    @property
    def trials(self) -> int:
        """Looks at models on this market window, were all of them independent."""
        return round(self.count.total())

    def of(self, model_id: str) -> ModelPlan:
        """The plan of one model."""
        return self._by_id[model_id]

    @cached_property
    def _by_id(self) -> Mapping[str, ModelPlan]:
        return {plan.model.id: plan for plan in self.models}

    @property
    def work(self) -> tuple[WorkId, ...]:
        """All evidence that any decision needs, in the order of the models."""
        return tuple(WorkId(plan.model.id, work.name) for plan in self.models for work in plan.work)

    @property
    def informative(self) -> tuple[WorkId, ...]:
        """Folds of models that gating dropped: shown on request, and needed by no decision."""
        return tuple(WorkId(plan.model.id, fold.name) for plan in self.models if plan.dropped for fold in plan.folds)

    def cost(self, work: WorkId) -> int:
        """Bars to be evaluated; none for a model that gating dropped."""
        plan = self.of(work.model)
        return 0 if plan.dropped else plan.bars(plan.work_named(work.name))

    def share(self, shard: Shard) -> frozenset[WorkId]:
        """Work of one of several machines: dealt longest first, each to whoever has the least so far."""
        loads = [0] * shard.count
        mine = set()
        for work in sorted(self.work, key=lambda work: (-self.cost(work), work)):
            least = loads.index(min(loads))
            loads[least] += self.cost(work)
            if least == shard.index - 1:
                mine.add(work)
        return frozenset(mine)

    def with_trials(self, trials: int) -> Plan:
        """This plan, where a ledger counts so many trials on the same market window."""
        return replace(self, count=replace(self.count, counted=max(1, trials)))


def when(run: TrainingRun, settings: Settings) -> pd.Timestamp:
    """Moment as of which a run is judged, UTC.

    Raises:
        SettingsError: neither the options nor the archive say.
    """
    as_of = settings.as_of or run.timestamp
    if as_of is None:
        problem = f"neither {run.name} nor its summary bears a time stamp YYYYMMDD_HHMMSS"
        raise SettingsError("--gate-as-of", problem, "Say as of when to judge, for example --gate-as-of 2024-12-27")
    return as_of


def bar_origin(model: TrainedModel, settings: Settings) -> pd.Timestamp:
    """A moment at which a bar of a model begins (UTC); the user's own bars are taken as they are."""
    told = [] if settings.feed == OWN_FEED else model.declared.bar_starts
    return origin_of(told, model.instrument, model.timeframe)


def windows_of(
    timeframe: Timeframe, settings: Settings, as_of: pd.Timestamp, origin: pd.Timestamp = CLOCK
) -> tuple[Window, ...]:
    """The sanity window and the folds of a model, oldest fold first.

    Args:
        origin: as of ``bar_origin``.

    Raises:
        SettingsError: too few bars fit into one.
    """
    folds = walk_forward_windows(as_of, timeframe, settings.walk_forward_days, settings.folds, origin)
    return backtest_window(as_of, timeframe, settings.backtest_days, origin), *folds


def account_mode(model: TrainedModel, settings: Settings) -> AccountMode:
    """How account features are fed to a model: as the user says, else as the archive declares, else neutral."""
    return settings.account or model.declared.account_mode or "neutral"


def market_request(
    instrument: Instrument,
    timeframe: Timeframe,
    settings: Settings,
    as_of: pd.Timestamp,
    origin: pd.Timestamp = CLOCK,
) -> MarketRequest:
    """The market data that bars of a timeframe are made of; see ``market.sessions.source_timeframe``.

    Args:
        origin: as of ``bar_origin``; bars on another one than the clock's are made of hours.
    """
    days = max(settings.backtest_days, settings.walk_forward_days)
    own = settings.feed == OWN_FEED  # taken as they are
    source = timeframe if own else source_timeframe(timeframe, instrument.asset_class)
    if origin != CLOCK:
        source = Timeframe.HOUR_1
    first, last = market_window(as_of, timeframe, instrument.asset_class, days, origin)
    last += timeframe.delta - source.delta
    return MarketRequest(instrument, source, first, last, settings.feed, settings.adjustment)


def requests_of(model: TrainedModel, settings: Settings, as_of: pd.Timestamp) -> tuple[MarketRequest, ...]:
    """All market data a model is judged on: what its bars are made of, last, and what tells how sessions opened."""
    request = market_request(model.instrument, model.timeframe, settings, as_of, bar_origin(model, settings))
    opens = opens_request(request, model.timeframe, settings.sessions)
    return (opens, request) if opens else (request,)


def reaching_back(settings: Settings, as_of: pd.Timestamp, since: pd.Timestamp) -> Settings:
    """These settings with market data that reach back to a moment; the same data where they do anyway."""
    days = max(settings.walk_forward_days, math.ceil((as_of - since) / pd.Timedelta(days=1)))
    return replace(settings, walk_forward_days=days)


def market_requests(run: TrainingRun, settings: Settings, as_of: pd.Timestamp) -> tuple[MarketRequest, ...]:
    """The market data of a whole archive, each series once, in the order of its models."""
    known = [model for model in run.models if not model.name]
    return tuple(dict.fromkeys(request for model in known for request in requests_of(model, settings, as_of)))


def make_plan(
    run: TrainingRun,
    settings: Settings,
    profile: Profile,
    champions: Mapping[str, str] = MappingProxyType({}),
    watched: Mapping[str, OnAccount] = MappingProxyType({}),
) -> Plan:
    """Plan of a run.

    Args:
        champions: digests of the models now deployed, by id.
        watched: what an account is to show, for every model of the archive where one is asked.

    Raises:
        SettingsError: nothing says as of when to judge, or a declared reward scale is not the profile's.
    """
    as_of = when(run, settings)
    models = []
    for model in run.models:
        if model.fault is None:
            check_reward_scale(model.id, model.declared, profile)
        readable = model.history if model.fault is None else None
        gating = None if readable is None else judge_training(readable, profile, model.declared)
        backtest, *folds = windows_of(model.timeframe, settings, as_of, bar_origin(model, settings))
        champion, account = champions.get(model.id), account_mode(model, settings)
        models.append(
            ModelPlan(model, gating, backtest, tuple(folds), champion, account, watched=watched.get(model.id))
        )
    judged = sum(model.checkpoint is not None and model.fault is None for model in run.models)
    assumed = 0 if settings.ledger else _CONCEALED
    validations = sum(_validations(plan, run.timestamp) for plan in models)
    count = TrialCount(max(1, judged), _assumed_looks(run, settings, as_of), assumed, validations)
    return Plan(run, as_of, tuple(models), count)


def _validations(plan: ModelPlan, stamp: pd.Timestamp | None) -> int:
    """Checkpoints, but for the one judged, that the trainer saw on days that the folds may hold.

    Where nothing is declared, it may have looked at any day until the archive's stamp.
    """
    selection = plan.model.declared.selection_window
    until = selection.end if selection else stamp
    harmless = plan.gating is None or plan.dropped or (until is not None and until < plan.folds[0].start)
    if plan.model.history is None or harmless:
        return 0
    return max(0, max(map(len, plan.model.history.values()), default=0) - 1)


def _assumed_looks(run: TrainingRun, settings: Settings, as_of: pd.Timestamp) -> int:
    """Looks at each model that nobody counted: one a day since the archive's stamp, as far as they are independent.

    A run without a stamp might be as old as its walk-forward is long.
    """
    if settings.ledger:
        return 1
    days = settings.walk_forward_days if run.timestamp is None else abs(as_of - run.timestamp) // pd.Timedelta(days=1)
    return effective_looks(days, settings.walk_forward_days, settings.folds)
