"""Archives as trainers and ordinary zip tools make them are read; hostile or unusable ones end in one clear error."""

import io
import json
import math
import stat
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.archives import pack_unopened

from pytest_modelgate.adapters.archive import Limits, ModelArtifact, open_archive
from pytest_modelgate.adapters.archive.zip_source import ZipSource
from pytest_modelgate.core.market.windows import TrainingWindow
from pytest_modelgate.core.training.run import METRICS, Declared, ParityProbe, TrainingRun
from pytest_modelgate.errors import ArchiveError, CheckpointError

METRIC_VALUES: dict[str, Any] = {
    "fitness_score": [0.5, 0.8],
    "profit_factor": [1.5, 2.5],
    "consistency": [0.8, 0.9],
    "max_drawdown": [0.2, 0.08],
}
NAME = "Alpaca_trading_trained_20241227_211819.zip"
SUMMARY = "training_summary_20241227_211819.json"
MODEL = "models/rl_symbols/UNIUSD_1Hour.pt"
BITCOIN = "models/rl_symbols/BTCUSD_1Hour.pt"
MEMBERS: dict[str, Any] = {SUMMARY: {"UNIUSD": METRIC_VALUES}, MODEL: b"weights"}


def pack(folder: Path, members: dict[str, Any] = MEMBERS, name: str = NAME) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content if isinstance(content, bytes | str) else json.dumps(content))
    return path


def read(path: Path) -> TrainingRun:
    with open_archive(path) as archive:
        return archive.run


def refused(path: Path, *parts: str, limits: Limits | None = None) -> None:
    with pytest.raises(ArchiveError) as caught:
        open_archive(path, limits or Limits()).close()
    message = str(caught.value)
    assert all(text in message for text in parts), message
    assert message.isprintable()
    assert message.isascii()


def test_a_bare_summary_is_read(tmp_path: Path) -> None:
    run = read(pack(tmp_path))

    (model,) = run.models
    assert (run.name, str(run.timestamp), model.id) == (NAME, "2024-12-27 21:18:19+00:00", "UNIUSD_1Hour")
    assert model.history == {metric: tuple(METRIC_VALUES[metric]) for metric in METRICS}
    assert model.declared == Declared()


def test_what_a_model_declares_goes_before_what_the_run_declares(tmp_path: Path) -> None:
    window = {"start": "2023-01-01T00:00:00+01:00", "end": "2024-06-01T00:00:00Z"}
    entry = {**METRIC_VALUES, "activation": "relu", "training_window": window}
    summary = {
        "schema": "modelgate.training_summary/1",
        "activation": "tanh",
        "feature_set": "reference-v1",
        "reward_scale": 0.001,
        "models": {"UNIUSD_1Hour": entry},
    }

    (model,) = read(pack(tmp_path, {SUMMARY: summary, MODEL: b"x"})).models

    declared = model.declared
    assert (declared.activation, declared.feature_set, declared.reward_scale) == ("relu", "reference-v1", 0.001)
    assert declared.training_window == TrainingWindow(
        pd.Timestamp("2022-12-31T23:00Z").as_unit("ns"), pd.Timestamp("2024-06-01T00:00Z").as_unit("ns")
    )


@pytest.mark.parametrize("top", ["", "Alpaca_trading/"])
def test_the_files_may_lie_under_one_top_folder(tmp_path: Path, top: str) -> None:
    clutter = {"__MACOSX/._x": b"", f"{top}notes.txt": b"hello"}
    members = {top + name: content for name, content in MEMBERS.items()}

    assert [model.id for model in read(pack(tmp_path, members | clutter)).models] == ["UNIUSD_1Hour"]


def test_a_folder_reads_like_its_zip(tmp_path: Path) -> None:
    folder = tmp_path / "Alpaca_trading_trained_20241227_211819"
    path = pack(tmp_path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)

    assert read(folder).models == read(path).models


