"""Models of an archive with their bars and features, each loaded once as long as several windows or models share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile, PolicyFormat, choose_format, read_policy
from pytest_modelgate.core.backtest.candidate import Candidate
from pytest_modelgate.core.backtest.rules import TradingRules, rules_for
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.records import CheckpointEvidence, MarketEvidence
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.series import FeatureSeries, compute_features
from pytest_modelgate.core.integrity.parity import Parity, check_parity
from pytest_modelgate.core.market.bars import Bars, Timeframe
from pytest_modelgate.core.market.grid import against, name_of, off_grid, origin_of, untold_grid
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.planning.plan import ModelPlan, bar_origin, market_request, reaching_back, when
from pytest_modelgate.core.policy.actions import action_name
from pytest_modelgate.core.policy.mlp import MlpPolicy, Policy
from pytest_modelgate.core.training.run import CheckpointRef, TrainedModel
from pytest_modelgate.errors import CheckpointError, MarketDataError
from pytest_modelgate.services.accelerator import Accelerator
from pytest_modelgate.services.market_data import MarketSeries, as_traded, load_series

TRAINERS = "trainer"  # the format that goes without saying
_SERIES_IN_MEMORY = 2  # features of a year of hours are 4 MB: a model's, and those of the one it is compared with
_MARKETS_IN_MEMORY = 64  # half a MB each: content keys take them before models are evaluated


@dataclass(frozen=True)
class PreparedModel:
    """A model ready to be evaluated, and the facts about its checkpoint and its bars that go on record."""

    candidate: Candidate
    checkpoint: CheckpointEvidence
    market: MarketEvidence


class ModelLoader:
    """Loads models, bars and features; one model is kept, since policies are large and judged one after the other.

    Args:
        feature_sets: gives them by name; asked when the first model is loaded, since a suite may register its own.
        scratch: private folder for copies of checkpoints, named by digest.
        formats: of model files; the built-in ones come first.
        read_market: as ``load_series``.
    """

    def __init__(
        self,
        settings: Settings,
        archive: Archive,
        profile: Profile,
        feature_sets: Callable[[], Mapping[str, FeatureSet]],
        scratch: Path,
        *,
        formats: Sequence[PolicyFormat] | None = None,
        read_market: Callable[..., MarketSeries] = load_series,
    ) -> None:
        self.feature_sets = feature_sets
        self._settings, self._archive, self._profile, self._scratch = settings, archive, profile, scratch
        self.formats: Sequence[PolicyFormat] = builtin_formats() if formats is None else formats
        self._read_market = read_market
        self.as_of: pd.Timestamp = when(archive.run, settings)
        self._accelerator = Accelerator(settings.device)
        self._prepared: dict[str, PreparedModel] = {}
        self._series = lru_cache(maxsize=_SERIES_IN_MEMORY)(_compute_series)
        self._markets = lru_cache(maxsize=_MARKETS_IN_MEMORY)(self._load_market)

    def prepared(self, plan: ModelPlan) -> PreparedModel:
        """The model of a plan, ready to be evaluated.

        Raises:
            ArchiveError, CheckpointError: its checkpoint or feature set cannot be used.
            MarketDataError: its cassette is missing, altered or unusable.
        """
        name = plan.model.id
        if name not in self._prepared:
            for earlier in self._prepared.values():
                earlier.candidate.series.bars.release()  # the bars may be asked for again, what it traded on may not
            self._prepared.clear()  # before another takes its room
            self._prepared[name] = self._prepare(plan)
        return self._prepared[name]

    def checkpoint_sha256(self, model: TrainedModel) -> str:
        """Digest of a checkpoint; it is copied on the way, to be read but once, where it is going to be evaluated.

        Raises:
            ArchiveError, CheckpointError: it is missing or cannot be read.
        """
        checkpoint = self._checkpoint(model)
        if self._settings.merge:
            return self._archive.checkpoint_sha256(checkpoint)
        return self._archive.checkpoint_file(checkpoint, self._scratch)[1]

    def loadable_sha256(self, model: TrainedModel) -> str:
        """Digest of a checkpoint that loads; reading it takes less than the copying that its judgement needs anyway.

        Raises:
            ArchiveError, CheckpointError: it is missing, or is none.
        """
        return self.load(model)[1]

    def format_of(self, model: TrainedModel) -> tuple[str, ...]:
        """Name and version of a model's format, and the digest of its normaliser where it has one.

        Raises:
            ArchiveError, CheckpointError: its file is missing or cannot be read, or no format is its own.
        """
        checkpoint = self._checkpoint(model)
        name = checkpoint.member.rpartition("/")[2]
        chosen = choose_format(self.formats, name, model.declared, f"checkpoint {checkpoint.member}")
        normaliser = self._archive.normaliser_sha256(checkpoint)
        return (chosen.name, chosen.version, *([normaliser] if normaliser else []))

    def digests(self, model: TrainedModel) -> tuple[str, str | None]:
        """Digests of a model's checkpoint, and of its normaliser where it has one; errors as of ``format_of``."""
        normaliser = self._archive.normaliser_sha256(self._checkpoint(model))
        return self.checkpoint_sha256(model), normaliser

    def load(self, model: TrainedModel) -> tuple[LoadedPolicy, str]:
        """A checkpoint, read from a private copy, and the digest of its bytes.

        Raises:
            ArchiveError, CheckpointError: it is missing, or cannot be used.
        """
        reference, settings = self._checkpoint(model), self._settings
        path, sha256 = self._archive.checkpoint_file(reference, self._scratch)
        normaliser = self._archive.normaliser_file(reference, self._scratch)
        try:
            file = PolicyFile(
                path,
                reference.member.rpartition("/")[2],
                f"checkpoint {reference.member}",
                model.declared,
                {model.declared.normaliser: normaliser} if normaliser and model.declared.normaliser else {},
                reference.beside,
                settings.activation,
                settings.feature_set,
                settings.model_version,
                settings.trainer_packages,
            )
            loaded = read_policy(self.formats, file)
            _check_confidence(loaded, rules_for(self._profile, model.instrument.asset_class), file.location)
        except CheckpointError as error:
            self._archive.refuse(reference, self._scratch, error)
            raise
        except FileNotFoundError:  # another process has refused it meanwhile, and left the reason
            self._archive.checkpoint_file(reference, self._scratch)
            raise
        return loaded, sha256

    def request(self, model: TrainedModel) -> MarketRequest:
        """The market data that a model's bars are made of."""
        settings, origin = self._settings, bar_origin(model, self._settings)
        return market_request(model.instrument, model.timeframe, settings, self.as_of, origin)

    def candidate_since(self, plan: ModelPlan) -> Candidate:
        """A model in front of bars that reach back to when it was put in force.

        Raises:
            As of ``prepared``.
        """
        prepared, window = self.prepared(plan), plan.watch.window
        market = self.market_since(plan)
        if market is self._market(plan):
            return prepared.candidate
        facts = prepared.checkpoint
        series = self._series(market, self.feature_set(facts.feature_set, f"checkpoint {facts.member}"))
        return replace(prepared.candidate, series=series, judged=(window,), tracked=())

    def market_since(self, plan: ModelPlan) -> MarketSeries:
        """Bars that reach back to when a model was put in force: where they do, those it is judged on.

        Raises:
            MarketDataError: their cassette is missing, altered or unusable.
        """
        model, settings = plan.model, reaching_back(self._settings, self.as_of, plan.watch.start)
        origin = bar_origin(model, settings)
        request = market_request(model.instrument, model.timeframe, settings, self.as_of, origin)
        return self._market_of(request, model.timeframe, plan.windows)

    def raw_bars(self, plan: ModelPlan, requests: Sequence[MarketRequest]) -> Bars | None:
        """The bars of a model as they were traded; None where nothing is asked, since they are not adjusted.

        Args:
            requests: what they are made of, last.

        Raises:
            MarketDataError: a cassette is missing, altered or unusable.
        """
        return as_traded(requests[-1], plan.model.timeframe, self._settings) if requests else None

    def bars(self, plan: ModelPlan) -> Bars:
        """The bars a model is judged on.

        Raises:
            MarketDataError: its cassette is missing, altered or unusable.
        """
        return self._market(plan).bars

    def actions(self, plan: ModelPlan) -> tuple[str, ...]:
        """What is known of the shares of a model's company, and from where; errors as of ``bars``."""
        quality = self._market(plan).quality
        return (quality.actions_from, *quality.actions)

    def series(self, plan: ModelPlan, feature_set: FeatureSet) -> FeatureSeries:
        """Features of the bars a model is judged on.

        Raises:
            MarketDataError: the cassette is missing, altered or unusable.
            CheckpointError: the feature set breaks its promise.
        """
        return self._series(self._market(plan), feature_set)

    def feature_set(self, name: str, where: str) -> FeatureSet:
        """The feature set of a name.

        Args:
            where: names what asks for it, for messages.

        Raises:
            CheckpointError: nobody registered it.
        """
        known = self.feature_sets()
        if name not in known:
            problem = f"feature set {name!r} is unknown, known are {', '.join(sorted(known))}"
            remedy = "Register it in conftest.py with the hook pytest_modelgate_feature_sets"
            raise CheckpointError(where, problem, remedy)
        return known[name]

    def close(self) -> None:
        """Release what is mapped from copies of checkpoints: some systems keep mapped files."""
        self._prepared.clear()

    def _prepare(self, plan: ModelPlan) -> PreparedModel:
        model = plan.model
        loaded, sha256 = self.load(model)
        member = self._checkpoint(model).member
        where = f"checkpoint {member}"
        feature_set = self.feature_set(loaded.feature_set, where)
        parity = check_parity(loaded.policy, model.declared.parity_probe, feature_set, where)
        market = self._market(plan)
        untold = _check_grid(model, market.bars, where)
        candidate = self._candidate(plan, loaded.policy, self.series(plan, feature_set))
        checkpoint = replace(
            _checkpoint_evidence(model, sha256, loaded, parity, read_as=self.format_of(model), untold=untold),
            feature_source=feature_set.source,
        )
        return PreparedModel(candidate, checkpoint, _market_evidence(plan, self.request(model), market))

    def _candidate(self, plan: ModelPlan, policy: Policy, series: FeatureSeries) -> Candidate:
        rules = rules_for(self._profile, plan.model.instrument.asset_class)
        fold_bars = (plan.folds[-1].end - plan.folds[0].start) / plan.model.timeframe.delta
        bars = len(self._archive.run.models) * fold_bars
        device = self._accelerator.device_for(policy, bars) if isinstance(policy, MlpPolicy) else None
        tracked = plan.windows if plan.account == "tracked" else ()
        return Candidate(policy, series, rules, plan.windows, device, tracked)

    def _checkpoint(self, model: TrainedModel) -> CheckpointRef:
        if model.fault:
            raise model.fault.error
        if model.checkpoint is None:
            where = f"archive {self._archive.run.name}, model {model.id}"
            problem = f"the summary lists it, but there is no models/rl_symbols/{model.id}.pt"
            raise CheckpointError(where, problem, "Pack the checkpoint, or take the entry out of the summary")
        return model.checkpoint

    def _market(self, plan: ModelPlan) -> MarketSeries:
        """Bars and their quality; models of one symbol and timeframe have the same windows, and share them."""
        return self._market_of(self.request(plan.model), plan.model.timeframe, plan.windows)

    def _market_of(self, request: MarketRequest, timeframe: Timeframe, windows: tuple[Window, ...]) -> MarketSeries:
        market = self._markets(request, timeframe, windows)
        if isinstance(market, MarketDataError):  # raised anew: one that is kept would keep what raised it
            raise MarketDataError(market.where, market.problem, market.remedy)
        return market

    def _load_market(
        self, request: MarketRequest, timeframe: Timeframe, windows: tuple[Window, ...]
    ) -> MarketSeries | MarketDataError:
        """Bars, or why there are none: every test of a model asks, and is to be told the same."""
        try:
            return self._read_market(request, timeframe, windows, self._profile.market_data, self._settings)
        except MarketDataError as error:
            return MarketDataError(error.where, error.problem, error.remedy)


