"""ONNX models: networks of layers read without a library, anything else run by ONNX Runtime."""

from pytest_modelgate.adapters.formats.onnx.reader import OnnxFormat

__all__ = ["OnnxFormat"]