def test_a_checkpoint_is_copied_under_the_name_of_its_digest(tmp_path: Path) -> None:
    with open_archive(pack(tmp_path)) as archive:
        reference = archive.run.models[0].checkpoint
        assert reference is not None
        path, sha256 = archive.checkpoint_file(reference, tmp_path / "scratch")

    assert path.parent == tmp_path / "scratch"
    assert path.name.startswith(f"{sha256}-")
    assert path.read_bytes() == b"weights"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [item.name for item in path.parent.iterdir() if item.suffix not in (".lock", ".sha256")] == [path.name]


def test_a_checkpoint_is_read_from_the_archive_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, scratch = pack(tmp_path), tmp_path / "scratch"
    with open_archive(path) as archive, open_archive(path) as others:
        reference = archive.run.models[0].checkpoint
        assert reference is not None
        first = archive.checkpoint_file(reference, scratch)
        monkeypatch.setattr(ZipSource, "chunks", None)

        assert archive.checkpoint_file(reference, scratch) == others.checkpoint_file(reference, scratch) == first


_COPY = """
import sys
from pathlib import Path
from pytest_modelgate.adapters.archive import open_archive, reader

def capped(*arguments, real=reader._capped):
    Path(sys.argv[2], "reading").open("a").write("once\\n")
    yield from real(*arguments)

with open_archive(Path(sys.argv[1])) as archive:
    reader._capped = capped
    for model in archive.run.models:
        print(*archive.checkpoint_file(model.checkpoint, Path(sys.argv[2], "scratch")))
"""


def test_of_several_processes_one_copies_and_the_others_wait(tmp_path: Path) -> None:
    path = pack(tmp_path)
    start = [sys.executable, "-c", _COPY, str(path), str(tmp_path)]

    running = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    copies = {process.communicate(timeout=60)[0] for process in running}

    assert [process.returncode for process in running] == [0, 0]
    assert len(copies) == 1
    assert (tmp_path / "reading").read_text() == "once\n"


def test_an_archive_written_to_since_it_was_opened_yields_no_checkpoint(tmp_path: Path) -> None:
    path = pack(tmp_path)
    with open_archive(path) as archive:
        reference = archive.run.models[0].checkpoint
        assert reference is not None
        with path.open("ab") as file:
            file.write(b"more")

        with pytest.raises(ArchiveError, match="changed while it was read"):
            archive.checkpoint_file(reference, tmp_path / "scratch")

    assert not list((tmp_path / "scratch").glob("*.pt"))


def test_a_model_without_entry_and_an_entry_without_model_are_both_listed(tmp_path: Path) -> None:
    members = {SUMMARY: {"BTCUSD_4Hour": METRIC_VALUES}, MODEL: b"x"}

    first, second = read(pack(tmp_path, members)).models

    assert (first.id, first.checkpoint) == ("BTCUSD_4Hour", None)
    assert (second.id, second.history) == ("UNIUSD_1Hour", None)


def test_a_metric_that_diverged_is_read_as_it_is(tmp_path: Path) -> None:
    text = json.dumps({"UNIUSD": {**METRIC_VALUES, "fitness_score": [0.5, float("-inf")]}})

    (model,) = read(pack(tmp_path, {SUMMARY: text, MODEL: b"x"})).models

    assert model.history is not None
    assert model.history["fitness_score"][-1] == float("-inf")


