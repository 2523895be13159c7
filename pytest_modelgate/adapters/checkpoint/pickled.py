"""Names that a checkpoint's pickle may say, and what stands for what they name.

Nothing here is imported or called by the gate. But a trader's own ``torch.load`` imports what a pickle names, and calls
it with whatever the pickle says. So a name passes only if that can do no harm there: classes of values in Python's
standard library, numpy and torch whose making neither runs what a file says nor touches files, processes or the
network, whatever they are given; and the packages that the user vouches for. Everything else is refused, however
innocent it looks: the gate cannot know what a package of that name does on another machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

STORAGES = {  # torch's name of a storage: its type, bytes of one number
    "BFloat16": ("bfloat16", 2),
    "Bool": ("bool", 1),
    "Byte": ("uint8", 1),
    "Char": ("int8", 1),
    "ComplexDouble": ("complex128", 16),
    "ComplexFloat": ("complex64", 8),
    "Double": ("float64", 8),
    "Float": ("float32", 4),
    "Half": ("float16", 2),
    "Int": ("int32", 4),
    "Long": ("int64", 8),
    "QInt32": ("qint32", 4),
    "QInt8": ("qint8", 1),
    "QUInt8": ("quint8", 1),
    "Short": ("int16", 2),
}
UNTYPED = "torch.storage.UntypedStorage"  # of bytes
_STORAGE_NAMES = frozenset({UNTYPED, *(f"torch.{kind}Storage" for kind in STORAGES)})
_BUILT = {  # values are made of these, see rebuilt.py
    "_codecs.encode", "builtins.bytearray", "builtins.bytes", "builtins.complex", "builtins.frozenset",
    "builtins.getattr",
    "builtins.object", "builtins.range", "builtins.set", "builtins.slice", "collections.Counter",
    "collections.OrderedDict", "collections.defaultdict", "collections.deque", "copyreg._reconstructor", "numpy.dtype",
    "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar", "numpy.core.numeric._frombuffer",
    "torch.Size", "torch._tensor._rebuild_from_type_v2", "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
    "torch.serialization._get_layout", *_STORAGE_NAMES,
}  # fmt: skip
_VALUES_ONLY = {  # may be named, as a factory or a type, but not called: no honest file does
    *(f"builtins.{name}" for name in ("bool", "dict", "float", "int", "list", "long", "str", "tuple")),
    "torch._C._VariableFunctionsClass",
}
_MADE_ONLY = ("torch.nn.modules.", "torch.optim.", "gym", "sklearn.", "stable_baselines3.")  # without __init__
_INERT = {
    "argparse.Namespace", "builtins.type", "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta",
    "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "functools.partial", "numpy.ndarray",
    "numpy.random._pickle.__bit_generator_ctor", "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__randomstate_ctor", "pandas._libs.tslibs.timestamps._unpickle_timestamp", "pytz._UTC",
    "random.Random", "time.struct_time", "torch.Tensor", "torch.Generator", "torch._C.Generator", "torch.device",
    "torch.nn.parameter.Parameter", "types.SimpleNamespace", "uuid.SafeUUID", "uuid.UUID",
    # What keeps statistics of observations: read where its form is known, else a reason to refuse by its name.
    "gymnasium.wrappers.normalize.RunningMeanStd", "gymnasium.wrappers.utils.RunningMeanStd",
    "sklearn.preprocessing._data.MinMaxScaler", "sklearn.preprocessing._data.RobustScaler",
    "sklearn.preprocessing._data.StandardScaler", "stable_baselines3.common.running_mean_std.RunningMeanStd",
    "stable_baselines3.common.vec_env.vec_normalize.VecNormalize",
}  # fmt: skip
_FAMILIES = re.compile(
    r"pathlib\.(Pure)?(Posix|Windows)?Path"
    r"|numpy\.((u?int|float|complex)[0-9]+|bool_?|str_|bytes_|datetime64|timedelta64|longdouble|longlong|ulonglong)"
    r"|numpy\.dtypes\.[A-Z][A-Za-z0-9]+DType"
    r"|numpy\.random\.bit_generator\.(SeedSequence|__pyx_unpickle_SeedSequence)"
    r"|numpy\.random\._(mt19937|pcg64|philox|sfc64)\.[A-Z][A-Za-z0-9]+"
    r"|torch\.(q?u?int|b?float|complex|bits)[0-9][0-9a-z_]*|torch\.(bool|half|double|long|short|strided)"
    r"|torch\.(per_(tensor|channel)_(affine|symmetric)(_float_qparams)?|sparse_(coo|csr|csc|bsr|bsc))"
    r"|torch\.(tanh|relu)|torch\.nn\.functional\.(tanh|relu|elu|silu|gelu|leaky_relu)"
    r"|torch\.nn\.modules\.[a-z_]+\.[A-Z]\w*"
    r"|torch\.optim\.[a-z_]+\.[A-Z]\w*"
    r"|gym(nasium)?\.spaces\.[a-z_]+\.[A-Z]\w*"
)
_NESTED = re.compile(r"[A-Z]\w*(\.[A-Z]\w*)*")  # a class in a class; module.os.system is none
_OLD = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # as protocol 2 calls them
_OLD_NAMES = {"builtins.xrange": "builtins.range"}


@dataclass(frozen=True)
class Named:
    """A class or function that a pickle names; it is not imported."""

    name: str


@dataclass(slots=True, eq=False, repr=False)  # either would walk whatever the file nests
class StandIn:
    """Stands for what a class or function would have made: keeps what it was given, runs nothing of it.

    Attributes:
        name: of the class or function.
        arguments: that it would have been called with.
        state: plain and frozen dataclasses pickle a dict, slotted ones ``(None, dict)``, frozen slotted ones a list.
        entries: of a mapping.
    """

    name: str = ""
    arguments: tuple[object, ...] = ()
    state: object = None
    entries: dict[object, object] | None = None

    @property
    def fields(self) -> dict[object, object]:
        """Field values by name; empty where the pickle does not name them."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2:
            state = state[1]
        fields = state if isinstance(state, dict) else {}
        return {**fields, **self.entries} if self.entries else fields


