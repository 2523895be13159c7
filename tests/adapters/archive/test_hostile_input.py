"""Whatever is read ends in a reading or one clear error: no crash, no hang, no code run, no file elsewhere."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from support import hostile_reading as reading
from support.hostile_checkpoints import HONEST, checkpoint_files
from support.hostile_corpus import CORPUS
from support.hostile_layouts import layouts, tars
from support.hostile_summaries import summaries
from support.hostile_zips import Zip, zips

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.errors import ArchiveError

# `make fuzz-archives` draws without end; these few keep the strategies and the oracle in working order.
FEW = settings(max_examples=30, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@FEW
@given(zips(reading.honest_zip()))
def test_zips_that_lie(content: bytes) -> None:
    reading.read_archive(content)


@FEW
@given(summaries())
def test_summaries_of_any_kind(raw: bytes) -> None:
    reading.read_archive(reading.honest_zip(raw).build())


@FEW
@given(layouts())
def test_layouts_of_any_kind(content: bytes) -> None:
    reading.read_archive(content)


@FEW
@given(tars())
def test_tars_that_lie(content: bytes) -> None:
    reading.read_archive(content)


@FEW
@given(checkpoint_files())
def test_checkpoints_of_any_kind(content: bytes) -> None:
    reading.read_checkpoint(content)


def test_what_is_built_for_lying_is_read_when_it_tells_the_truth() -> None:
    honest = reading.honest_zip(checkpoint=HONEST)

    for zip_64 in (False, True):
        assert reading.read_archive(Zip(honest.members, zip_64=zip_64).build()) == "read"
    with zipfile.ZipFile(io.BytesIO(honest.build())) as archive:
        assert archive.testzip() is None


def test_the_watch_sees_what_must_not_be(tmp_path: Path) -> None:
    def burgle() -> None:
        (tmp_path / "outside").write_text("x")
        os.system("true")

    with pytest.raises(AssertionError, match=r"open .*outside.*os\.system"):
        reading._watched(burgle, tmp_path / "inside")


@pytest.fixture(scope="module")
def readings() -> dict[str, str]:
    """What became of each input of the corpus, read in a process of its own with a limit to its memory."""
    code = """
import json, os, sys
from support.hostile_corpus import CORPUS
from support.hostile_reading import limit_memory
for name, (read, build, _) in CORPUS.items():
    child = os.fork()
    if child == 0:
        content = build()
        limit_memory()
        print(json.dumps([name, read(content)]), flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        print(json.dumps([name, f"ended with status {status}"]), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(reading.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="a limit to memory takes Linux")
@pytest.mark.parametrize("name", CORPUS)
def test_what_once_broke_or_cost_too_much_does_not_any_more(readings: dict[str, str], name: str) -> None:
    _, _, sentence = CORPUS[name]

    assert sentence in readings[name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe_20241227_211819.zip")

    with pytest.raises(ArchiveError, match="is neither a file nor a folder"):
        open_archive(tmp_path / "pipe_20241227_211819.zip")