def test_a_zip_of_a_streaming_writer_is_read(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.content += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # cannot seek back, so it writes data descriptors
        for member, content in MEMBERS.items():
            archive.writestr(member, content if isinstance(content, bytes) else json.dumps(content))
    path = tmp_path / NAME
    path.write_bytes(pipe.content)

    assert [model.id for model in read(path).models] == ["UNIUSD_1Hour"]


def faulty(path: Path, *parts: str) -> None:
    """The one model is told to be at fault, in one sentence."""
    (model,) = read(path).models
    message = str(model.fault)
    assert model.history is None
    assert all(text in message for text in parts), message
    assert message.isprintable()
    assert message.isascii()


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ({**METRIC_VALUES, "consistency": [80, 90]}, ["UNIUSD, consistency", "80", "fraction"]),
        ({**METRIC_VALUES, "max_drawdown": [-0.1, 0.1]}, ["UNIUSD, max_drawdown", "-0.1"]),
        ({**METRIC_VALUES, "consistency": [0.5, 1.000002]}, ["UNIUSD, consistency[1]", "1.000002", "fraction"]),
        ({**METRIC_VALUES, "profit_factor": [-1.0, 1.0]}, ["UNIUSD, profit_factor", "-1.0"]),
        *(
            ({**METRIC_VALUES, metric: [0.5, value]}, [f"UNIUSD, {metric}[1]", str(value), expected])
            for metric, value, expected in (
                ("fitness_score", 1e300, "between -1e+09 and 1e+09"),
                ("fitness_score", -1.1e9, "between -1e+09 and 1e+09"),
                ("profit_factor", 1e300, "at most 1e+12"),
            )
        ),
        ({**METRIC_VALUES, "fitness_score": []}, ["UNIUSD, fitness_score", "empty list"]),
        ({**METRIC_VALUES, "fitness_score": [True, 0.1]}, ["UNIUSD, fitness_score", "true"]),
        ({**METRIC_VALUES, "fitness_score": 0.8}, ["UNIUSD, fitness_score", "0.8", "a list"]),
        ({**METRIC_VALUES, "fitness_score": [0.8]}, ["UNIUSD", "differing length", "fitness_score 1"]),
        ({**METRIC_VALUES, "reward_scale": float("inf")}, ["UNIUSD, reward_scale", "finite"]),
        ({"fitness_score": [0.1]}, ["UNIUSD, profit_factor", "missing"]),
        ({"error": "out of \x1b[31m memory"}, ["UNIUSD", "the error 'out of \\x1b[31m memory'"]),
        ({**METRIC_VALUES, "error": "stopped"}, ["UNIUSD", "the error 'stopped'"]),
        (5, ["UNIUSD", "5"]),
        (None, ["UNIUSD", "null"]),
    ],
)
def test_an_entry_that_does_not_fit_is_its_own_models_fault(tmp_path: Path, entry: Any, parts: list[str]) -> None:
    faulty(pack(tmp_path, {SUMMARY: {"UNIUSD": entry}, MODEL: b"x"}), *parts)

    siblings = {SUMMARY: {"UNIUSD": entry, "BTCUSD": METRIC_VALUES}, MODEL: b"x", BITCOIN: b"y"}
    assert told(read(pack(tmp_path, siblings))) == {"BTCUSD_1Hour": "", "UNIUSD_1Hour": parts[0].partition("[")[0]}


def told(run: TrainingRun) -> dict[str, str]:
    """Models, and for those at fault the field."""
    places = {model.id: model.fault.where if model.fault else "" for model in run.models}
    return {name: where.rpartition(f"{SUMMARY}, ")[2].partition("[")[0] for name, where in places.items()}


def test_an_unknown_field_of_the_full_form_is_its_own_models_fault(tmp_path: Path) -> None:
    models = {"UNIUSD_1Hour": {**METRIC_VALUES, "fitnes": 1}}
    summary = {"schema": "modelgate.training_summary/1", "models": models}

    faulty(pack(tmp_path, {SUMMARY: summary, MODEL: b"x"}), "fitnes", "unknown")


@pytest.mark.parametrize(
    ("summary", "parts"),
    [
        ({"schema": "modelgate.training_summary/2", "models": {}}, ["schema", "/2"]),
        ({"schema": "modelgate.training_summary/1"}, ["models", "missing"]),
        ("[]", [SUMMARY]),
        ("{", ["is not JSON"]),
        ('{"UNIUSD": {}, "UNIUSD": {}}', ["UNIUSD", "twice"]),
        ('{"UNIUSD": ' + "[" * 40 + "]" * 40 + "}", ["deep"]),
        (b"\xff\xfe", ["UTF-8"]),
    ],
)
def test_a_summary_that_is_none_is_refused(tmp_path: Path, summary: Any, parts: list[str]) -> None:
    refused(pack(tmp_path, {SUMMARY: summary, MODEL: b"x"}), *parts)


