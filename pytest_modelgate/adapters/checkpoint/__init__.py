"""From a .pt file to a policy, without running anything the file says, and without torch."""

from pytest_modelgate.adapters.checkpoint.loader import CheckpointFacts, LoadedCheckpoint, load_checkpoint

__all__ = ["CheckpointFacts", "LoadedCheckpoint", "load_checkpoint"]
