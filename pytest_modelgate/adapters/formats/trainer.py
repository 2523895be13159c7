"""The trainer's own checkpoints, ``.pt`` files that hold a dict with ``policy_state_dict``."""

from __future__ import annotations

from dataclasses import replace

from pytest_modelgate.adapters.checkpoint import load_checkpoint
from pytest_modelgate.adapters.files.statistic_names import says_observations
from pytest_modelgate.adapters.formats.foreign import Meaning
from pytest_modelgate.adapters.formats.vec_normalize import declared_normaliser, refuse_two
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.errors import CheckpointError


class TrainerFormat:
    """See ``PolicyFormat``."""

    name = "trainer"
    version = "1"
    suffixes: tuple[str, ...] = (".pt",)

    def read(self, file: PolicyFile) -> LoadedPolicy:
        """See ``PolicyFormat.read``."""
        if file.declared.observation is not None:
            problem = "is declared, and observations of the trainer's checkpoints are rows with the account features"
            remedy = "Take it out; weights for another order are a bare state dict, declared as such"
            raise CheckpointError(f"{file.location}, observation", problem, remedy)
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
        policy, names = _normalised(file, loaded.policy, facts.layers)
        return LoadedPolicy(
            policy,
            facts.feature_set,
            facts.activation,
            facts.shape.model_version,
            facts.min_trader_version,
            names,
            facts.hidden,
            facts.shape.warnings,
        )


def _normalised(file: PolicyFile, policy: MlpPolicy, layers: tuple[str, ...]) -> tuple[MlpPolicy, tuple[str, ...]]:
    """The policy behind its declared normaliser, and its layers with that in front.

    Raises:
        CheckpointError: the checkpoint holds statistics itself; or as of ``declared_normaliser``.
    """
    meaning = Meaning(policy.lookback, policy.n_market, policy.actions, policy.account, None, None)
    found = declared_normaliser(file, meaning, {}, says_observations)
    if found is None:
        return policy, layers
    name, normaliser = found
    if policy.normaliser is not None:
        refuse_two(file, layers[0], name)
    return replace(policy, normaliser=normaliser), (name, *layers)
