"""Formats of model files that come with the gate; ``foreign`` is what all but the trainer's share."""

from pytest_modelgate.adapters.formats.onnx import OnnxFormat
from pytest_modelgate.adapters.formats.safetensors import SafetensorsFormat
from pytest_modelgate.adapters.formats.sb3 import StableBaselinesFormat
from pytest_modelgate.adapters.formats.state_dict import StateDictFormat
from pytest_modelgate.adapters.formats.trainer import TrainerFormat
from pytest_modelgate.adapters.policy_format import PolicyFormat


def builtin_formats() -> tuple[PolicyFormat, ...]:
    """All of them; where several read files of one ending, the first does unless another is declared."""
    return (TrainerFormat(), StableBaselinesFormat(), OnnxFormat(), SafetensorsFormat(), StateDictFormat())
