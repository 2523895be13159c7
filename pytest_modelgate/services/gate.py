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
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.ledger import LedgerState, Trial, record_trials
from pytest_modelgate.adapters.source_digest import code_version, feature_set_version
from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.evaluation import attribute_window, evaluate, evaluate_all, replay
from pytest_modelgate.core.backtest.metrics import FoldResult, measure
from pytest_modelgate.core.backtest.rules import rules_for
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.judgement import Judgement, judge
from pytest_modelgate.core.evidence.content_key import agreement, content_key, model_key
from pytest_modelgate.core.evidence.records import (
    BarFigures,
    ChampionEvidence,
    CheckpointEvidence,
    Evidence,
    IntegrityEvidence,
    MarketEvidence,
    WindowEvidence,
    WindowFailure,
)
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.features.series import FeatureSeries, compute_features
from pytest_modelgate.core.integrity.examination import examine
from pytest_modelgate.core.integrity.parity import check_parity
from pytest_modelgate.core.integrity.perturbations import FoldReplayer
from pytest_modelgate.core.market.bars import Bars, Timeframe
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import Window, sample_of
from pytest_modelgate.core.planning.plan import (
    CHAMPION,
    INTEGRITY,
    ModelPlan,
    Plan,
    WindowId,
    make_plan,
    market_request,
)
from pytest_modelgate.core.policy.mlp import HOLD
from pytest_modelgate.core.statistics.paired_comparison import compare
from pytest_modelgate.core.training.run import CheckpointRef, TrainedModel
from pytest_modelgate.errors import ArchiveError, CheckpointError, SettingsError
from pytest_modelgate.services.accelerator import Accelerator
from pytest_modelgate.services.champions import Champions
from pytest_modelgate.services.market_data import MarketSeries, load_series

_MODELS_IN_MEMORY = 1  # tests run model by model
_SERIES_IN_MEMORY = 4  # features of a year of hours are 4 MB, its bars half a MB; models of one symbol share them
_MARKETS_IN_MEMORY = 64


@dataclass(frozen=True)
class _Prepared:
    candidate: Candidate
    checkpoint: CheckpointEvidence
    market: MarketEvidence


