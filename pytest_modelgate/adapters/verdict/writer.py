"""The verdict as a file: how it is put together, its digest, and how it is written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pytest_modelgate.adapters.files.atomic import write_atomically
from pytest_modelgate.adapters.verdict.model_part import fields_of, model_part
from pytest_modelgate.adapters.verdict.schema import SCHEMA, MarketPart, QualityPart, Verdict, WaiverPart
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.planning.plan import Plan
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import SettingsError


def make_verdict(
    *,
    archive_sha256: str,
    plan: Plan,
    settings: Settings,
    profile: Profile,
    judgements: Sequence[Judgement],
    ledger: str | None,
    champion: str | None,
    paper: str | None = None,
    unfinished: str,
    run: Mapping[str, str],
) -> Verdict:
    """Put a verdict together from judgements.

    Args:
        archive_sha256: digest of the archive's bytes.
        judgements: of the plan's models, in the plan's order.
        ledger: seal of the ledger's last line; None without a ledger.
        champion: digest of what says which models are deployed; None when nothing was compared with them.
        paper: digest of the promotion whose account was asked; None where none was.
        unfinished: why the verdict cannot be complete whatever the judgements say; empty if nothing speaks against it.
        run: facts that may differ between runs; the digest leaves them out.
    """
    complete = _complete(judgements, unfinished)
    promotable = [item.plan.model.id for item in judgements if complete is True and item.reaches(settings.require)]
    asked = {"paper": paper} if paper else {}  # or else verdicts without it had other digests than before it
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "archive": _archive(plan, archive_sha256),
        "settings": {**_settings(settings, plan), "ledger": ledger, "champion": champion, **asked},
        "profile": {"name": profile.name, "sha256": profile.sha256},
        "trials": plan.trials,
        "waivers": [fields_of(WaiverPart, waiver) for waiver in settings.waivers],
        "market_data": _market_data(judgements),
        "models": [model_part(judgement) for judgement in judgements],
        "complete": complete,
        "promotable": promotable,
    }
    draft = Verdict.model_validate({**body, "digest": "0" * 64, "run": dict(run)})
    document = draft.model_dump(mode="json")
    document["digest"] = digest(document)
    return draft.model_copy(update={"digest": document["digest"], "run": {**run, "seal": seal(document)}})


def digest(document: Mapping[str, Any]) -> str:
    """Sha256 of a verdict's canonical JSON without ``digest`` and ``run``."""
    return json_sha256({key: value for key, value in document.items() if key not in ("digest", "run")})


def seal(document: Mapping[str, Any]) -> str:
    """Sha256 of a verdict's canonical JSON without ``run.seal``: it covers what the digest leaves out as well."""
    return json_sha256({**document, "run": {key: value for key, value in document["run"].items() if key != "seal"}})


def verdict_bytes(verdict: Verdict) -> bytes:
    """The one way a verdict is spelled in its file."""
    return (json.dumps(verdict.model_dump(mode="json"), indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode()


def write_verdict(path: Path, verdict: Verdict) -> None:
    """Replace the file in one step; a reader sees the old verdict or the new one.

    Raises:
        SettingsError: it cannot be written; the old one is as it was.
    """
    try:
        write_atomically(path, verdict_bytes(verdict))
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror}"
        raise SettingsError("--gate-output", problem, "Make room, or name a folder that can be written") from None


def json_schema() -> str:
    """The published JSON Schema of a verdict, as text."""
    return json.dumps(Verdict.model_json_schema(mode="serialization"), indent=2) + "\n"


def _complete(judgements: Sequence[Judgement], unfinished: str) -> Literal[True] | str:
    """True, or what another run has to find out; a model that no run can judge keeps nobody waiting."""
    missing = [item for item in judgements if item.incomplete and not item.of_model]
    return unfinished or "; ".join(f"{item.plan.model.id}: {item.incomplete}" for item in missing) or True


def _archive(plan: Plan, sha256: str) -> dict[str, Any]:
    ended = None if plan.run.timestamp is None else plan.run.timestamp.isoformat()
    return {"name": plan.run.name, "sha256": sha256, "timestamp": ended, "warnings": list(plan.run.warnings)}


def _settings(settings: Settings, plan: Plan) -> dict[str, str | int | float | list[str] | None]:
    return {
        "version": version("pytest-modelgate"),
        "as_of": plan.as_of.isoformat(),
        "require": settings.require.name,
        "backtest_days": settings.backtest_days,
        "walk_forward_days": settings.walk_forward_days,
        "folds": settings.folds,
        "capital": settings.capital,
        "feature_set": settings.feature_set,
        "activation": settings.activation,
        "model_version": settings.model_version,
        "decision": settings.decision,
        "account": settings.account,
        "sessions": settings.sessions,
        "feed": settings.feed,
        "adjustment": settings.adjustment,
        "trainer_packages": list(settings.trainer_packages),
        "waivers": settings.waivers_sha256,
        "judged_on": settings.judged_on.isoformat() if settings.judged_on else None,
    }


def _market_data(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    series = {evidence.market for judgement in judgements for evidence in judgement.measured}
    ordered = sorted(series, key=lambda market: (market.symbol, market.timeframe, market.sha256))
    return [{**fields_of(MarketPart, market), "quality": fields_of(QualityPart, market.quality)} for market in ordered]