def test_null_counts_as_nan(tmp_path: Path) -> None:
    (model,) = read(
        pack(tmp_path, {SUMMARY: {"UNIUSD": {**METRIC_VALUES, "consistency": [0.8, None]}}, MODEL: b"x"})
    ).models

    assert model.fault is None
    assert model.history is not None
    assert math.isnan(model.history["consistency"][1])


def test_fractions_that_miss_their_ends_by_a_rounding_are_read_as_these(tmp_path: Path) -> None:
    entry = METRIC_VALUES | {"consistency": [1.0000001, 1.000001], "max_drawdown": [-1e-12, -1e-6]}

    (model,) = read(pack(tmp_path, {SUMMARY: {"UNIUSD": entry}, MODEL: b"x"})).models

    assert model.history is not None
    assert (model.history["consistency"], model.history["max_drawdown"]) == ((1.0, 1.0), (0.0, 0.0))


def test_metrics_as_far_out_as_a_trainer_can_mean_are_read(tmp_path: Path) -> None:
    far = METRIC_VALUES | {"fitness_score": [-1e9, 1e9], "profit_factor": [0.0, 1e12]}

    (model,) = read(pack(tmp_path, {SUMMARY: {"UNIUSD": far}, MODEL: b"x"})).models
    assert model.history == {metric: tuple(values) for metric, values in far.items()}


def test_of_far_too_many_models_the_first_beyond_the_limit_is_named(tmp_path: Path) -> None:
    summary = {f"S{number}": METRIC_VALUES for number in range(100_000)}

    refused(pack(tmp_path, {SUMMARY: summary, MODEL: b"x"}), "500001 lists and objects", "200000", "'S39999'", "split")


def test_an_archive_without_models_is_refused(tmp_path: Path) -> None:
    refused(pack(tmp_path, {SUMMARY: {}}), "holds no model")


@pytest.mark.parametrize(
    "name",
    [
        "../evil.pt",
        "/etc/evil.pt",
        "C:/evil.pt",
        "models/rl_symbols/UNIUSD_1Hour.pt:stream",
        "..\\evil.pt",
        SUMMARY.upper(),
        MODEL.replace("/", "\\"),
        "models\\rl_symbols\\BTCUSD_1Hour.pt",
        "./" + MODEL,
        "models/rl_symbols/BTCUSD_1Hour.pt.",
        "models/rl_symbols/BTCUSD_1Hour.pt\x01",
        "models/rl_symbols",
        "models/rl_symbols/UNIUSD_1Hour.PT",
        "models/rl_symbols/\uff35NIUSD_1Hour.pt",
        f"{SUMMARY}/inside.txt",
    ],
)
def test_a_name_that_another_program_could_misread_is_refused(tmp_path: Path, name: str) -> None:
    refused(pack(tmp_path, MEMBERS | {name: b"x"}))


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("models/rl_symbols/BTCUSD_1Hour.pt")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def _twice(archive: zipfile.ZipFile) -> None:
    archive.writestr(MODEL, b"other")


def _bzip2(archive: zipfile.ZipFile) -> None:
    archive.writestr("models/rl_symbols/BTCUSD_1Hour.pt", b"x" * 100, zipfile.ZIP_BZIP2)


