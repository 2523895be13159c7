"""The gate: an archive, a profile and recorded market in; evidence, judgements and a verdict out.

It knows nothing of pytest: the plugin drives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.ledger import LedgerState
from pytest_modelgate.adapters.source_digest import package_version
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.archive_trials import independent_trials
from pytest_modelgate.core.decision.backtest_sanity import Sanity
from pytest_modelgate.core.decision.judgement import Judgement, judge, judge_sanity
from pytest_modelgate.core.decision.registration import registration_notes
from pytest_modelgate.core.evidence.content_key import agreement
from pytest_modelgate.core.evidence.records import Evidence, WindowEvidence
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.windows import sample_of
from pytest_modelgate.core.planning.plan import Plan, WorkId
from pytest_modelgate.services.champions import Champions
from pytest_modelgate.services.evaluator import Evaluator
from pytest_modelgate.services.evidence_gainer import ContentKeys, EvidenceGainer
from pytest_modelgate.services.model_loader import ModelLoader

Find = Callable[[str, str], Evidence | None]


@dataclass(frozen=True)
class Gate:
    """Judges the models of one archive.

    Attributes:
        plan: the evidence that this run has to show.
        store: evidence of this run, and of others.
        ledger: what the ledger says of models tried before; None without one.
        champions: what is deployed now; None when nothing is compared with it.
    """

    settings: Settings
    archive: Archive
    profile: Profile
    plan: Plan
    store: EvidenceStore
    loader: ModelLoader
    evaluator: Evaluator
    ledger: LedgerState | None = None
    champions: Champions | None = None

    @cached_property
    def _gainer(self) -> EvidenceGainer:
        keys = ContentKeys(self.settings, self.profile, self.loader)
        return EvidenceGainer(self.plan, self.store, self.evaluator, keys.of, self.settings.merge, keys.unfollowed)

    @property
    def agreement(self) -> str:
        """Digest of what all processes of a run have to agree on, the archive's bytes apart."""
        return agreement(self.plan, self.settings, self.profile, package_version())

    def evidence(self, model: str, name: str) -> Evidence:
        """This run's record of a piece of evidence, taken over or gained now where there is none."""
        return self._gainer.evidence(model, name)

    def known(self, model: str, name: str, selected: frozenset[WorkId]) -> Evidence | None:
        """Evidence as far as it is there, evaluating nothing; None when there is none.

        Args:
            selected: evidence that has a test in this run: of it this run's record counts alone, since an earlier one
                must not hide that the test came to nothing.
        """
        record = self.store.read(model, name)
        if record is not None or (model, name) in selected or not self.store.has_others:
            return record
        return self.reusable(model, name)

    def reusable(self, model: str, name: str) -> Evidence | None:
        """Valid evidence that another run left, or that what they left disagrees; None when there is none."""
        return self._gainer.reusable(model, name)

    def trials(self, find: Find) -> float:
        """Independent looks at models on this market window, those of the archive seen together.

        Args:
            find: gives the evidence by model and name, None where there is none.
        """
        return independent_trials(self.plan.count, self.plan.models, find)

    def judge(self, model: str, find: Find | None = None, trials: float | None = None) -> Judgement:
        """Decide on one model from its evidence alone.

        Args:
            find: gives the evidence by model and name, None where there is none; by default, what is missing is
                gained now.
            trials: independent looks; by default as many as there would be, were all models independent.
        """
        lookup, plan = find or self.evidence, self.plan.of(model)
        rule, waivers = self.settings.decision, self.settings.waivers
        notes: tuple[str, ...] = ()
        if self.ledger and not plan.dropped:
            notes = registration_notes(plan, self.ledger.registered.get(model))
        return judge(
            plan,
            self.profile,
            rule,
            lambda name: lookup(model, name),
            self.plan.count.total() if trials is None else trials,
            waivers=waivers,
            stamp=self.plan.run.timestamp,
            notes=notes,
        )

    def sanity(self, backtest: WindowEvidence) -> Sanity:
        """Judge the evidence of a model's sanity window, as its decision will.

        Raises:
            MarketDataError: as ``bars``.
        """
        plan, index = self.plan.of(backtest.model), self.bars(backtest.model).index
        seen, embargo = plan.model.declared.seen, backtest.checkpoint.window
        samples = [sample_of(fold, seen, index, embargo).value for fold in plan.folds]
        return judge_sanity(plan, self.profile, backtest, samples)

    def bars(self, model: str) -> Bars:
        """The bars a model is judged on.

        Raises:
            MarketDataError: its cassette is missing, altered or unusable.
        """
        return self.loader.bars(self.plan.of(model))

    def close(self) -> None:
        """Release the archive and the copies of its checkpoints."""
        self.loader.close()
        self.archive.close()
