"""Content key: digest of all that a record of evidence depends on; the same key means the same evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pytest_modelgate.core.backtest.rules import rules_for
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.market.bars import Bars
from pytest_modelgate.core.market.requests import MarketRequest
from pytest_modelgate.core.planning.plan import ModelPlan, Plan, Work, WorkKind
from pytest_modelgate.digest import json_sha256

_OF_OTHERS = (WorkKind.CHAMPION, WorkKind.PAPER)  # what else they depend on is in their own keys


def model_key(
    plan: ModelPlan,
    settings: Settings,
    profile: Profile,
    *,
    checkpoint_sha256: str,
    request: MarketRequest,
    bars: Bars,
    actions: Sequence[str],
    code: str,
    read_as: Sequence[str],
) -> str:
    """Sha256 over what all evidence of one model depends on.

    Where results are written and what the thresholds say is no part of it.

    Args:
        plan: of its windows all count: what is said of the market data's quality depends on them.
        profile: of it the trading rules of the model's market count, and what is asked of market data and integrity.
        checkpoint_sha256: digest of the checkpoint's bytes.
        request: what was asked of the data provider, and ``bars``, what the recording holds of it.
        actions: what is known of the company's shares, and from where.
        code: version of the code that evaluates.
        read_as: name and version of the format that reads the checkpoint, and the digest of its normaliser.
    """
    model, declared = plan.model, plan.model.declared
    training, selection = declared.training_window, declared.selection_window
    return json_sha256(
        {
            "code": code,
            "model": model.id,
            "member": model.checkpoint.member if model.checkpoint else None,
            "checkpoint": checkpoint_sha256,
            "format": list(read_as),
            "bars": [len(bars), bars.sha256, bars.traded_sha256, bars.source],
            "actions": list(actions),
            "request": str(request),
            "limits": [asdict(part) for part in (profile.market_data, profile.integrity, profile.robustness)],
            "windows": [_written(work) for work in plan.work if work.kind not in _OF_OTHERS],
            "rules": asdict(rules_for(profile, model.instrument.asset_class)),
            "settings": _settings(settings),
            "training": [training.start.isoformat(), training.end.isoformat()] if training else None,
            "selection": [selection.start.isoformat(), selection.end.isoformat()] if selection else None,
            "account": plan.account,
            "activation": declared.activation,
            "bar_origin": str(declared.bar_origin),
            "meanings": [settings.model_version, *declared.meanings],
            "feature_set": declared.feature_set,
            "parity": vars(declared.parity_probe) if declared.parity_probe else None,  # asdict would copy each number
        }
    )


def content_key(
    model: str,
    work: Work,
    feature_sets: Mapping[str, str],
    champion: str | None = None,
    watched: Sequence[str] = (),
) -> str:
    """Sha256 over everything that one piece of evidence is a function of.

    Args:
        model: its ``model_key``.
        feature_sets: digest of the code of every feature set that does not come with the package, by name.
        champion: digest of the deployed model that it is compared with; counts for that comparison only.
        watched: digests of what the comparison with an account depends on; they count for that one only.
    """
    own: dict[WorkKind, Sequence[str | None]] = {WorkKind.CHAMPION: [champion], WorkKind.PAPER: watched}
    return json_sha256([model, *_written(work), dict(feature_sets), *own.get(work.kind, [])])


def agreement(plan: Plan, settings: Settings, profile: Profile, code: str) -> str:
    """Sha256 over what all processes of one run have to agree on, the archive's bytes apart."""
    return json_sha256(
        {
            "code": code,
            "as_of": plan.as_of.isoformat(),
            "profile": profile.sha256,
            "settings": [_settings(settings), settings.model_version, [item.account for item in plan.models]],
            "decision": [settings.decision, settings.require.name, settings.merge, str(settings.shard), plan.trials],
            "champions": [item.champion for item in plan.models],
            "watched": [item.watched.digest if item.watched else None for item in plan.models],
            "waivers": [settings.waivers_sha256, str(settings.judged_on)],
            "models": [[item.model.id, item.dropped, [_written(work) for work in item.work]] for item in plan.models],
        }
    )


def _written(work: Work) -> list[str]:
    return [work.name, work.start.isoformat(), work.end.isoformat()]


def _settings(settings: Settings) -> dict[str, object]:
    return {
        "activation": settings.activation,
        "adjustment": settings.adjustment,
        "capital": settings.capital,
        "feature_set": settings.feature_set,
        "feed": settings.feed,
        "sessions": settings.sessions,
        "trainer_packages": sorted(settings.trainer_packages),
    }
