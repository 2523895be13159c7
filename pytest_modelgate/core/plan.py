"""What a run has to show: every model, its gating and its windows. A pure function of archive, options and as-of."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pytest_modelgate.core.gating import Classification, Gating, check_reward_scale, judge_training
from pytest_modelgate.core.market import MarketRequest
from pytest_modelgate.core.profiles import Profile
from pytest_modelgate.core.settings import Settings
from pytest_modelgate.core.training_run import TrainedModel, TrainingRun
from pytest_modelgate.core.windows import Window, backtest_window, market_window, walk_forward_windows
from pytest_modelgate.errors import SettingsError

INTEGRITY = "integrity"


@dataclass(frozen=True)
class ModelPlan:
    """What one model has to show.

    Attributes:
        model: what the archive says about it.
        gating: None when the training summary has no entry for its checkpoint.
        backtest: the sanity window.
        folds: the walk-forward windows, oldest first.
    """

    model: TrainedModel
    gating: Gating | None
    backtest: Window
    folds: tuple[Window, ...]

    @property
    def dropped(self) -> bool:
        """Whether gating alone decides: a dropped model is not backtested."""
        return self.gating is not None and self.gating.classification is Classification.DROP

    @property
    def windows(self) -> tuple[Window, ...]:
        """Every window whose evidence the decision needs."""
        return () if self.dropped else (self.backtest, *self.folds, self.integrity)

    @property
    def integrity(self) -> Window:
        """What the integrity checks look at: the whole walk-forward."""
        return Window(INTEGRITY, self.folds[0].start, self.folds[-1].end)

    def window(self, name: str) -> Window:
        """The window of that name."""
        return next(window for window in (self.backtest, *self.folds, self.integrity) if window.name == name)


@dataclass(frozen=True)
class Plan:
    """What a whole run has to show.

    Attributes:
        as_of: UTC.
        models: sorted by id.
        trials: distinct models tried on this market window, at least those of the archive, at least 1.
    """

    run: TrainingRun
    as_of: pd.Timestamp
    models: tuple[ModelPlan, ...]
    trials: int

    def of(self, model_id: str) -> ModelPlan:
        """The plan of one model."""
        return next(plan for plan in self.models if plan.model.id == model_id)


def when(run: TrainingRun, settings: Settings) -> pd.Timestamp:
    """As of when a run is judged (UTC).

    Raises:
        SettingsError: neither the options nor the archive say.
    """
    as_of = settings.as_of or run.timestamp
    if as_of is None:
        problem = f"neither {run.name} nor its summary bears a time stamp YYYYMMDD_HHMMSS"
        raise SettingsError("--gate-as-of", problem, "Say as of when to judge, for example --gate-as-of 2024-12-27")
    return as_of


def market_request(model: TrainedModel, settings: Settings, as_of: pd.Timestamp) -> MarketRequest:
    """The market data a model is judged on."""
    days = max(settings.backtest_days, settings.walk_forward_days)
    first, last = market_window(as_of, model.timeframe, model.instrument.asset_class, days)
    return MarketRequest(model.instrument, model.timeframe, first, last, settings.feed, settings.adjustment)


def market_requests(run: TrainingRun, settings: Settings, as_of: pd.Timestamp) -> tuple[MarketRequest, ...]:
    """The market data of a whole archive, each series once, in the order of its models."""
    return tuple(dict.fromkeys(market_request(model, settings, as_of) for model in run.models))


def make_plan(run: TrainingRun, settings: Settings, profile: Profile, trials: int = 1) -> Plan:
    """Lay out a run.

    Args:
        trials: models known to have been tried on the same market window; those of the archive count anyway.

    Raises:
        SettingsError: nothing says as of when to judge, or a declared reward scale is not the profile's.
    """
    as_of = when(run, settings)
    models = []
    for model in run.models:
        check_reward_scale(model.id, model.declared, profile)
        gating = None if model.history is None else judge_training(model.history, profile, model.declared)
        backtest = backtest_window(as_of, model.timeframe, settings.backtest_days)
        folds = walk_forward_windows(as_of, model.timeframe, settings.walk_forward_days, settings.folds)
        models.append(ModelPlan(model, gating, backtest, folds))
    judged = sum(plan.model.checkpoint is not None for plan in models)
    return Plan(run, as_of, tuple(models), max(1, judged, trials))
