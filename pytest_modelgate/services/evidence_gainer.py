"""Evidence of a run: claimed, taken over from another run under the same content key, or gained, and put on record."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_modelgate.adapters.evidence.remote_store import RemoteStore
from pytest_modelgate.adapters.evidence.store import EvidenceConflictError, EvidenceStore
from pytest_modelgate.adapters.feature_set_digest import UnfollowedCodeError, feature_set_version
from pytest_modelgate.adapters.source_digest import evidence_version
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.content_key import content_key, model_key
from pytest_modelgate.core.evidence.records import Evidence, WindowFailure
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.planning.plan import ModelPlan, Plan, Work, WorkKind
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.services.evaluator import Evaluator
from pytest_modelgate.services.model_loader import ModelLoader
from pytest_modelgate.text import plain

if TYPE_CHECKING:  # pulls in promotions and accounts, which a run that asks no account must not pay for
    from pytest_modelgate.services.watching import Watching

KeyOf = Callable[[ModelPlan, Work], str]


class ContentKeys:
    """Content keys of evidence; what all evidence of a model depends on is digested once.

    Attributes:
        unfollowed: sentences about feature sets whose code cannot be followed: nobody else's evidence has their keys.
    """

    def __init__(
        self, settings: Settings, profile: Profile, loader: ModelLoader, watching: Watching | None = None
    ) -> None:
        self._settings, self._profile, self._loader, self._watching = settings, profile, loader, watching
        self._models: dict[str, str] = {}
        self.unfollowed: list[str] = []

    def of(self, plan: ModelPlan, work: Work) -> str:
        """The key of one piece of evidence.

        Raises:
            GateError: the checkpoint or the bars cannot be read.
        """
        watched = self._watched(plan) if work.kind is WorkKind.PAPER else ()
        return content_key(self._model_key(plan), work, self._feature_sets, plan.champion, watched)

    def _watched(self, plan: ModelPlan) -> tuple[str, ...]:
        return self._watching.key(plan, self._loader, self._settings) if self._watching else ()

    @cached_property
    def _feature_sets(self) -> dict[str, str]:
        """Versions of the registered sets, found once: one that remembers what it computed changes by that."""
        return {
            name: self._version(item) for name, item in self._loader.feature_sets().items() if item is not REFERENCE
        }

    def _version(self, feature_set: FeatureSet) -> str:
        try:
            return feature_set_version(feature_set)
        except UnfollowedCodeError as error:
            reason = plain(str(error)).removesuffix(".")
            self.unfollowed.append(f"the code of feature set {plain(feature_set.name)} cannot be followed ({reason})")
            return secrets.token_hex(32)

    def _model_key(self, plan: ModelPlan) -> str:
        name = plan.model.id
        if name not in self._models:
            self._models[name] = model_key(
                plan,
                self._settings,
                self._profile,
                checkpoint_sha256=self._loader.checkpoint_sha256(plan.model),
                request=self._loader.request(plan.model),
                bars=self._loader.bars(plan),
                actions=self._loader.actions(plan),
                code=evidence_version(),
                read_as=self._loader.format_of(plan.model),
            )
        return self._models[name]


@dataclass(frozen=True)
class EvidenceGainer:
    """Gains evidence, at most once among all processes of a run and all runs in one place.

    Attributes:
        store: evidence of this run, and of others.
        key_of: gives the content key of a piece of evidence, as ``ContentKeys.of``.
        merge: nothing is evaluated: evidence of other runs has to do.
        unfollowed: sentences about code that cannot be followed, as ``ContentKeys.unfollowed``.
    """

    plan: Plan
    store: EvidenceStore | RemoteStore
    evaluator: Evaluator
    key_of: KeyOf
    merge: bool = False
    unfollowed: Sequence[str] = ()

    def evidence(self, model: str, name: str) -> Evidence:
        """This run's record of a piece of evidence, or gained now and recorded before anything is asserted.

        What another run found out under the same content key is taken over; otherwise the work is done, unless this
        run only merges.
        """
        known = self.store.read(model, name)
        if known is not None:
            return known
        try:
            with self.store.claim(model, name):
                return self.store.read(model, name) or self._gain(model, name)
        except SettingsError as error:  # the claim cannot be written: what nobody can read later is no evidence
            return WindowFailure.from_error(model, name, error)

    def reusable(self, model: str, name: str) -> Evidence | None:
        """Valid evidence that another run left; None when there is none, or nothing tells.

        Where what other runs left disagrees it is a failure that says so: nothing will be evaluated then.
        """
        if not self.store.has_other(model, name):
            return None  # as in most runs; a key takes reading the checkpoint and the bars
        plan = self.plan.of(model)
        try:
            evidence = self.store.reusable(model, name, self.key_of(plan, plan.work_named(name)))
        except EvidenceConflictError as error:
            return WindowFailure.from_error(model, name, error)
        except Exception:  # noqa: BLE001 - whoever does the work meets the same error, and records it
            return None
        return None if isinstance(evidence, WindowFailure) else evidence

    def _gain(self, model: str, name: str) -> Evidence:
        plan, key = self.plan.of(model), ""
        work = plan.work_named(name)
        try:
            key = self.key_of(plan, work)
            with self.store.computing(key):
                evidence = self._take_over_or_evaluate(plan, work, key)
                self.store.write(evidence, key)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # whatever breaks one model must not keep its siblings from being judged
            evidence = WindowFailure.from_error(model, name, error)
            self.store.fail(evidence, key)
            if not isinstance(error, Exception):
                raise  # pytest's own, as of a time limit; the other tests of the work need not run into it again
        return evidence

    def _take_over_or_evaluate(self, plan: ModelPlan, work: Work, key: str) -> Evidence:
        left = self.store.reusable(plan.model.id, work.name, key)
        if left is not None and not isinstance(left, WindowFailure):
            return left
        if self.merge:
            return left or _missing(plan, work, self.unfollowed)
        return self.evaluator.evaluate(plan, work)


def _missing(plan: ModelPlan, work: Work, unfollowed: Sequence[str]) -> WindowFailure:
    where = f"{plan.model.id} {work.name}"
    problem = "there is no evidence of it for this archive, these options and this version of the gate"
    remedy = "Run the shards again, and name the evidence of each of them with --gate-evidence"
    if unfollowed:
        problem += f": {'; '.join(unfollowed)}, so no run can use what another found"
        remedy = "Register functions of modules that import what they need by name, or run the whole gate at once"
    return WindowFailure(plan.model.id, work.name, where, problem, remedy)
