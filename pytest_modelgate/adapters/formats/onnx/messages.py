"""Messages of an ONNX file and their fields: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""

from __future__ import annotations

from pytest_modelgate.adapters.formats.onnx.wire import Field

MODEL = {
    1: Field("ir_version", "int"),
    2: Field("producer_name", "text"),
    3: Field("producer_version", "absent"),
    4: Field("domain", "absent"),
    5: Field("model_version", "absent"),
    6: Field("doc_string", "absent"),
    7: Field("graph", "message"),
    8: Field("opset_import", "message", repeated=True),
    14: Field("metadata_props", "absent"),
    20: Field("training_info", "absent"),
    25: Field("functions", "bytes", repeated=True),
    26: Field("configuration", "absent"),
}
OPSET = {1: Field("domain", "text"), 2: Field("version", "int")}
GRAPH = {
    1: Field("node", "message", repeated=True),
    2: Field("name", "absent"),
    5: Field("initializer", "message", repeated=True),
    10: Field("doc_string", "absent"),
    11: Field("input", "message", repeated=True),
    12: Field("output", "message", repeated=True),
    13: Field("value_info", "absent"),
    14: Field("quantization_annotation", "absent"),
    15: Field("sparse_initializer", "bytes", repeated=True),
    16: Field("metadata_props", "absent"),
}
NODE = {
    1: Field("input", "text", repeated=True),
    2: Field("output", "text", repeated=True),
    3: Field("name", "text"),
    4: Field("op_type", "text"),
    5: Field("attribute", "message", repeated=True),
    6: Field("doc_string", "absent"),
    7: Field("domain", "text"),
    8: Field("overload", "absent"),
    9: Field("metadata_props", "absent"),
    10: Field("device_configurations", "absent"),
}
ATTRIBUTE = {
    1: Field("name", "text"),
    2: Field("f", "float"),
    3: Field("i", "int"),
    4: Field("s", "bytes"),
    5: Field("t", "message"),
    6: Field("g", "bytes"),
    7: Field("floats", "floats"),
    8: Field("ints", "ints"),
    9: Field("strings", "absent"),
    10: Field("tensors", "bytes", repeated=True),
    11: Field("graphs", "bytes", repeated=True),
    13: Field("doc_string", "absent"),
    14: Field("tp", "absent"),
    15: Field("type_protos", "absent"),
    20: Field("type", "int"),
    21: Field("ref_attr_name", "text"),
    22: Field("sparse_tensor", "bytes", repeated=True),
    23: Field("sparse_tensors", "bytes", repeated=True),
}
TENSOR = {
    1: Field("dims", "ints"),
    2: Field("data_type", "int"),
    3: Field("segment", "bytes"),
    4: Field("float_data", "floats"),
    5: Field("int32_data", "absent"),
    6: Field("string_data", "absent"),
    7: Field("int64_data", "ints"),
    8: Field("name", "text"),
    9: Field("raw_data", "bytes"),
    10: Field("double_data", "doubles"),
    11: Field("uint64_data", "absent"),
    12: Field("doc_string", "absent"),
    13: Field("external_data", "bytes", repeated=True),
    14: Field("data_location", "int"),
    16: Field("metadata_props", "absent"),
}
VALUE = {
    1: Field("name", "text"),
    2: Field("type", "message"),
    3: Field("doc_string", "absent"),
    4: Field("metadata_props", "absent"),
}
TYPE = {
    1: Field("tensor_type", "message"),
    4: Field("sequence_type", "bytes"),
    5: Field("map_type", "bytes"),
    6: Field("denotation", "absent"),
    7: Field("opaque_type", "bytes"),
    8: Field("sparse_tensor_type", "bytes"),
    9: Field("optional_type", "bytes"),
}
TENSOR_TYPE = {1: Field("elem_type", "int"), 2: Field("shape", "message")}
SHAPE = {1: Field("dim", "message", repeated=True)}
DIMENSION = {1: Field("value", "int"), 2: Field("parameter", "text"), 3: Field("denotation", "absent")}
