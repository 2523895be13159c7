"""The gate itself: an archive, a profile and recorded market in; evidence, judgements and a verdict out.

This is where the adapters meet the core. It knows nothing of pytest: the plugin and the command line drive it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.checkpoint import load_checkpoint
from pytest_modelgate.adapters.evidence_store import EvidenceStore
from pytest_modelgate.adapters.ledger import LedgerState, Trial, record_trials
from pytest_modelgate.core.bars import Bars
from pytest_modelgate.core.evaluation import FeatureSeries, Subject, compute_features, evaluate, replay, track_window
from pytest_modelgate.core.evidence import (
    BarFigures,
    CheckpointEvidence,
    Evidence,
    IntegrityEvidence,
    MarketEvidence,
    WindowEvidence,
    WindowFailure,
)
from pytest_modelgate.core.examination import examine
from pytest_modelgate.core.features import FeatureSet
from pytest_modelgate.core.judgement import Judgement, judge
from pytest_modelgate.core.market import MarketRequest
from pytest_modelgate.core.metrics import measure
from pytest_modelgate.core.parity import check_parity
from pytest_modelgate.core.plan import INTEGRITY, ModelPlan, Plan, make_plan, market_request
from pytest_modelgate.core.policy import HOLD
from pytest_modelgate.core.profiles import Profile
from pytest_modelgate.core.settings import Settings
from pytest_modelgate.core.spread import FoldResult
from pytest_modelgate.core.variants import Arena
from pytest_modelgate.core.windows import Window, sample_of
from pytest_modelgate.errors import ArchiveError, CheckpointError
from pytest_modelgate.market_data import replay_bars

_MODELS_IN_MEMORY = 2


@dataclass(frozen=True)
class _Prepared:
    subject: Subject
    checkpoint: CheckpointEvidence
    market: MarketEvidence


@dataclass
class Gate:
    """Judges the models of one archive.

    Attributes:
        feature_sets: gives them by name; asked when the first model is judged, since a suite may register its own.
        store: evidence of this run.
        scratch: private folder for copies of checkpoints, named by digest.
        ledger: what the ledger says of models tried before; None without one.
    """

    settings: Settings
    archive: Archive
    profile: Profile
    feature_sets: Callable[[], Mapping[str, FeatureSet]]
    store: EvidenceStore
    scratch: Path
    ledger: LedgerState | None = None

    def __post_init__(self) -> None:
        """Keep what several windows and models share; policies are large, and judged one after the other."""
        self._prepare = lru_cache(maxsize=_MODELS_IN_MEMORY)(self._prepare_uncached)
        self._series = lru_cache(maxsize=None)(self._series_uncached)
        self._replay = lru_cache(maxsize=None)(replay_bars)

    @cached_property
    def plan(self) -> Plan:
        """What this run has to show."""
        trials = self.ledger.trials if self.ledger else 1
        return make_plan(self.archive.run, self.settings, self.profile, trials)

    def enter_in_ledger(self) -> LedgerState | None:
        """Enter the archive's models in the ledger, before anything is judged: a run broken off has tried them, too.

        Raises:
            SettingsError: the ledger cannot be used.
        """
        if self.settings.ledger is None:
            return None
        trials = []
        for plan in self.plan.models:
            if plan.model.checkpoint is None:
                continue
            try:
                _, sha256 = self.archive.checkpoint_file(plan.model.checkpoint, self.scratch)
            except ArchiveError:
                continue  # it is INCOMPLETE, and says why when it is judged
            start, end = (moment.isoformat() for moment in (plan.folds[0].start, plan.folds[-1].end))
            trials.append(Trial(plan.model.id, sha256, start, end))
        return record_trials(self.settings.ledger, trials)

    def evidence(self, model_id: str, window_name: str) -> Evidence:
        """Evidence of one window: this run's record, or measured now and recorded before anything is asserted."""
        known = self.store.read(model_id, window_name)
        if known is not None:
            return known
        evidence: Evidence
        try:
            measure = self._examine if window_name == INTEGRITY else self._measure
            evidence = measure(self.plan.of(model_id), self.plan.of(model_id).window(window_name))
        except Exception as error:  # noqa: BLE001 - whatever breaks one model must not keep its siblings from being judged
            evidence = WindowFailure.from_error(model_id, window_name, error)
        self.store.write(evidence)
        return evidence

    def judge(self, model_id: str, *, measure: bool = True) -> Judgement:
        """Decide on one model from its evidence alone.

        Args:
            measure: whether missing evidence is measured now; if not, the model is INCOMPLETE without it.
        """
        lookup = self.evidence if measure else self.store.read
        plan = self.plan.of(model_id)
        rule = self.settings.decision
        return judge(plan, self.profile, rule, lambda window: lookup(model_id, window), self.plan.trials)

    def bars(self, model_id: str) -> Bars:
        """The bars a model is judged on.

        Raises:
            MarketDataError: its cassette is missing, altered or unusable.
        """
        request = market_request(self.plan.of(model_id).model, self.settings, self.plan.as_of)
        return self._replay(request, self.settings.cassettes, self.settings.sessions)

    def _measure(self, plan: ModelPlan, window: Window) -> WindowEvidence:
        prepared = self._prepare(plan.model.id)
        subject, model = prepared.subject, plan.model
        trajectory, metrics = evaluate(subject, window, self.settings.account, self.settings.capital)
        delayed = replay(subject, window, [HOLD, *trajectory.actions.tolist()], self.settings.capital)
        embargo = subject.policy.window
        return WindowEvidence(
            model=model.id,
            window=window.name,
            start=window.start.isoformat(),
            end=window.end.isoformat(),
            sample=sample_of(window, model.declared.training_window, subject.series.bars.index, embargo).value,
            checkpoint=prepared.checkpoint,
            market=prepared.market,
            metrics=metrics,
            equity=tuple(trajectory.equity.tolist()),
            bars=BarFigures.of(track_window(subject, window, trajectory)),
            delayed=FoldResult.of(measure(delayed, subject.bars_per_year)),
            refused=dict(trajectory.refused),
        )

    def _examine(self, plan: ModelPlan, window: Window) -> IntegrityEvidence:
        prepared = self._prepare(plan.model.id)
        arena = Arena(prepared.subject, plan.folds, self.settings.capital)
        facts = prepared.checkpoint
        feature_set = self._feature_set(facts.feature_set, f"checkpoint {facts.member}")
        found = examine(arena, plan.backtest, feature_set, self.profile, facts.sha256)
        return IntegrityEvidence(plan.model.id, window.name, found.checks, found.noise)

    def _prepare_uncached(self, model_id: str) -> _Prepared:
        model = self.plan.of(model_id).model
        if model.checkpoint is None:
            where = f"archive {self.archive.run.name}, model {model.id}"
            problem = f"the summary lists it, but there is no models/rl_symbols/{model.id}.pt"
            raise CheckpointError(where, problem, "Pack the checkpoint, or take the entry out of the summary")
        path, sha256 = self.archive.checkpoint_file(model.checkpoint, self.scratch)
        where = f"checkpoint {model.checkpoint.member}"
        loaded = load_checkpoint(
            path,
            where=where,
            activation=self.settings.activation,
            feature_set=self.settings.feature_set,
            declared=model.declared,
            trainer_packages=self.settings.trainer_packages,
        )
        feature_set = self._feature_set(loaded.facts.feature_set, where)
        parity = check_parity(loaded.policy, model.declared.parity_probe, feature_set, where)
        request = market_request(model, self.settings, self.plan.as_of)
        series = self._series(request, feature_set)
        facts, bars = loaded.facts, series.bars
        checkpoint = CheckpointEvidence(
            member=model.checkpoint.member,
            sha256=sha256,
            model_version=facts.model_version,
            min_trader_version=facts.min_trader_version,
            feature_set=facts.feature_set,
            activation=facts.activation,
            hidden=facts.hidden,
            window=facts.window,
            n_features=facts.n_features,
            n_actions=facts.n_actions,
            parity=parity.status,
            parity_detail=parity.detail,
        )
        market = MarketEvidence(
            symbol=model.instrument.symbol,
            timeframe=model.timeframe.value,
            feed=request.feed,
            first=bars.index[0].isoformat(),
            last=bars.index[-1].isoformat(),
            bars=len(bars),
            sha256=bars.sha256,
        )
        rules = self.profile.trading_rules(model.instrument.asset_class)
        return _Prepared(Subject(loaded.policy, series, rules), checkpoint, market)

    def _feature_set(self, name: str, where: str) -> FeatureSet:
        known = self.feature_sets()
        if name not in known:
            problem = f"feature set {name!r} is unknown, known are {', '.join(sorted(known))}"
            remedy = "Register it in conftest.py with the hook pytest_modelgate_feature_sets"
            raise CheckpointError(where, problem, remedy)
        return known[name]

    def _series_uncached(self, request: MarketRequest, feature_set: FeatureSet) -> FeatureSeries:
        return compute_features(self._replay(request, self.settings.cassettes, self.settings.sessions), feature_set)
