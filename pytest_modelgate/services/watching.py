"""Accounts that trade promoted models: what a model's record is held against is put together, and measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from pytest_modelgate.adapters.promotion import Promoted, Record, Target
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import Instrument
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.planning.plan import ModelPlan, OnAccount, reaching_back, requests_of
from pytest_modelgate.core.watching.evidence import WatchEvidence, unmeasured
from pytest_modelgate.core.watching.measuring import InForce, WatchSubject, measure_watch
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import AccountError, GateError, SettingsError
from pytest_modelgate.services.account_replaying import Watched, raw_requests, replay_account
from pytest_modelgate.services.model_loader import ModelLoader

_OPTION = "--gate-paper"


@dataclass(frozen=True)
class Watching:
    """What an account trades, and what is on record of it.

    Attributes:
        digest: of all that comparisons with it depend on.
        promotion: digest of the promotion.
        promoted, in_force: the models in force, by id, as the promotion and as the measuring says it.
        account: what is on record; where nothing usable is, the reason.
    """

    digest: str
    promotion: str
    promoted: Mapping[str, Promoted]
    in_force: Mapping[str, InForce]
    account: Watched | AccountError

    def of(self, models: Iterable[str]) -> dict[str, OnAccount]:
        """What the account is to show of each model, by id."""
        since = {name: model.since for name, model in self.in_force.items()}
        return {name: OnAccount(self.digest, since.get(name)) for name in models}

    def measure(self, plan: ModelPlan, loader: ModelLoader, settings: Settings) -> WatchEvidence:
        """Compare what the account did with one model with what its bytes would have done.

        Raises:
            AccountError: no account's record can be read.
            GateError: the model or its bars cannot be used.
        """
        model = self.in_force.get(plan.model.id)
        if model is None or not self._same_bytes(plan, loader):
            return not_in_force(plan.model.id, self.promoted.get(plan.model.id))
        if isinstance(self.account, AccountError):
            raise self.account
        raw = loader.raw_bars(plan, raw_requests(plan.model, settings, loader.as_of, model.since))
        candidate, capital = loader.candidate_since(plan), settings.capital
        subject = WatchSubject(model, candidate, raw, plan.account, capital, loader.as_of)
        others = [other for other in self.in_force.values() if other is not model]
        measured = measure_watch(subject, others, self.account.record, self.account.told)
        return replace(measured, earned=self.promoted[model.id].source.record is not None)

    def key(self, plan: ModelPlan, loader: ModelLoader, settings: Settings) -> tuple[str, ...]:
        """All that the comparison of a model depends on beside the model, and the bars it is judged on.

        Raises:
            As of ``measure``, where no record is to blame.
        """
        model = self.in_force.get(plan.model.id)
        if model is None or not self._same_bytes(plan, loader) or isinstance(self.account, AccountError):
            return (self.digest,)
        raw = loader.raw_bars(plan, raw_requests(plan.model, settings, loader.as_of, model.since))
        series = [loader.market_since(plan).bars, *([raw] if raw else [])]
        return (
            self.digest,
            str(loader.as_of),
            *(part for bars in series for part in (bars.sha256, bars.traded_sha256)),
        )

    def _same_bytes(self, plan: ModelPlan, loader: ModelLoader) -> bool:
        """Whether the judged bytes, the normaliser's too, are those that the account trades."""
        promoted = self.promoted[plan.model.id]
        return loader.digests(plan.model) == (promoted.sha256, promoted.normaliser_sha256)


def read_watching(folder: Path, cassettes: Path) -> Watching:
    """Read the folder of a promotion, and the record of the account that trades it.

    A record that is missing or unusable costs each of its models its decision, and ends nothing.

    Raises:
        SettingsError: nothing was promoted there, or something was altered since.
    """
    try:
        promotion = Target(folder).record()
        if promotion is not None:
            Target(folder).of_set(promotion.set)  # its files are verified
    except GateError as error:
        raise SettingsError(f"{_OPTION}, {error.where}", error.problem, error.remedy) from None
    if promotion is None:
        problem = "holds no promotion.json"
        raise SettingsError(f"{_OPTION} {folder}", problem, "Name a folder that modelgate promote wrote")
    account: Watched | AccountError
    try:
        account = replay_account(cassettes, promotion)
        known: list[object] = [account.record.sha256, asdict(account.told)]
    except AccountError as error:
        account, known = error, [str(error)]
    promoted = {model.id: model for model in promotion.models}
    in_force = {name: _in_force(promotion, model) for name, model in promoted.items()}
    earned = {name: model.source.record for name, model in promoted.items()}
    terms = [[name, model.sha256, str(model.since), model.decision, earned[name]] for name, model in in_force.items()]
    return Watching(json_sha256([terms, known]), promotion.digest, promoted, in_force, account)


def requests_since(plan: ModelPlan, settings: Settings, as_of: pd.Timestamp) -> tuple[MarketRequest, ...]:
    """Market data that the comparison of a model with its account needs beside what it is judged on."""
    if plan.watched is None or plan.watched.since is None:
        return ()
    since = plan.watched.since
    longer = requests_of(plan.model, reaching_back(settings, as_of, since), as_of)
    needed = (*longer, *raw_requests(plan.model, settings, as_of, since))
    known = requests_of(plan.model, settings, as_of)
    return tuple(request for request in dict.fromkeys(needed) if request not in known)


def _in_force(promotion: Record, model: Promoted) -> InForce:
    """A model of a promotion; one from before moments of models were kept counts from the promotion on."""
    instrument = Instrument.parse(model.id.partition("_")[0])
    since = pd.Timestamp(promotion.since_of(model)).tz_convert("UTC")
    return InForce(model.id, model.sha256, instrument, since, model.decision)


def not_in_force(model: str, other: Promoted | None) -> WatchEvidence:
    """Evidence of a model that no account trades, since others are in force, or none."""
    problem = "no model of its name is in force there"
    if other:
        problem = f"other bytes of it are in force there, {other.sha256[:12]}..."
    remedy = "Promote it there, then record what the account does with it: modelgate watch"
    return unmeasured(model, problem, remedy)
