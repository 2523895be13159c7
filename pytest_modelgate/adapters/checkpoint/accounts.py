"""Account features of a policy: those of its generation, or as they are declared, with columns of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pytest_modelgate.core.policy.account_features import AccountFeature, Encoding
from pytest_modelgate.core.policy.generations import TRAINERS_FEATURES, Generation
from pytest_modelgate.core.training.run import Declared, DeclaredFeature
from pytest_modelgate.errors import CheckpointError


def account_features(
    generation: Generation | None, declared: Declared, version: str | None, n_features: int, location: str
) -> tuple[AccountFeature, ...]:
    """Account features, on which generation and declaration agree.

    Args:
        version: of the checkpoint, for messages.
        n_features: columns of a row.

    Raises:
        CheckpointError: nobody says where they stand, two disagree, or their columns are none of their own.
    """
    where = f"{location}, account features"
    account = known = generation.account if generation else None
    if declared.account is not None:
        account = tuple(_resolved(item, generation, where) for item in declared.account)
        if known is not None:
            if _by_column(account, n_features) != _by_column(known, n_features):
                problem = f"declared are {_described(account)}, version {version} has {_described(known)}"
                raise CheckpointError(where, problem, "Find out which is right, and take the other declaration out")
            account = known
    if account is None:
        of = f"of generation {generation.name} stand" if generation else "may stand"
        features = TRAINERS_FEATURES.items()
        facts: list[dict[str, Any]] = [
            {"name": name, "place": "COLUMN", **({} if generation else _written(encoding))}
            for name, (_, encoding) in features
        ]
        facts[4]["neutral"] = 0.70  # 1.0 in 5.3
        lines = lines_to_write(location, account=facts)
        remedy = (
            f"Name them (or none, as []) in {lines}, with the number of its column in a row, from 0, for each COLUMN"
        )
        raise CheckpointError(where, f"{of} among the other features of a row, where nothing tells them", remedy)
    places = sorted(feature.place % n_features for feature in account if -n_features <= feature.place < n_features)
    if len(set(places)) < len(account) or len(account) >= n_features:
        problem = f"are {_described(account)}, expected columns of their own in a row of {n_features}, and others left"
        raise CheckpointError(where, problem, "Correct the declaration, or n_features")
    return account


def _written(encoding: Encoding) -> dict[str, Any]:
    return {} if encoding == Encoding() else {"encoding": encoding.scale, "factor": encoding.factor}


def _resolved(feature: DeclaredFeature, generation: Generation | None, where: str) -> AccountFeature:
    """A declared feature; what it leaves open is the trainer's where it is one of the trainer's checkpoints."""
    neutral, encoding = TRAINERS_FEATURES.get(feature.name, (0.0, Encoding()))
    if feature.name == "available_capital" and feature.neutral is None and not (generation and generation.available):
        problem = "available_capital has no neutral value, which is 0.70 in most generations and 1.0 in 5.3"
        raise CheckpointError(where, problem, 'Declare it, as "neutral": 0.70')
    if generation is None and feature.encoding is None and encoding != Encoding():
        problem = f"{feature.name} has no encoding, and trainers write it as a fraction, squashed or as a logarithm"
        raise CheckpointError(where, problem, 'Declare it, as "encoding": "linear", "tanh" or "log10", with a "factor"')
    return AccountFeature(
        feature.name,
        neutral if feature.neutral is None else feature.neutral,
        encoding if feature.encoding is None else feature.encoding,
        feature.place,
    )


def _by_column(account: Sequence[AccountFeature], n_features: int) -> list[AccountFeature]:
    """Account features with their columns counted from the first, in the order of these."""
    counted = [replace(item, place=item.place + (n_features if item.place < 0 else 0)) for item in account]
    return sorted(counted, key=lambda item: (item.place, item.name))


def _described(account: Sequence[AccountFeature]) -> str:
    return ", ".join(map(_feature, account)) or "none"


def _feature(item: AccountFeature) -> str:
    scale, factor = item.encoding.scale, item.encoding.factor
    return f"{item.name} in column {item.place} ({scale} of {factor:g} times it, neutral {item.neutral:g})"


def lines_to_write(location: str, **facts: object) -> str:
    """What to write, and where; what has to be filled in is refused as it stands."""
    checkpoint = location.rpartition("/")[2].rpartition(" ")[2]
    file = f"{checkpoint.removesuffix('.pt')}.json" if checkpoint.endswith(".pt") else "SYMBOL_TIMEFRAME.json"
    return f"{file} beside it: {json.dumps({'schema': 'modelgate.policy/1', **facts})}"
