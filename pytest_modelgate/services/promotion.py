"""Promotion: from a verdict and the archive it is about to the folder a trader reads, and back.

Whatever cannot be verified is refused before the folder is touched.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pytest_modelgate.adapters.archive import SUFFIXES, Archive, open_archive
from pytest_modelgate.adapters.promotion import Promoted, Record, Source, Target, Withdrawn
from pytest_modelgate.adapters.verdict.reader import read_verdict
from pytest_modelgate.adapters.verdict.schema import ModelPart, Verdict
from pytest_modelgate.core.config.decision_level import DecisionLevel
from pytest_modelgate.errors import ArchiveError, PromotionError
from pytest_modelgate.services.verdict_terms import MAX_AGE, RERUN, check_verdict
from pytest_modelgate.text import plain

Others = Literal["refuse", "keep", "remove"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Terms on which models are promoted.

    Attributes:
        minimum: the least decision that is promoted; LIVE or PAPER.
        all_or_nothing: refuse unless every model of the archive reaches it.
        others: what happens to models in force that this verdict does not promote.
        max_age: since the judged market data ended, and since the verdict was written.
        digest: which verdict it has to be; None for any.
        profile: file of the profile, for one that is not built in.
    """

    minimum: DecisionLevel = DecisionLevel.LIVE
    all_or_nothing: bool = False
    others: Others = "refuse"
    max_age: timedelta = MAX_AGE
    digest: str | None = None
    profile: str | None = None


@dataclass(frozen=True)
class Change:
    """Change that a promotion or rollback makes to a folder.

    Attributes:
        models: what is in force afterwards, by id.
        promoted: ids that come from this verdict.
        removed: names of files that were in the folder and no longer are.
        held_back: models of the verdict that are not promoted, and their decisions.
        record: what was written; None when nothing was.
    """

    models: Mapping[str, Promoted]
    promoted: tuple[str, ...]
    removed: tuple[str, ...]
    held_back: Mapping[str, str]
    record: Record | None


def promote(
    verdict_path: Path, archive_path: Path, target: Target, terms: Terms, *, at: datetime, by: str, dry_run: bool
) -> Change:
    """Put the models that a verdict releases in force.

    Args:
        at: now, UTC.
        by: who promotes; written down.
        dry_run: verify everything, change nothing.

    Raises:
        PromotionError: the verdict, the archive or the folder does not allow it; the folder is as before.
        ArchiveError: the archive cannot be used.
        SettingsError: the profile cannot be used.
    """
    verdict = read_verdict(verdict_path)
    location = f"verdict {verdict_path}"
    check_verdict(verdict, location, at=at, max_age=terms.max_age, digest=terms.digest, profile=terms.profile)
    chosen = _released(verdict, location, terms)
    _check_waivers(verdict, {model.id for model in chosen}, location, at)
    held_back = {model.id: model.decision for model in verdict.models if model not in chosen}
    suffixes = tuple(dict.fromkeys((*SUFFIXES, *map(_ending, chosen))))
    with (
        open_archive(archive_path, suffixes=suffixes) as archive,
        tempfile.TemporaryDirectory(prefix="modelgate-") as scratch,
    ):
        if archive.sha256() != verdict.archive.sha256:
            problem = (
                f"has sha256 {archive.sha256()[:12]}..., but the verdict is about {verdict.archive.sha256[:12]}..."
            )
            raise PromotionError(f"archive {archive_path.name}", problem, "Promote the archive that was judged")
        judged = {model.id: _judged_bytes(archive, model, Path(scratch)) for model in chosen}
        fresh = {model.id: _promoted(verdict, model, at, by) for model in chosen}
        sources = {
            name: path for model in fresh.values() for name, path in zip(model.files, judged[model.id], strict=True)
        }
        if dry_run:
            return _plan(target, verdict, fresh, held_back, terms)
        with target.changing():
            change = _plan(target, verdict, fresh, held_back, terms)
            current = target.record()
            for model in change.models.values():
                sources = target.paths_of(model) | sources
            record = target.install(
                list(change.models.values()), sources, at=_iso(at), by=by, previous=current.set if current else None
            )
    return Change(change.models, change.promoted, change.removed, held_back, record)


def roll_back(target: Target, *, at: datetime, by: str, dry_run: bool, withdrawn: bool = False) -> Change:
    """Put the set that was in force before the present one back in force, its bytes verified.

    Args:
        withdrawn: whether it may bring back what was withdrawn.

    Raises:
        PromotionError: there is none, it was altered, it holds what was withdrawn, or the folder cannot be written; the
            folder is as before.
    """
    target.check_begun()
    if dry_run:
        return _plan_rollback(target, withdrawn=withdrawn)[0]
    with target.changing():
        change, current, previous = _plan_rollback(target, withdrawn=withdrawn)
        sources = {name: path for model in previous.models for name, path in target.paths_of(model).items()}
        record = target.install(
            previous.models, sources, at=_iso(at), by=by, previous=previous.previous, rolled_back=current.set
        )
    return Change(change.models, change.promoted, change.removed, {}, record)


