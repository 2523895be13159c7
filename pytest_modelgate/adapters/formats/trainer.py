"""The trainer's own checkpoints, ``.pt`` files that hold a dict with ``policy_state_dict``."""

from __future__ import annotations

from pytest_modelgate.adapters.checkpoint import load_checkpoint
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile


class TrainerFormat:
    """See ``PolicyFormat``."""

    name = "trainer"
    version = "1"
    suffixes: tuple[str, ...] = (".pt",)

    def read(self, file: PolicyFile) -> LoadedPolicy:
        """See ``PolicyFormat.read``."""
        loaded = load_checkpoint(
            file.path,
            location=file.location,
            activation=file.activation,
            feature_set=file.feature_set,
            declared=file.declared,
            trainer_packages=file.trainer_packages,
            model_version=file.model_version,
        )
        facts = loaded.facts
        return LoadedPolicy(
            loaded.policy,
            facts.feature_set,
            facts.activation,
            facts.shape.model_version,
            facts.min_trader_version,
            facts.layers,
            facts.hidden,
            facts.shape.warnings,
        )
