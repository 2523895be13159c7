"""The gate: an archive, a profile and recorded market in; evidence, judgements and a verdict out.

It knows nothing of pytest: the plugin drives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.ledger import LedgerState
from pytest_modelgate.adapters.source_digest import package_version
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.judgement import Judgement, judge
from pytest_modelgate.core.decision.registration import registration_notes
from pytest_modelgate.core.evidence.content_key import agreement
from pytest_modelgate.core.evidence.records import Evidence
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.planning.plan import ModelPlan, Plan, WorkId
from pytest_modelgate.services.champions import Champions
from pytest_modelgate.services.evaluator import Evaluator
from pytest_modelgate.services.evidence_gainer import ContentKeys, EvidenceGainer
from pytest_modelgate.services.model_loader import ModelLoader


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
    _judged: dict[str, tuple[tuple[str, ...], Judgement]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

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

    def judge(self, model: str, find: Callable[[str, str], Evidence | None] | None = None) -> Judgement:
        """Decide on one model from its evidence alone.

        Args:
            find: gives the evidence by model and name, None where there is none; by default, what is missing is
                gained now.
        """
        plan = self.plan.of(model)
        if find is not None:
            return self._judge(plan, partial(find, model))
        digests = self._digests(plan)
        if brief := self._remembered(plan, digests):
            return brief.with_bars(partial(self.evidence, model))
        judgement = self._judge(plan, partial(self.evidence, model))
        self._remember(judgement, digests)
        return judgement

    def judge_known(self, model: str, selected: frozenset[WorkId]) -> Judgement:
        """Decide on one model from what is known, evaluating nothing; without what happened at every bar.

        Args:
            selected: as of ``known``.
        """
        plan = self.plan.of(model)
        digests = self._digests(plan)
        known = self._remembered(plan, digests)
        return known or self._remember(self._judge(plan, lambda name: self.known(model, name, selected)), digests)

    def _digests(self, plan: ModelPlan) -> tuple[str, ...]:
        """Of what this run has on record; taken before that is read, so that a change meanwhile is noticed."""
        return tuple(self.store.digest(plan.model.id, work.name) for work in plan.work)

    def _remembered(self, plan: ModelPlan, digests: tuple[str, ...]) -> Judgement | None:
        """What was decided on these very records before, without what happened at every bar."""
        judged_on, judgement = self._judged.get(plan.model.id, ((), None))
        return judgement if judged_on == digests else None

    def _remember(self, judgement: Judgement, digests: tuple[str, ...]) -> Judgement:
        """Note what was decided, where all its evidence is on record in this run; without what happened at every bar.

        Returns:
            It without that.
        """
        brief = judgement.without_bars()
        if all(digests):
            self._judged[brief.plan.model.id] = digests, brief
        return brief

    def _judge(self, plan: ModelPlan, find: Callable[[str], Evidence | None]) -> Judgement:
        rule, trials, waivers = self.settings.decision, self.plan.trials, self.settings.waivers
        notes: tuple[str, ...] = ()
        if self.ledger and not plan.dropped:
            notes = registration_notes(plan, self.ledger.registered.get(plan.model.id))
        return judge(
            plan,
            self.profile,
            rule,
            find,
            trials,
            waivers=waivers,
            stamp=self.plan.run.timestamp,
            notes=notes,
        )

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
