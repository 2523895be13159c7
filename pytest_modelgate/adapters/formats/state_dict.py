"""Bare state dicts, as ``torch.save(policy.state_dict(), path)`` writes them: names and numbers, and nothing else."""

from __future__ import annotations

from pytest_modelgate.adapters.checkpoint.container import read_container
from pytest_modelgate.adapters.checkpoint.loader import read_contents
from pytest_modelgate.adapters.checkpoint.rebuilt import StoredTensor
from pytest_modelgate.adapters.formats.named_layers import read_named_layers
from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile
from pytest_modelgate.errors import CheckpointError
from pytest_modelgate.text import plain


class StateDictFormat:
    """See ``PolicyFormat``."""

    name = "state_dict"
    version = "1"
    suffixes: tuple[str, ...] = (".pt", ".pth")

    def read(self, file: PolicyFile) -> LoadedPolicy:
        """See ``PolicyFormat.read``."""
        container, pickled = read_container(file.path, file.location)
        contents = read_contents(pickled, container, file.trainer_packages)
        other = next((name for name, value in contents.items() if not isinstance(value, StoredTensor)), None)
        if other is not None or not contents:
            held = f"holds {plain(str(other), 60)!a}, which is no tensor" if contents else "holds no tensor"
            problem = f"{held}, expected a bare state dict, as it is declared"
            remedy = "Save policy.state_dict() alone; a dict with policy_state_dict needs no format to be declared"
            raise CheckpointError(file.location, problem, remedy)
        return read_named_layers(file, contents, container)
