"""Names under which trainers keep statistics of observations."""

from __future__ import annotations

import re

_SEEN = frozenset({"obs", "observation", "observations", "state", "states", "input", "inputs", "feature", "features"})
_KEPT = frozenset({
    "rms", "mean", "means", "var", "variance", "std", "stds", "sigma", "stat", "stats", "statistics", "norm", "normer",
    "normalization", "normalisation", "normalizer", "normaliser", "scaler", "scaling", "scale", "filter",
})  # fmt: skip
_WHOLE = frozenset({"obsrms", "vecnorm", "vecnormalize", "vecnormalise", "vecnormalizer", "vecnormaliser"})
_NORMALISERS = frozenset({"normalizer", "normaliser", "scaler"})
_RETURNS = frozenset({"ret", "return", "returns", "reward", "rewards", "value", "values"})
_OTHERS = _RETURNS | {
    "grad", "gradient", "gradients", "loss", "losses", "adv", "advantage", "advantages", "action", "actions", "log",
}  # fmt: skip
_SKIPPED = frozenset({"optim", "optimizer", "optimizers", "scheduler", "gradscaler", "amp"})
_BARE = frozenset({"mean", "means", "var", "variance", "std", "stds", "sigma"})
_LONGEST = 200  # letters of a name that are looked at


def says_observations(name: str) -> bool:
    """Whether a name says statistics of observations by itself, as ``obs_rms`` does."""
    words = _words(name)
    seen = bool(words & _SEEN and words & _KEPT) or not words.isdisjoint(_WHOLE)
    return (seen or {"vec", "normalize"} <= words) and words.isdisjoint(_OTHERS)


def may_keep_observations(file: str) -> bool:
    """Whether a file beside a model may keep statistics of observations: its name says so, or it is a pickle."""
    return file.lower().endswith((".pkl", ".pickle")) or says_observations(file)


def says_statistics(name: str) -> bool:
    """Whether a name says statistics, of observations or of something else, as ``running_mean`` does."""
    words = _words(name)
    return not words.isdisjoint(_KEPT) and words.isdisjoint(_OTHERS)


def says_normaliser(name: str) -> bool:
    """Whether a name says what hardly anything but a normaliser is called: ``running_mean``, ``scaler``."""
    words = _words(name)
    named = not words.isdisjoint(_NORMALISERS) or bool("running" in words and words & _BARE)
    return named and words.isdisjoint(_OTHERS)


def is_bare(name: str) -> bool:
    """Whether a name is that of one statistic and nothing else, so that several such belong together."""
    return name.removeprefix("running_").rstrip("_") in _BARE


def says_returns(name: str) -> bool:
    """Whether a name says statistics of returns or values, which a critic learns by."""
    return not _words(name).isdisjoint(_RETURNS)


def is_skipped(name: str) -> bool:
    """Whether an entry is the policy itself, or keeps what only training needs: a gradient's scale, not a feature's."""
    words = _words(name)
    return name == "policy_state_dict" or not words.isdisjoint(_SKIPPED) or {"grad", "scaler"} <= words


def _words(name: str) -> set[str]:
    return set(re.split(r"[._]", name[:_LONGEST].lower() + "_" + name[_LONGEST:][-_LONGEST:].lower()))