def canonical(module: str, name: str) -> str:
    """Dotted name in today's spelling: of numpy since 2.0, and of Python 2, whose names protocol 2 writes."""
    dotted = f"{_OLD.get(module, module)}.{name}".replace("numpy._core.", "numpy.core.", 1)
    return _OLD_NAMES.get(dotted, dotted)


def is_allowed(module: str, name: str, packages: tuple[str, ...]) -> bool:
    """Whether a checkpoint may say this name, see above.

    Args:
        packages: top-level packages that the user vouches for.
    """
    dotted = canonical(module, name)
    if dotted in _BUILT or dotted in _INERT or dotted in _VALUES_ONLY or _FAMILIES.fullmatch(dotted):
        return True
    if module.partition(".")[0] not in packages or not all(map(str.isidentifier, module.split("."))):
        return False
    return name.isidentifier() or _NESTED.fullmatch(name) is not None


def is_callable(name: str) -> bool:
    """Whether a checkpoint may call what it names so, rather than name it or make an instance without ``__init__``."""
    return is_makeable(name) and not name.startswith(_MADE_ONLY)


def is_makeable(name: str) -> bool:
    """Whether a checkpoint may make an instance of a class of this name, its ``__init__`` left out."""
    return not (name in _VALUES_ONLY or name.startswith("torch.nn.functional.") or name in _STORAGE_NAMES)


def odd_key(entries: Mapping[object, object]) -> StandIn | None:
    """A key that is an object: it may equal a text, as ``numpy.str_`` does, and then takes the place of its entry."""
    keys = (key.arguments[0] for key in entries if isinstance(key, StandIn) and key.arguments)
    return next((key for key in keys if isinstance(key, StandIn)), None)


def described(value: object) -> str:
    """What a value that the gate cannot use is, for messages."""
    if isinstance(value, Named):
        return f"the class {value.name[:80]}" if value.name.rpartition(".")[2][:1].isupper() else value.name[:80]
    if isinstance(value, StandIn):
        return f"an instance of {value.name[:80]}"
    return "a tensor" if type(value).__name__ == "StoredTensor" else f"a {type(value).__name__}"