def _plan_rollback(target: Target, *, withdrawn: bool) -> tuple[Change, Record, Record]:
    current, location = target.record(), str(target.folder)
    if current is None:
        raise PromotionError(location, "nothing was promoted there", "Name the folder given to modelgate promote")
    previous = target.of_set(current.previous) if current.previous else None
    if previous is None:
        aside = ", ".join(str(folder) for folder in target.kept_aside())
        kept = f"; what nobody judged is kept in {aside}" if aside else ""
        problem = f"no earlier promotion is kept there{kept}"
        raise PromotionError(location, problem, "Promote an earlier archive with its verdict")
    if not withdrawn and (back := current.withdrawn_among(previous.models)):
        problem = f"the set before holds {_told(back[-1])}"
        raise PromotionError(location, problem, "Promote an archive that is judged anew, or say --withdrawn")
    models = {model.id: model for model in previous.models}
    removed = tuple(name for name in current.files if name not in previous.files)
    return Change(models, tuple(models), removed, {}, None), current, previous


def _check_waivers(verdict: Verdict, chosen: AbstractSet[str], location: str, at: datetime) -> None:
    for waiver in verdict.waivers:
        if waiver.model in chosen and waiver.expires < at.astimezone(UTC).date():
            problem = f"rests on a waiver of {waiver.check} for {waiver.model} that expired on {waiver.expires}"
            raise PromotionError(location, problem, "Judge the archive anew, without it or with a new one")


def _released(verdict: Verdict, location: str, terms: Terms) -> list[ModelPart]:
    """The models to be promoted, never none."""
    require = DecisionLevel[str(verdict.settings.get("require"))]
    for model in verdict.models:
        if (model.id in verdict.promotable) > _reaches(model, require):
            problem = f"calls {model.id} promotable, but decided {model.decision}"
            raise PromotionError(location, problem, RERUN)
    chosen = [m for m in verdict.models if m.id in verdict.promotable and _reaches(m, terms.minimum)]
    low = [f"{model.id} {model.decision}" for model in verdict.models if model not in chosen]
    if terms.all_or_nothing and low:
        problem = f"not every model reaches {terms.minimum}: {', '.join(low)}"
        raise PromotionError(location, problem, "Leave out --all-or-nothing, or train them again")
    if not chosen:
        problem = f"no model reaches {terms.minimum}: {', '.join(low)}"
        raise PromotionError(location, problem, "Train again; --minimum paper promotes models for paper trading")
    return chosen


def _reaches(model: ModelPart, level: DecisionLevel) -> bool:
    return model.decision != "INCOMPLETE" and DecisionLevel[model.decision] >= level


def _ending(model: ModelPart) -> str:
    """Ending of a model's file in its archive."""
    base = model.checkpoint.member.rpartition("/")[2] if model.checkpoint else ""
    return base.removeprefix(model.id) if base.startswith(f"{model.id}.") else base[base.rfind(".") :]


def _judged_bytes(archive: Archive, model: ModelPart, scratch: Path) -> list[Path]:
    """Private copies of the files that were judged: the checkpoint, and the normaliser if it has one."""
    location = f"archive {archive.run.name}, model {model.id}"
    reference = next((item.checkpoint for item in archive.run.models if item.id == model.id), None)
    judged = model.checkpoint
    if reference is None or judged is None or judged.sha256 is None or reference.member != judged.member:
        raise PromotionError(location, "holds no checkpoint that the verdict judged", RERUN)
    if reference.normaliser != judged.normaliser:
        raise PromotionError(location, "holds no normaliser that the verdict judged, or another", RERUN)
    try:
        path, sha256 = archive.checkpoint_file(reference, scratch)
        normaliser, other = archive.normaliser_file(reference, scratch), archive.normaliser_sha256(reference)
    except ArchiveError as error:
        raise PromotionError(error.where, error.problem, error.remedy) from None
    for what, found, expected in (
        ("checkpoint", sha256, judged.sha256),
        ("normaliser", other, judged.normaliser_sha256),
    ):
        if found != expected:
            problem = f"its {what} has sha256 {str(found)[:12]}..., but {str(expected)[:12]}... was judged"
            raise PromotionError(location, problem, RERUN)
    return [path, normaliser] if normaliser else [path]


