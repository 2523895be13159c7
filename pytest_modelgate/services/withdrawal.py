"""Withdrawal: one model out of the folder a trader reads, because a verdict no longer bears what it was promoted as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_modelgate.adapters.promotion import Promoted, Record, Target, Withdrawn
from pytest_modelgate.adapters.verdict.reader import read_verdict
from pytest_modelgate.adapters.verdict.schema import ModelPart, Verdict
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.errors import PromotionError
from pytest_modelgate.services.verdict_terms import MAX_AGE, RERUN, check_verdict, written_at
from pytest_modelgate.text import plain


@dataclass(frozen=True, kw_only=True)
class Because:
    """Verdict that a model is withdrawn by.

    Attributes:
        verdict: file of the verdict.
        max_age: since its market data ended, and since it was written.
        profile: file of its profile, for one that is not built in.
    """

    verdict: Path
    max_age: timedelta = MAX_AGE
    profile: str | None = None


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal takes out of force.

    Attributes:
        model: as it was promoted.
        withdrawn: what is written down of it.
        reason: why the verdict decides less, in its words; empty where it says none.
        stays: models in force afterwards.
        record: what was written; None when nothing was.
    """

    model: Promoted
    withdrawn: Withdrawn
    reason: str
    stays: tuple[Promoted, ...]
    record: Record | None


def withdraw(model_id: str, target: Target, because: Because, *, at: datetime, by: str, dry_run: bool) -> Withdrawal:
    """Take one model out of force; all others stay, and a folder may be left without any.

    Args:
        at: now, UTC.
        by: who withdraws; written down.
        dry_run: verify everything, change nothing.

    Raises:
        PromotionError: the verdict is not about these bytes in force or does not decide less of them, or the folder
            cannot be written; the folder is as before.
        SettingsError: the profile cannot be used.
    """
    target.check_begun()
    verdict, location = read_verdict(because.verdict), f"verdict {because.verdict}"
    check_verdict(verdict, location, at=at, max_age=because.max_age, digest=None, profile=because.profile)
    said = {"at": at.astimezone(UTC).isoformat(timespec="seconds"), "by": by}
    if dry_run:
        return _plan(model_id, target, verdict, location, said)[0]
    with target.changing():
        plan, current = _plan(model_id, target, verdict, location, said)
        sources = {name: path for model in plan.stays for name, path in target.paths_of(model).items()}
        record = target.install(plan.stays, sources, previous=current.set, withdrawn=plan.withdrawn, **said)
    return replace(plan, record=record)


def _plan(
    model_id: str, target: Target, verdict: Verdict, location: str, said: Mapping[str, str]
) -> tuple[Withdrawal, Record]:
    record, folder = target.record(), str(target.folder)
    if record is None:
        raise PromotionError(folder, "nothing was promoted there", "Name the folder given to modelgate promote")
    model = next((model for model in record.models if model.id == model_id), None)
    if model is None:
        known = ", ".join(other.id for other in record.models) or "none"
        raise PromotionError(folder, f"{plain(model_id, 40)} is not in force there", f"Name one that is: {known}")
    if unjudged := [name for name in target.unjudged(record) if name not in model.files]:
        problem = f"nobody judged {', '.join(map(plain, unjudged[:5]))} there"
        raise PromotionError(folder, problem, "Move it elsewhere, then withdraw again")
    judged = _judged(model, verdict, location)
    facts = {"id": model.id, "sha256": model.sha256, "decision": judged.decision}
    source = {"verdict": verdict.digest, "written": verdict.run["written"]}
    withdrawn = Withdrawn.model_validate({**facts, **source, **said})
    stays = tuple(other for other in record.models if other is not model)
    return Withdrawal(model, withdrawn, next(iter(judged.reasons), ""), stays, None), record


def _judged(model: Promoted, verdict: Verdict, location: str) -> ModelPart:
    """What a verdict says of a model in force.

    Raises:
        PromotionError: it is about other bytes, older than the promotion, or no reason to take the model out.
    """
    judged = next((part for part in verdict.models if part.id == model.id), None)
    found = (judged.checkpoint.sha256, judged.checkpoint.normaliser_sha256) if judged and judged.checkpoint else None
    if judged is None or found != (model.sha256, model.normaliser_sha256):
        problem = f"did not judge the bytes of {model.id} that are in force, sha256 {model.sha256[:12]}..."
        raise PromotionError(location, problem, f"Judge the archive they came from anew: {plain(model.source.archive)}")
    if written_at(verdict, location) < datetime.fromisoformat(model.source.written):
        problem = f"was written before the verdict that {model.id} was promoted by"
        raise PromotionError(location, problem, RERUN)
    if judged.decision == "INCOMPLETE":
        problem = f"could not judge {model.id}"
        raise PromotionError(location, problem, "See in its report what was missing, then run the gate again")
    if DecisionLevel[judged.decision] >= DecisionLevel[model.decision]:
        problem = (
            f"decides {judged.decision} of {model.id}, which is in force as {model.decision}: no reason to withdraw"
        )
        raise PromotionError(
            location, problem, "Withdraw by a verdict that decides less; modelgate rollback needs none"
        )
    return judged
