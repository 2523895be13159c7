"""The gate: an archive, a profile and recorded market in; evidence, judgements and a verdict out.

It knows nothing of pytest: the plugin drives it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from pytest_modelgate.adapters.archive import Archive
from pytest_modelgate.adapters.evidence.remote_store import RemoteStore
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
from pytest_modelgate.core.planning.plan import ModelPlan, Plan, WorkId
from pytest_modelgate.services.evaluator import Evaluator
from pytest_modelgate.services.evidence_gainer import ContentKeys, EvidenceGainer
from pytest_modelgate.services.model_loader import ModelLoader

if TYPE_CHECKING:  # pulls in verdicts, promotions and accounts, which a run that compares with nothing must not pay for
    from pytest_modelgate.services.champions import Champions
    from pytest_modelgate.services.watching import Watching

Find = Callable[[str, str], Evidence | None]
_Terms = tuple[float, tuple[str, ...]]  # trials, and digests of the records


@contextmanager
def _warnings_are_no_errors() -> Iterator[None]:
    """Let a library's warning cost no model its evidence where the user turns warnings into errors: it is shown."""
    if not any(action == "error" for action, *_ in warnings.filters):
        yield
        return
    with warnings.catch_warnings(action="default"):
        yield


@dataclass(frozen=True)
class Gate:
    """Judges the models of one archive.

    Attributes:
        plan: the evidence that this run has to show.
        store: evidence of this run, and of others.
        ledger: what the ledger says of models tried before; None without one.
        champions: what is deployed now; None when nothing is compared with it.
        watching: the account that trades models; None when none is asked.
    """

    settings: Settings
    archive: Archive
    profile: Profile
    plan: Plan
    store: EvidenceStore | RemoteStore
    loader: ModelLoader
    evaluator: Evaluator
    ledger: LedgerState | None = None
    champions: Champions | None = None
    watching: Watching | None = None
    _judged: dict[str, tuple[_Terms, Judgement]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def _gainer(self) -> EvidenceGainer:
        keys = ContentKeys(self.settings, self.profile, self.loader, self.watching)
        return EvidenceGainer(self.plan, self.store, self.evaluator, keys.of, self.settings.merge, keys.unfollowed)

    @property
    def agreement(self) -> str:
        """Digest of what all processes of a run have to agree on, the archive's bytes apart."""
        return agreement(self.plan, self.settings, self.profile, package_version())

    @_warnings_are_no_errors()
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

    @_warnings_are_no_errors()
    def reusable(self, model: str, name: str) -> Evidence | None:
        """Valid evidence that another run left, or that what they left disagrees; None when there is none."""
        return self._gainer.reusable(model, name)

    def trials(self, find: Find) -> float:
        """Independent looks at models on this market window, those of the archive seen together.

        Args:
            find: gives the evidence by model and name, None where there is none.
        """
        return independent_trials(self.plan.count, self.plan.models, find)

    @_warnings_are_no_errors()
    def judge(self, model: str, find: Find | None = None, trials: float | None = None) -> Judgement:
        """Decide on one model from its evidence alone.

        Args:
            find: gives the evidence by model and name, None where there is none; by default, what is missing is
                gained now.
            trials: independent looks; by default as many as there would be, were all models independent.
        """
        plan, trials = self.plan.of(model), self.plan.count.total() if trials is None else trials
        if find is not None:
            return self._judge(plan, partial(find, model), trials)
        terms = self._terms(plan, trials)
        if brief := self._remembered(plan, terms):
            return brief.with_bars(partial(self.evidence, model))
        judgement = self._judge(plan, partial(self.evidence, model), trials, self._before(plan, terms))
        self._remember(judgement, terms)
        return judgement

    @_warnings_are_no_errors()
    def judge_known(self, model: str, selected: frozenset[WorkId], trials: float) -> Judgement:
        """Decide on one model from what is known, evaluating nothing; without what happened at every bar.

        Args:
            selected: as of ``known``.
            trials: as of ``judge``.
        """
        plan = self.plan.of(model)
        terms = self._terms(plan, trials)
        if known := self._remembered(plan, terms):
            return known
        found = self._judge(plan, lambda name: self.known(model, name, selected), trials, self._before(plan, terms))
        return self._remember(found, terms)

    def _terms(self, plan: ModelPlan, trials: float) -> _Terms:
        """What a judgement rests on: taken before the records are read, so that a change meanwhile is noticed."""
        return trials, tuple(self.store.digest(plan.model.id, work.name) for work in plan.work)

    def _remembered(self, plan: ModelPlan, terms: _Terms) -> Judgement | None:
        """What was decided on these very records before, without what happened at every bar."""
        judged_on, judgement = self._judged.get(plan.model.id, (None, None))
        return judgement if judged_on == terms else None

    def _before(self, plan: ModelPlan, terms: _Terms) -> Judgement | None:
        """What was decided on these very records, be it with another number of trials."""
        (_, records), judgement = self._judged.get(plan.model.id, ((0.0, ()), None))
        return judgement if records == terms[1] else None

    def _remember(self, judgement: Judgement, terms: _Terms) -> Judgement:
        """Note what was decided, where all its evidence is on record in this run; without what happened at every bar.

        Returns:
            It without that.
        """
        brief = judgement.without_bars()
        if all(terms[1]):
            self._judged[brief.plan.model.id] = terms, brief
        return brief

    def _judge(
        self,
        plan: ModelPlan,
        find: Callable[[str], Evidence | None],
        trials: float,
        before: Judgement | None = None,
    ) -> Judgement:
        rule, waivers = self.settings.decision, self.settings.waivers
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
            before=before,
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

    @_warnings_are_no_errors()
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
