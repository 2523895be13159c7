"""ONNX models: networks of layers read without a library, anything else run by ONNX Runtime."""

from pytest_modelgate.adapters.policy_format import LoadedPolicy, PolicyFile


class OnnxFormat:
    """See ``PolicyFormat``."""

    name = "onnx"
    version = "1"
    suffixes: tuple[str, ...] = (".onnx",)

    def read(self, file: PolicyFile) -> LoadedPolicy:
        """See ``PolicyFormat.read``."""
        from pytest_modelgate.adapters.formats.onnx.reader import read_onnx  # a dozen modules; few archives need them

        return read_onnx(file)
