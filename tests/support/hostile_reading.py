"""What reading something hostile may end in: a reading, or one clear error. Everything else is a fault."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import sys
import tarfile
import tempfile
import warnings
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from support.hostile_checkpoints import HONEST
from support.hostile_summaries import BARE
from support.hostile_zips import DEFLATED, Member, Zip
from support.policy_files import read_file
from support.sb3_cases import BY_NAME, RECORDED
from support.sb3_cases import read as read_sb3_case

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.checkpoint import load_checkpoint
from pytest_modelgate.core.policy.mlp import MlpPolicy
from pytest_modelgate.core.policy.observations import trained_outputs, trained_shape
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.core.typing import Floats
from pytest_modelgate.errors import CheckpointError, GateError

SUMMARY = b"training_summary_20241227_211819.json"
MODEL = b"models/rl_symbols/UNIUSD_1Hour.pt"
NAME = "Alpaca_trading_trained_20241227_211819.zip"
_MEMORY = 1 << 30  # beyond what the process had before it read anything
_HANGS_S = 60.0  # of a clock on the wall, on a machine that may have other work
_RUNS = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "subprocess.Popen", "pty.spawn"}
_REACHES = {"socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request", "ctypes.dlopen"}
_CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}


class Watch:
    """Sees what the process does while something hostile is read, by Python's own audit events.

    Attributes:
        seen: what must not be.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.folder: Path | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, details: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event in _RUNS | _REACHES or (event == "import" and details[0].startswith(("hostile_canary", "alpaca_"))):
            self.seen.append(f"{event} {str(details)[:80]}")
        elif (event in _CHANGES or _writes(event, details)) and not self._is_inside(details[0]):
            self.seen.append(f"{event} {str(details)[:120]}")

    def _is_inside(self, path: object) -> bool:
        return os.fsdecode(str(path)).startswith((str(self.folder), os.devnull))


def _writes(event: str, details: tuple[Any, ...]) -> bool:
    if event != "open" or not isinstance(details[0], str | bytes) or not isinstance(details[2], int):
        return False
    return bool(details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


WATCH = Watch()


def honest_zip(summary: bytes = b"", checkpoint: bytes = b"weights") -> Zip:
    """An archive as it should be."""
    import json

    return Zip((Member(SUMMARY, summary or json.dumps(BARE).encode(), DEFLATED), Member(MODEL, checkpoint)))


def read_archive(content: bytes) -> str:
    """Read an archive with all that is in it; what became of it."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / NAME
        path.write_bytes(content)
        return _watched(lambda: _archive(path), Path(place))


def read_checkpoint(content: bytes) -> str:
    """Read a checkpoint; what became of it."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.pt"
        path.write_bytes(content)
        return _watched(lambda: _checkpoint(path), Path(place))


def read_model_file(suffix: str, content: bytes) -> str:
    """Read a model file of one of the formats that hold layers alone; what became of it."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"X{suffix}"
        path.write_bytes(content)
        runtime = _runtime() if suffix == ".onnx" else None
        return _watched(lambda: _model_file(path, runtime), Path(place))


def read_sb3(content: bytes) -> str:
    """Read a zip of Stable-Baselines3, declared as each of the recorded ones is; what became of it the last time."""
    outcomes = {_sb3(name, {f"{name}.zip": content}) for name in ("ppo", "ppo_dict", "dqn", "sac")}
    return "read" if "read" in outcomes else min(outcomes)


def read_normaliser(content: bytes) -> str:
    """Read statistics beside recorded models, one flat and one a dict; what became of it."""
    outcomes = {_sb3(name, {f"{name}.vecnormalize.pkl": content}) for name in ("ppo", "ppo_dict")}
    return "read" if "read" in outcomes else min(outcomes)


def _sb3(name: str, files: dict[str, bytes]) -> str:
    case = BY_NAME[name]
    beside = f"{name}.vecnormalize.pkl"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for file in (f"{name}.zip", *([beside] if case.normalised else [])):
            (folder / file).write_bytes((RECORDED / file).read_bytes())
        for file, content in files.items():
            (folder / file).write_bytes(content)
        said = {"normaliser": beside} if beside in files else {}

        def reading() -> None:
            loaded = read_sb3_case(case, folder, **said)
            with np.errstate(all="ignore"):
                shape = trained_shape(loaded.policy)
                assert trained_outputs(loaded.policy, np.zeros((2, shape[0]))).shape == (2, shape[1])

        return _watched(reading, folder)


def limit_memory() -> None:
    """Let this process have as much more memory as reading something may take, and none beyond that."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _watched(read: Any, folder: Path) -> str:
    WATCH.folder = folder
    faulthandler.dump_traceback_later(_HANGS_S, exit=True)  # whatever hangs, also inside of C
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of others' code, whose words are not for the gate's users
            read()
        outcome = "read"
    except GateError as error:
        outcome = str(error)
        assert outcome.isascii(), ascii(outcome)
        assert outcome.isprintable(), ascii(outcome)
        assert len(outcome) < 1200, outcome
        assert "weights_only" not in outcome
        assert "Traceback" not in outcome
    finally:
        faulthandler.cancel_dump_traceback_later()
        WATCH.folder = None
    seen, WATCH.seen = WATCH.seen, []
    assert not seen, seen
    return outcome


def _archive(path: Path) -> None:
    with open_archive(path) as archive:
        for model in archive.run.models:
            if model.checkpoint is not None:
                copy, digest = archive.checkpoint_file(model.checkpoint, path.parent / "scratch")
                assert copy.parent == path.parent / "scratch"
                assert archive.checkpoint_sha256(model.checkpoint) == digest
                assert _as_python_reads(path, model.checkpoint.member) == copy.read_bytes()
        faults = [model.fault.error for model in archive.run.models if model.fault]
        assert all(text.isascii() and text.isprintable() and len(text) < 1200 for text in archive.run.warnings)
    if faults:
        raise faults[0]


def _as_python_reads(path: Path, member: str) -> bytes:
    """A member, as Python's own libraries read it."""
    raw = path.read_bytes()
    if raw.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(raw)) as other:
            return other.read(member)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        found = [item for item in tar.getmembers() if item.name.removeprefix("./") == member]
        assert len(found) == 1
        content = tar.extractfile(found[0])
        assert content
        return content.read()