def _promoted(verdict: Verdict, model: ModelPart, at: datetime, by: str) -> Promoted:
    assert model.checkpoint
    source = Source(
        archive=verdict.archive.name,
        archive_sha256=verdict.archive.sha256,
        member=model.checkpoint.member,
        verdict=verdict.digest,
        written=verdict.run.get("written", ""),
        as_of=str(verdict.settings["as_of"]),
        profile=verdict.profile.name,
        version=str(verdict.settings["version"]),
        record=model.paper.record if model.paper and model.paper.lifts else None,
    )
    judged = model.checkpoint.model_dump(include={"sha256", "feature_set", "activation"})
    series = (item for item in verdict.market_data if f"{item.symbol}_{item.timeframe}" == model.id)
    origin = next((item.bar_origin for item in series if item.bar_origin), None)
    facts = {"id": model.id, "decision": model.decision, "account_mode": model.account_mode, "at": _iso(at), "by": by}
    meanings = model.checkpoint.model_dump(include={"model_version", "actions", "account"})
    meanings["lookback"] = model.checkpoint.window
    beside = _normaliser(model)
    further = {
        "format": model.checkpoint.format,
        "normaliser": beside.get("normaliser"),
        "observation": model.checkpoint.observation,
    }
    meanings |= {name: value for name, value in further.items() if value is not None}
    if "actions" in meanings:
        meanings.setdefault("account", [])  # which a verdict leaves out where there are none
    waivers = [waiver.model_dump(exclude={"model"}) for waiver in verdict.waivers if waiver.model == model.id]
    terms = {"rule": verdict.settings["decision"], "waivers": waivers, "bar_origin": origin}
    return Promoted.model_validate(
        {**judged, **facts, **terms, **beside, "meanings": meanings, "file": "", "source": source}
    )


def _normaliser(model: ModelPart) -> dict[str, str | None]:
    """Name and digest of the file with the statistics of observations, as it is promoted: each model has its own."""
    checkpoint = model.checkpoint
    if checkpoint is None or checkpoint.normaliser is None:
        return {}
    base = checkpoint.normaliser.rpartition("/")[2]
    name = base if base.startswith(f"{model.id}.") else f"{model.id}.{base}"
    return {"normaliser": name, "normaliser_sha256": checkpoint.normaliser_sha256}


def _plan(
    target: Target, verdict: Verdict, fresh: Mapping[str, Promoted], held_back: Mapping[str, str], terms: Terms
) -> Change:
    """The change that a promotion would make to a folder.

    Raises:
        PromotionError: it would take models away that nobody said may go, or keep what nobody judged.
    """
    record, location = target.record(), str(target.folder)
    if record:
        _check_withdrawn(record, fresh.values(), location)
    others = {model.id: model for model in (record.models if record else ()) if model.id not in fresh}
    names = {name for model in fresh.values() for name in model.files}
    unjudged = [name for name in target.unjudged(record) if name not in names]
    leaving = sorted({*(name for model in others.values() for name in model.files), *unjudged})
    if terms.others == "refuse" and leaving:
        problem = f"{_listed(leaving)} would leave it: this verdict does not promote {_them(leaving)}"
        remedy = "Say with --others keep that what was promoted earlier stays, or with --others remove that it goes"
        raise PromotionError(location, problem, remedy)
    if terms.others == "keep":
        if unjudged:
            problem = f"nobody judged {_listed(unjudged)} as {_them(unjudged, 'it is', 'they are')}"
            raise PromotionError(location, problem, f"Move {_them(unjudged)} elsewhere, or say --others remove")
        judged = {(model.id, model.checkpoint.sha256) for model in verdict.models if model.checkpoint}
        for model in others.values():
            if (model.id, model.sha256) in judged:
                problem = f"{model.id} cannot stay: this verdict judged its very bytes, {held_back[model.id]}"
                raise PromotionError(location, problem, "Say --others remove")
        leaving = []
    replaced = {name for model in (record.models if record else ()) if model.id in fresh for name in model.files}
    leaving += sorted(replaced - names - {*leaving})  # of formats that these models had before
    models = {**(others if terms.others == "keep" else {}), **fresh}
    return Change(dict(sorted(models.items())), tuple(sorted(fresh)), tuple(leaving), held_back, None)


def _check_withdrawn(record: Record, fresh: Iterable[Promoted], location: str) -> None:
    """Refuse to bring back what was withdrawn by a verdict that is older than the one it was withdrawn by."""
    by_id = {model.id: model for model in fresh}
    for item in record.withdrawn_among(by_id.values()):
        if datetime.fromisoformat(by_id[item.id].source.written) < datetime.fromisoformat(item.written):
            problem = f"would bring back {_told(item)}, and this verdict is older than the one that did"
            raise PromotionError(location, problem, "Judge the archive anew, with --gate-as-of now")


def _told(item: Withdrawn) -> str:
    return f"bytes of {item.id} that were withdrawn {item.at} by {plain(item.by)}: decided {item.decision}"


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(plain(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _them(names: Sequence[str], one: str = "it", many: str = "them") -> str:
    return one if len(names) == 1 else many


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