def _compute_series(market: MarketSeries, feature_set: FeatureSet) -> FeatureSeries:
    return compute_features(market.bars, feature_set)


def _check_grid(model: TrainedModel, bars: Bars, where: str) -> str:
    """Refuse a model whose own bars began at other hours than those it is judged on.

    Returns:
        A sentence where nothing tells at which they began.

    Raises:
        CheckpointError: a declared origin, or a bar of the parity probe, is off the grid.
    """
    told = model.declared.bar_starts
    if flaw := off_grid(told, bars):
        raise CheckpointError(f"{where}, bar_origin", f"in training {flaw}", against(bars))
    return untold_grid(told, bars)


def _checkpoint_evidence(
    model: TrainedModel, sha256: str, loaded: LoadedPolicy, parity: Parity, *, read_as: tuple[str, ...], untold: str
) -> CheckpointEvidence:
    assert model.checkpoint
    policy, declared = loaded.policy, model.declared
    name, _, *normaliser = read_as
    return CheckpointEvidence(
        member=model.checkpoint.member,
        sha256=sha256,
        model_version=loaded.model_version,
        min_trader_version=loaded.min_trader_version,
        feature_set=loaded.feature_set,
        activation=loaded.activation,
        hidden=loaded.hidden,
        layers=loaded.layers,
        window=policy.lookback,
        n_features=policy.n_market + len(policy.account),
        actions=tuple(map(action_name, policy.actions)),
        account=policy.account,
        parity=parity.status,
        parity_detail=parity.detail,
        warnings=(*loaded.notes, *([untold] if untold else [])),
        format=None if name == TRAINERS else name,
        normaliser=model.checkpoint.normaliser,
        normaliser_sha256=next(iter(normaliser), None),
        observation=declared.observation,
        uncertified=not (loaded.certified and isinstance(policy, MlpPolicy)),
    )


def _check_confidence(loaded: LoadedPolicy, rules: TradingRules, location: str) -> None:
    """Refuse to ask for confidence where a policy's outputs say none.

    Raises:
        CheckpointError: the profile does.
    """
    if rules.min_confidence > 0.0 and not loaded.probabilities:
        problem = f"the profile asks for a confidence of {rules.min_confidence}, and its outputs are no probabilities"
        remedy = "Judge it by a profile without min_confidence, as it was trained"
        raise CheckpointError(f"{location}, confidence", problem, remedy)


def _market_evidence(plan: ModelPlan, request: MarketRequest, market: MarketSeries) -> MarketEvidence:
    bars = market.bars
    return MarketEvidence(
        symbol=plan.model.instrument.symbol,
        timeframe=plan.model.timeframe.value,
        feed=request.feed,
        adjustment=request.adjustment,
        first=bars.index[0].isoformat(),
        last=bars.index[-1].isoformat(),
        bars=len(bars),
        sha256=bars.sha256,
        quality=market.quality,
        traded_sha256=bars.traded_sha256,
        source=bars.source,
        bar_origin=name_of(origin_of(bars.index[:1].tolist(), bars.instrument, bars.timeframe)),
    )