def _checkpoint(path: Path) -> None:
    loaded = load_checkpoint(
        path,
        location="checkpoint X.pt",
        activation=None,
        feature_set=None,
        declared=Declared(),
        trainer_packages=("alpaca_trading",),
    )
    width = loaded.facts.shape.n_features * loaded.facts.shape.window
    with np.errstate(all="ignore"):
        assert loaded.policy.logits_of(np.zeros((2, width))).shape == (2, len(loaded.facts.shape.actions))
    assert "\n" not in str(loaded.facts)


@lru_cache
def _runtime() -> Any:
    """ONNX Runtime, None where it is missing."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return onnxruntime


def _model_file(path: Path, runtime: Any) -> None:
    declared: dict[str, dict[str, Any]] = {
        ".onnx": {"lookback": 2},
        ".pt": {"format": "state_dict", "activation": "tanh"},
        ".safetensors": {"activation": "tanh"},
    }
    with patch.dict(sys.modules, {"onnxruntime": None}):  # what there are no layers of is refused
        loaded = read_file(path, **declared[path.suffix])
    assert loaded.certified
    assert isinstance(loaded.policy, MlpPolicy)
    observations = np.random.default_rng(1).normal(size=(4, loaded.policy.obs_dim))
    with np.errstate(all="ignore"), contextlib.suppress(CheckpointError):  # of logits that are not finite
        logits = loaded.policy.logits_of(observations)
        assert runtime is None or _acts_as_run(path, runtime, observations, logits), "ONNX Runtime acts otherwise"


def _acts_as_run(path: Path, runtime: Any, observations: Floats, logits: Floats) -> bool:
    """Whether one of a graph's outputs is these logits, their probabilities or actions, as ONNX Runtime has them.

    What it does not load, or fails at, nobody can deploy.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(path.read_bytes(), options)
        (source,) = session.get_inputs()
        shape = [-1 if not isinstance(size, int) else size for size in source.shape[1:]]
        step = source.shape[0] if isinstance(source.shape[0], int) else len(observations)
        code = np.float64 if "double" in source.type else np.float32
        given = session.run(None, {source.name: observations[:step].astype(code).reshape(step, *shape)})
    except Exception:  # noqa: BLE001 - of the library's own
        return True
    return any(_are_alike(np.asarray(one), logits[:step]) for one in given)


def _are_alike(given: NDArray[Any], logits: Floats) -> bool:
    ranked = np.sort(logits, axis=1)
    if given.size == len(logits) and given.dtype.kind == "i":
        clear = ranked[:, -1] - ranked[:, -2 if logits.shape[1] > 1 else -1] > 1e-3 * np.abs(ranked).max(axis=1)
        return np.array_equal(given.ravel()[clear], logits.argmax(axis=1)[clear])
    if given.shape != logits.shape or given.dtype.kind != "f" or not np.isfinite(given).all():
        return given.dtype.kind == "f" and not np.isfinite(given).all()
    scale = 1e-3 * (1.0 + np.abs(logits).max())
    shares = np.exp(logits - ranked[:, -1:])
    shares /= shares.sum(axis=1, keepdims=True)
    known = logits, np.log(shares), shares
    return any(np.abs(given - one).max() < scale for one in known)


assert read_checkpoint(HONEST) == "read"  # also imports all that torch puts off, which is none of a bad file's doing