@pytest.mark.parametrize("add", [_link, _twice, _bzip2])
def test_a_member_of_a_strange_kind_is_refused(tmp_path: Path, add: Callable[[zipfile.ZipFile], None]) -> None:
    path = pack(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        add(archive)

    refused(path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda raw: b"MZ" + raw, id="a prefix"),
        pytest.param(lambda raw: raw + b"tail", id="a tail"),
        pytest.param(lambda raw: raw[:-30], id="cut off"),
        pytest.param(lambda raw: raw.replace(b"UNIUSD_1Hour.pt", b"BTCUSD_1Hour.pt", 1), id="local name differs"),
        pytest.param(lambda raw: raw.replace(struct.pack("<I", 7), struct.pack("<I", 3), 1), id="local size differs"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_a_zip_with_two_readings_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = pack(tmp_path)
    path.write_bytes(damage(path.read_bytes()))

    refused(path)


def test_a_damaged_checkpoint_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    path = pack(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"weights", b"Weights"))

    with open_archive(path) as archive:
        reference = archive.run.models[0].checkpoint
        assert reference is not None
        with pytest.raises(ArchiveError, match="checksum"):
            archive.checkpoint_file(reference, tmp_path / "scratch")

    assert [item.suffix for item in (tmp_path / "scratch").iterdir()] == [".lock"]


def test_caps_hold_for_what_is_unpacked(tmp_path: Path) -> None:
    refused(pack(tmp_path), "bytes, expected at most 20", limits=Limits(summary_bytes=20))


def _zeros(folder: Path, *, models: int, size: int, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive of so many checkpoints, each of so many zeros."""
    path = folder / NAME
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(SUMMARY, json.dumps({"XAUSD_1Hour": METRIC_VALUES}))
        for number in range(models):
            archive.writestr(f"models/rl_symbols/X{chr(ord('A') + number)}USD_1Hour.pt", bytes(size))
    return path


def test_checkpoints_that_unpack_to_many_times_the_zip_are_refused(tmp_path: Path) -> None:
    path = _zeros(tmp_path, models=6, size=1_000_000)
    limits = Limits(model_bytes=1_000_000)

    refused(path, "and its checkpoints 6000000, expected at most 1", limits=limits)


def test_checkpoints_that_hardly_deflate_may_be_many(tmp_path: Path) -> None:
    path = _zeros(tmp_path, models=6, size=1_000_000, compression=zipfile.ZIP_STORED)

    open_archive(path, Limits(model_bytes=1_000_000)).close()


@pytest.mark.parametrize("extracted", [False, True])
def test_all_checkpoints_together_have_a_limit(tmp_path: Path, extracted: bool) -> None:
    path = _zeros(tmp_path, models=6, size=100, compression=zipfile.ZIP_STORED)
    if extracted:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(path.with_suffix(""))
        path = path.with_suffix("")

    open_archive(path, Limits(total_bytes=600)).close()
    refused(path, "and its checkpoints 600, expected at most 599", limits=Limits(total_bytes=599))


def test_what_is_no_zip_is_not_unpacked_beyond_its_first_piece(tmp_path: Path) -> None:
    path = _zeros(tmp_path, models=1, size=3_000_000, compression=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(bytes(2_500_000), bytes(2_499_999) + b"x"))  # its checksum is wrong
    with open_archive(path) as archive:
        checkpoint = next(model.checkpoint for model in archive.run.models if model.checkpoint)

        with pytest.raises(ArchiveError, match=r"XAUSD_1Hour\.pt: is not a zip, as torch\.save has written"):
            archive.checkpoint_file(checkpoint, tmp_path / "scratch")

    assert [item.suffix for item in (tmp_path / "scratch").iterdir()] == [".lock"]


def test_a_copy_that_is_refused_goes_and_the_reason_stays(tmp_path: Path) -> None:
    other = "models/rl_symbols/BTCUSD_1Hour.pt"
    path = pack(tmp_path, {**MEMBERS, other: MEMBERS[MODEL]})
    with open_archive(path) as archive:
        kept, gone = (model.checkpoint for model in archive.run.models)
        assert kept
        assert gone
        copies = [archive.checkpoint_file(checkpoint, tmp_path / "scratch")[0] for checkpoint in (kept, gone)]

        archive.refuse(gone, tmp_path / "scratch", CheckpointError("checkpoint X", "is empty", "Train again"))

        with pytest.raises(CheckpointError, match=r"checkpoint X: is empty\. Train again\."):
            archive.checkpoint_file(gone, tmp_path / "scratch")
        assert archive.checkpoint_file(kept, tmp_path / "scratch")[0] == copies[0]
    assert [copy.exists() for copy in copies] == [True, False]


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run_20241227_211819"
    (folder / "models" / "rl_symbols").mkdir(parents=True)
    (folder / SUMMARY).write_text(json.dumps({"UNIUSD": METRIC_VALUES}))
    (folder / MODEL).symlink_to("/etc/hostname")

    refused(folder, "link")


finite = st.floats(-1e6, 1e6)
fractions = st.floats(0, 1)


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[float]]:
    length = draw(st.integers(1, 6))
    kinds = (finite | st.just(float("nan")), st.floats(0, 1e6), fractions, fractions)
    return {
        metric: draw(st.lists(kind, min_size=length, max_size=length))
        for metric, kind in zip(METRICS, kinds, strict=True)
    }


@settings(deadline=None, max_examples=25)
@given(histories(), st.lists(finite, min_size=2, max_size=4), st.binary(max_size=64))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, history: dict[str, list[float]], row: list[float], content: bytes
) -> None:
    probe = ParityProbe((tuple(row),), ((1.0, 2.0),), ((1.7e9, *row[:1], 1.0, 1.0, 1.0, 1.0),), ((0.5,),))
    window = TrainingWindow(*(pd.Timestamp(f"{year}-01-01T00:00Z").as_unit("ns") for year in (2023, 2024)))
    artifact = ModelArtifact("BRK.B", "1Day", content, history, training_window=window, parity_probe=probe)

    path = pack_unopened(
        tmp_path_factory.mktemp("packed"),
        [artifact],
        trained_at=datetime(2024, 12, 27, 23, 18, 19, tzinfo=timezone(timedelta(hours=2))),
        reward_scale=0.001,
        validation_interval=10,
        feature_set="reference-v1",
        account_mode="neutral",
        activation="tanh",
        trainer_version="1.0",
    )

    run = read(path)
    assert (path.name, str(run.timestamp)) == (NAME, "2024-12-27 21:18:19+00:00")
    (model,) = run.models
    assert repr(model.history) == repr({metric: tuple(history[metric]) for metric in METRICS})
    assert model.declared == Declared(window, 0.001, 10, "reference-v1", "neutral", "tanh", "1.0", probe)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    moment = datetime(2024, 12, 27, tzinfo=UTC)
    models = [ModelArtifact(symbol, "1Hour", b"x", METRIC_VALUES) for symbol in ("UNIUSD", "BTCUSD")]

    first = pack_unopened(tmp_path / "a.zip", models, trained_at=moment).read_bytes()

    assert pack_unopened(tmp_path / "b.zip", models[::-1], trained_at=moment).read_bytes() == first


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"symbol": "uni/usd"}, "uni/usd"),
        ({"timeframe": "3Hour"}, "3Hour"),
        ({"history": {**METRIC_VALUES, "max_drawdown": [20.0, 8.0]}}, "max_drawdown"),
        ({"history": {"fitness_score": [1.0]}}, "profit_factor"),
    ],
)
def test_what_the_gate_would_refuse_is_not_written(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    fields = {"symbol": "UNIUSD", "timeframe": "1Hour", "checkpoint": b"x", "history": METRIC_VALUES, **change}

    with pytest.raises(ArchiveError, match=sentence):
        pack_unopened(tmp_path, [ModelArtifact(**fields)], trained_at=datetime(2024, 12, 27, tzinfo=UTC))

    assert list(tmp_path.iterdir()) == []


def test_checkpoints_are_stored_since_floats_hardly_shrink(tmp_path: Path) -> None:
    path = pack_unopened(
        tmp_path, [ModelArtifact("UNIUSD", "1Hour", b"x", METRIC_VALUES)], trained_at=datetime.now(UTC)
    )

    with zipfile.ZipFile(path) as archive:
        methods = {info.filename.rpartition(".")[2]: info.compress_type for info in archive.infolist()}
    assert methods == {"json": zipfile.ZIP_DEFLATED, "pt": zipfile.ZIP_STORED}


def test_a_moment_without_time_zone_is_refused(tmp_path: Path) -> None:
    artifact = ModelArtifact("UNIUSD", "1Hour", b"x", METRIC_VALUES)

    with pytest.raises(ArchiveError, match="trained_at: has no time zone"):
        pack_unopened(tmp_path, [artifact], trained_at=datetime(2024, 12, 27))  # noqa: DTZ001 - that is the mistake
