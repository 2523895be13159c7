"""One digest, whatever surrounds a run: the matrix of circumstances that must not matter.

Orders of tests, workers that die and shards have files of their own; each compares with the same run in one process.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support import cheap_runs
from support.cheap_runs import RND, WAV, WINDOWS, CheapRun

pytestmark = pytest.mark.long

Cheap = Callable[..., CheapRun]
ONCE = Counter(f"{model}.{window}" for model in (RND, WAV) for window in WINDOWS)
# What a process can be put into while it lives; each run starts from what the one before it left.
SURROUNDINGS = {
    "umask 077": "os.umask(0o077)",
    "umask 0": "os.umask(0)",
    "another time zone": "os.environ['TZ'] = 'America/St_Johns'; time.tzset()",
    "a clock that runs backwards": (
        "ticks = itertools.count(); time.time = lambda: 915148800.0 - 60.0 * next(ticks)\n"
        "import datetime as d\n"
        "class Past(d.datetime):\n"
        "    now = classmethod(lambda cls, tz=None: cls.fromtimestamp(time.time(), tz))\n"
        "import pytest_modelgate.plugin.session.gate_run as run; run.datetime = Past"
    ),
    "a global random state": "import random, numpy; random.seed(1); numpy.random.seed(2)",
    "no cache": "options = ['-o', 'cache_dir=/proc/nowhere']",
    "pytest-randomly": "options = ['-p', 'randomly', '-p', 'no:cacheprovider']",
}


@pytest.fixture(scope="module")
def digests(tmp_path_factory: pytest.TempPathFactory, cheap_archive: Path) -> dict[str, str]:
    """Digest of the verdict of one run in each surrounding."""
    folder = tmp_path_factory.mktemp("surroundings")
    code = "import itertools, os, sys, time, pytest\ntold, options = {}, []\n"
    for number, statements in enumerate(SURROUNDINGS.values()):
        code += f"{statements}\npytest.main([*sys.argv[1:], '-n0', '-q', '--gate-output=out{number}', *options])\n"
    cheap_runs.run(folder, cheap_archive, command=("-c", code), plugins=("randomly",))
    found = {name: folder / f"out{number}" / "verdict.json" for number, name in enumerate(SURROUNDINGS)}
    return {name: json.loads(path.read_text())["digest"] for name, path in found.items()}


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_what_surrounds_a_process_does_not_matter(
    digests: dict[str, str], reference: CheapRun, surrounding: str
) -> None:
    assert digests[surrounding] == reference.digest


@pytest.mark.parametrize(
    ("workers", "environment"),
    [
        pytest.param("-n1", {}, id="one worker"),
        pytest.param("-n2", {"PYTHONHASHSEED": "1", "LC_ALL": "tr_TR.UTF-8"}, id="two workers, hash seed 1, Turkish"),
        pytest.param("-n4", {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "PYTHONUTF8": "0"}, id="four, another seed, C"),
    ],
)
def test_neither_workers_nor_hash_seeds_nor_languages_matter(
    cheap: Cheap, reference: CheapRun, workers: str, environment: dict[str, str]
) -> None:
    run = cheap(workers, environment=environment)

    assert (run.digest, run.outcomes) == (reference.digest, reference.outcomes)
    assert Counter(run.evaluations) == Counter(reference.evaluations) == ONCE
    assert run.verdict["complete"] is True