@dataclass
class Gate:
    """Judges the models of one archive.

    Attributes:
        feature_sets: gives them by name; asked when the first model is judged, since a suite may register its own.
        store: evidence of this run, and of others.
        scratch: private folder for copies of checkpoints, named by digest.
        selected: windows that have a test in this run; only what this run itself finds out about them counts.
        ledger: what the ledger says of models tried before; None without one.
        champions: what is deployed now; None when nothing is compared with it.
    """

    settings: Settings
    archive: Archive
    profile: Profile
    feature_sets: Callable[[], Mapping[str, FeatureSet]]
    store: EvidenceStore
    scratch: Path
    selected: frozenset[WindowId] = frozenset()
    ledger: LedgerState | None = None
    champions: Champions | None = None

    def __post_init__(self) -> None:
        """Keep what several windows and models share; policies are large, and judged one after the other."""
        self._prepare = lru_cache(maxsize=_MODELS_IN_MEMORY)(self._prepare_uncached)
        self._series = lru_cache(maxsize=_SERIES_IN_MEMORY)(self._series_uncached)
        self._load = lru_cache(maxsize=_MARKETS_IN_MEMORY)(self._load_uncached)
        self._model_key = lru_cache(maxsize=None)(self._model_key_uncached)
        self._accelerator = Accelerator(self.settings.device)

    @cached_property
    def plan(self) -> Plan:
        """What this run has to show."""
        trials = self.ledger.trials if self.ledger else 1
        deployed = self.champions.by_model if self.champions else {}
        rivals = {model: champion.sha256 for model, champion in deployed.items()}
        return make_plan(self.archive.run, self.settings, self.profile, trials, rivals)

    def close(self) -> None:
        """Release the archive, and what is mapped from copies of its checkpoints: some systems keep mapped files."""
        self._prepare.cache_clear()
        self.archive.close()

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
                sha256 = self._digest(plan.model.checkpoint)
            except ArchiveError:
                continue  # it is INCOMPLETE, and says why when it is judged
            start, end = (moment.isoformat() for moment in (plan.folds[0].start, plan.folds[-1].end))
            trials.append(Trial(plan.model.id, sha256, start, end))
        return record_trials(self.settings.ledger, trials)

    @property
    def agreement(self) -> str:
        """Digest of what all processes of a run have to agree on, the archive's bytes apart."""
        return agreement(self.plan, self.settings, self.profile, code_version())

    def evidence(self, model_id: str, window_name: str) -> Evidence:
        """Evidence of one window: this run's record, or gained now and recorded before anything is asserted.

        What another run found out under the same content key is taken over; otherwise the window is evaluated, unless
        this run only merges.
        """
        known = self.store.read(model_id, window_name)
        if known is not None:
            return known
        try:
            with self.store.claim(model_id, window_name):
                return self.store.read(model_id, window_name) or self._gain(model_id, window_name)
        except SettingsError as error:  # the claim cannot be written: what nobody can read later is no evidence
            return WindowFailure.from_error(model_id, window_name, error)

    def known(self, model_id: str, window_name: str) -> Evidence | None:
        """Evidence of one window as far as it is there, evaluating nothing; None when there is none.

        A window that has a test in this run counts with this run's record only: an earlier one must not hide that the
        test came to nothing.
        """
        record = self.store.read(model_id, window_name)
        if record is not None or (model_id, window_name) in self.selected or not self.store.has_others:
            return record
        return self.reusable(model_id, window_name)

    def reusable(self, model_id: str, window_name: str) -> Evidence | None:
        """Valid evidence of one window that another run left; None when there is none, or nothing tells."""
        if not self.store.has_other(model_id, window_name):
            return None  # as in most runs; a key takes reading the checkpoint and the bars
        plan = self.plan.of(model_id)
        try:
            found = self.store.reusable(model_id, window_name, self._key(plan, plan.window(window_name)))
        except Exception:  # noqa: BLE001 - whoever evaluates the window meets the same error, and records it
            return None
        return None if isinstance(found, WindowFailure) else found

    def judge(self, model_id: str, find: Callable[[str, str], Evidence | None] | None = None) -> Judgement:
        """Decide on one model from its evidence alone.

        Args:
            find: gives the evidence by model and window, None where there is none; by default, what is missing is
                gained now.
        """
        lookup = find or self.evidence
        plan = self.plan.of(model_id)
        rule, trials, waivers = self.settings.decision, self.plan.trials, self.settings.waivers
        return judge(plan, self.profile, rule, lambda window: lookup(model_id, window), trials, waivers=waivers)

    def bars(self, model_id: str) -> Bars:
        """The bars a model is judged on.

        Raises:
            MarketDataError: its cassette is missing, altered or unusable.
        """
        return self._market(self.plan.of(model_id)).bars

    def _gain(self, model_id: str, window_name: str) -> Evidence:
        plan, key = self.plan.of(model_id), ""
        window = plan.window(window_name)
        try:
            key = self._key(plan, window)
            with self.store.computing(key):
                evidence = self.store.reusable(model_id, window_name, key)
                if evidence is None or isinstance(evidence, WindowFailure):
                    evidence = (
                        evidence or _missing(plan, window) if self.settings.merge else self._find_out(plan, window)
                    )
                self.store.write(evidence, key)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # whatever breaks one model must not keep its siblings from being judged
            evidence = WindowFailure.from_error(model_id, window_name, error)
            self.store.fail(evidence, key)
            if not isinstance(error, Exception):
                raise  # pytest's own, as of a time limit; the other tests of the window need not run into it again
        return evidence

    def _key(self, plan: ModelPlan, window: Window) -> str:
        """What the evidence of a window depends on."""
        foreign = {name: item for name, item in self.feature_sets().items() if item is not REFERENCE}
        versions = {name: feature_set_version(item) for name, item in foreign.items()}
        return content_key(self._model_key(plan.model.id), window, versions, plan.champion)

    def _model_key_uncached(self, model_id: str) -> str:
        plan = self.plan.of(model_id)
        return model_key(
            plan,
            self.settings,
            self.profile,
            checkpoint_sha256=self._digest(self._checkpoint(plan.model)),
            request=market_request(plan.model, self.settings, self.plan.as_of),
            bars=self.bars(model_id),
            code=code_version(),
        )

    def _checkpoint(self, model: TrainedModel) -> CheckpointRef:
        if model.checkpoint is None:
            where = f"archive {self.archive.run.name}, model {model.id}"
            problem = f"the summary lists it, but there is no models/rl_symbols/{model.id}.pt"
            raise CheckpointError(where, problem, "Pack the checkpoint, or take the entry out of the summary")
        return model.checkpoint

    def _digest(self, checkpoint: CheckpointRef) -> str:
        """Digest of a checkpoint; it is copied on the way, to be read but once, where it is going to be evaluated."""
        if self.settings.merge:
            return self.archive.checkpoint_sha256(checkpoint)
        return self.archive.checkpoint_file(checkpoint, self.scratch)[1]

    def _find_out(self, plan: ModelPlan, window: Window) -> Evidence:
        if window.name == CHAMPION:
            return self._contest(plan, window)
        return self._examine(plan, window) if window.name == INTEGRITY else self._measure(plan, window)

    def _measure(self, plan: ModelPlan, window: Window) -> WindowEvidence:
        prepared = self._prepare(plan.model.id)
        candidate, model = prepared.candidate, plan.model
        trajectory, metrics = evaluate(candidate, window, self.settings.account, self.settings.capital)
        delayed = replay(candidate, window, [HOLD, *trajectory.actions.tolist()], self.settings.capital)
        embargo = candidate.policy.lookback
        return WindowEvidence(
            model=model.id,
            window=window.name,
            start=window.start.isoformat(),
            end=window.end.isoformat(),
            sample=sample_of(window, model.declared.training_window, candidate.series.bars.index, embargo).value,
            checkpoint=prepared.checkpoint,
            market=prepared.market,
            metrics=metrics,
            equity=tuple(trajectory.equity.tolist()),
            bars=BarFigures.of(attribute_window(candidate, window, trajectory)),
            delayed=FoldResult.of(measure(delayed, candidate.bars_per_year)),
            refused=dict(trajectory.refused),
            times=tuple(trajectory.index.as_unit("s").asi8.tolist()),
            first_open=float(candidate.series.bars.frame["open"].loc[trajectory.index[0]]),
        )

    def _examine(self, plan: ModelPlan, window: Window) -> IntegrityEvidence:
        prepared = self._prepare(plan.model.id)
        replayer = FoldReplayer(prepared.candidate, plan.folds, self.settings.capital)
        facts = prepared.checkpoint
        feature_set = self._feature_set(facts.feature_set, f"checkpoint {facts.member}")
        found = examine(replayer, plan.backtest, feature_set, self.profile, facts.sha256)
        return IntegrityEvidence(plan.model.id, window.name, found.checks, found.noise)

    def _contest(self, plan: ModelPlan, window: Window) -> ChampionEvidence:
        """Compare with the model now deployed, which trades the same folds by the same rules."""
        assert self.champions
        champion, own = self.champions.by_model[plan.model.id], self._prepare(plan.model.id).candidate
        if champion.file is None:
            theirs = champion.attributions(plan.folds, own.series.bars.sha256)
        else:
            policy, name = champion.load(self.settings)
            series = self._series(self._market(plan), self._feature_set(name, f"deployed {champion.file.name}"))
            theirs = self._attributions(
                Candidate(policy, series, own.rules, tuple(plan.folds), own.device, own.account), plan
            )
        comparison = compare(theirs, self._attributions(own, plan), champion.sha256)
        return ChampionEvidence(plan.model.id, window.name, comparison)

    def _attributions(self, candidate: Candidate, plan: ModelPlan) -> list[BarAttribution]:
        account, capital = self.settings.account, self.settings.capital
        traded = zip(plan.folds, evaluate_all(candidate, plan.folds, account, capital), strict=True)
        return [attribute_window(candidate, fold, trajectory) for fold, (trajectory, _) in traded]

    def _prepare_uncached(self, model_id: str) -> _Prepared:
        plan = self.plan.of(model_id)
        model = plan.model
        reference = self._checkpoint(model)
        where = f"checkpoint {reference.member}"
        path, sha256 = self.archive.checkpoint_file(reference, self.scratch)
        loaded = load_checkpoint(
            path,
            location=where,
            activation=self.settings.activation,
            feature_set=self.settings.feature_set,
            declared=model.declared,
            trainer_packages=self.settings.trainer_packages,
        )
        feature_set = self._feature_set(loaded.facts.feature_set, where)
        parity = check_parity(loaded.policy, model.declared.parity_probe, feature_set, where)
        loaded_series = self._market(plan)
        series = self._series(loaded_series, feature_set)
        request = market_request(model, self.settings, self.plan.as_of)
        facts, bars = loaded.facts, series.bars
        checkpoint = CheckpointEvidence(
            member=reference.member,
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
            adjustment=request.adjustment,
            first=bars.index[0].isoformat(),
            last=bars.index[-1].isoformat(),
            bars=len(bars),
            sha256=bars.sha256,
            quality=loaded_series.quality,
        )
        rules = rules_for(self.profile, model.instrument.asset_class)
        judged = len(self.plan.models) * (plan.folds[-1].end - plan.folds[0].start) / model.timeframe.delta
        device = self._accelerator.device_for(loaded.policy, judged)
        candidate = Candidate(loaded.policy, series, rules, (plan.backtest, *plan.folds), device, self.settings.account)
        return _Prepared(candidate, checkpoint, market)

    def _feature_set(self, name: str, where: str) -> FeatureSet:
        known = self.feature_sets()
        if name not in known:
            problem = f"feature set {name!r} is unknown, known are {', '.join(sorted(known))}"
            remedy = "Register it in conftest.py with the hook pytest_modelgate_feature_sets"
            raise CheckpointError(where, problem, remedy)
        return known[name]

    def _market(self, plan: ModelPlan) -> MarketSeries:
        """The bars of a model; models of one symbol and timeframe have the same windows, and share them."""
        request = market_request(plan.model, self.settings, self.plan.as_of)
        return self._load(request, plan.model.timeframe, (plan.backtest, *plan.folds))

    def _load_uncached(self, request: MarketRequest, timeframe: Timeframe, windows: tuple[Window, ...]) -> MarketSeries:
        return load_series(request, timeframe, windows, self.profile.market_data, self.settings)

    def _series_uncached(self, market: MarketSeries, feature_set: FeatureSet) -> FeatureSeries:
        return compute_features(market.bars, feature_set)


def _missing(plan: ModelPlan, window: Window) -> WindowFailure:
    where = f"{plan.model.id} {window.name}"
    problem = "there is no evidence of it for this archive, these options and this version of the gate"
    remedy = "Run the shards again, and name the evidence of each of them with --gate-evidence"
    return WindowFailure(plan.model.id, window.name, where, problem, remedy)
