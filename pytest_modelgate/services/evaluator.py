"""Evaluation of a model: trading a window, examining its integrity, comparing it with what is deployed or was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.policy_format import PolicyFormat
from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import attribute_window, evaluate, evaluate_all, replay, waited_orders
from pytest_modelgate.core.backtest.metrics import FoldResult, measure
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.records import (
    BarFigures,
    ChampionEvidence,
    Evidence,
    FlaggedBars,
    IntegrityEvidence,
    WindowEvidence,
)
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.integrity.examination import examine
from pytest_modelgate.core.integrity.perturbations import FoldReplayer
from pytest_modelgate.core.market.windows import Window, sample_of
from pytest_modelgate.core.planning.plan import ModelPlan, Work, WorkKind
from pytest_modelgate.core.policy.actions import NO_ACTION
from pytest_modelgate.core.statistics.paired_comparison import compare
from pytest_modelgate.services.market_data import MarketSeries, load_series
from pytest_modelgate.services.model_loader import ModelLoader

if TYPE_CHECKING:  # pulls in verdicts, promotions and accounts, which a run that compares with nothing must not pay for
    from pytest_modelgate.core.watching.evidence import WatchEvidence
    from pytest_modelgate.services.champions import Champion, Champions
    from pytest_modelgate.services.watching import Watching


class Evaluator(Protocol):
    """Gains evidence about models."""

    def evaluate(self, plan: ModelPlan, work: Work) -> Evidence:
        """Do one piece of work on a model; any error means that there is no evidence."""


@dataclass(frozen=True)
class ModelEvaluator:
    """Evaluates the models that a loader loads.

    Attributes:
        champions: the models now deployed, by model.
        watching: the account that trades them; None where none is asked.
    """

    loader: ModelLoader
    settings: Settings
    profile: Profile
    champions: Mapping[str, Champion]
    watching: Watching | None = None

    def evaluate(self, plan: ModelPlan, work: Work) -> Evidence:
        """Do one piece of work on a model.

        Raises:
            GateError: its checkpoint, feature set, bars, champion or account's record cannot be used.
        """
        match work.kind:
            case WorkKind.WINDOW:
                return self._trade(plan, work.window)
            case WorkKind.INTEGRITY:
                return self._examine(plan, work)
            case WorkKind.CHAMPION:
                return self._compare(plan, work)
            case WorkKind.PAPER:
                return self._watch(plan)
            case _ as unreachable:
                assert_never(unreachable)

    def _trade(self, plan: ModelPlan, window: Window) -> WindowEvidence:
        prepared = self.loader.prepared(plan)
        candidate, model = prepared.candidate, plan.model
        trajectory, metrics = evaluate(candidate, window, plan.account, self.settings.capital)
        delayed = replay(candidate, window, [NO_ACTION, *trajectory.actions.tolist()], self.settings.capital)
        bars, embargo = candidate.series.bars, candidate.policy.lookback
        attribution = attribute_window(candidate, window, trajectory)
        inside = bars.rows(bars.positions(window.start, window.end))
        times = tuple(trajectory.index.as_unit("s").asi8.tolist())
        return WindowEvidence(
            model=model.id,
            window=window.name,
            start=window.start.isoformat(),
            end=window.end.isoformat(),
            sample=sample_of(window, model.declared.seen, bars.index, embargo).value,
            checkpoint=prepared.checkpoint,
            market=prepared.market,
            metrics=metrics,
            equity=tuple(trajectory.equity.tolist()),
            bars=BarFigures.of(attribution),
            delayed=FoldResult.of(measure(delayed, candidate.bars_per_year)),
            refused=dict(trajectory.refused),
            times=times,
            first_open=inside.quotes[0][0],
            exits=trajectory.exits,
            flagged=FlaggedBars.of(attribution, times, prepared.market.quality.flagged_at),
            waited=waited_orders(trajectory, inside),
            trades=trajectory.trades,
        )

    def _examine(self, plan: ModelPlan, work: Work) -> IntegrityEvidence:
        prepared = self.loader.prepared(plan)
        replayer = FoldReplayer(prepared.candidate, plan.folds, self.settings.capital)
        facts = prepared.checkpoint
        feature_set = self.loader.feature_set(facts.feature_set, f"checkpoint {facts.member}")
        found = examine(replayer, plan.backtest, feature_set, self.profile, facts.sha256, account=plan.account)
        return IntegrityEvidence(plan.model.id, work.name, found.checks, found.noise, found.undrawn)

    def _compare(self, plan: ModelPlan, work: Work) -> ChampionEvidence:
        """Compare with the model now deployed, which trades the same folds by the same rules."""
        champion, prepared = self.champions[plan.model.id], self.loader.prepared(plan)
        own = prepared.candidate
        if champion.file is None:
            theirs = champion.attributions(plan.folds, own.series.bars.sha256)
        else:
            champion.check_bars(prepared.market.bar_origin)
            policy, name = champion.load(self.settings, self.loader.formats)
            series = self.loader.series(plan, self.loader.feature_set(name, f"deployed {champion.file.name}"))
            mode = self.settings.account or champion.declared.account_mode or plan.account
            theirs_as = replace(plan, account=mode)
            tracked = plan.folds if theirs_as.account == "tracked" else ()
            deployed = replace(own, policy=policy, series=series, judged=plan.folds, tracked=tracked)
            theirs = self._attributions(deployed, theirs_as)
        comparison = compare(theirs, self._attributions(own, plan), champion.sha256)
        return ChampionEvidence(plan.model.id, work.name, comparison)

    def _watch(self, plan: ModelPlan) -> WatchEvidence:
        assert self.watching
        return self.watching.measure(plan, self.loader, self.settings)

    def _attributions(self, candidate: Candidate, plan: ModelPlan) -> list[BarAttribution]:
        account, capital = plan.account, self.settings.capital
        traded = zip(plan.folds, evaluate_all(candidate, plan.folds, account, capital), strict=True)
        return [attribute_window(candidate, fold, trajectory) for fold, (trajectory, _) in traded]


def build_evaluator(
    settings: Settings,
    archive: Archive,
    profile: Profile,
    feature_sets: Callable[[], Mapping[str, FeatureSet]],
    scratch: Path,
    *,
    champions: Champions | None,
    watching: Watching | None = None,
    formats: Sequence[PolicyFormat] | None = None,
    read_market: Callable[..., MarketSeries] = load_series,
) -> tuple[ModelLoader, Evaluator]:
    """The loader and the evaluator of one archive.

    Args:
        feature_sets, scratch, read_market: as of ``ModelLoader``.
        champions: the models now deployed; None where nothing is compared with them.
        watching: the account that trades them; None where none is asked.
        formats: of model files; None for the built-in ones.
    """
    loader = ModelLoader(settings, archive, profile, feature_sets, scratch, formats=formats, read_market=read_market)
    by_model = champions.by_model if champions else {}
    return loader, ModelEvaluator(loader, settings, profile, by_model, watching)
