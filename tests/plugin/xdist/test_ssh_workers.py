"""Workers over a real sshd that lives where nothing of the project is: one verdict, wherever workers are."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import cheap_gate, cheap_runs, elsewhere
from support.cheap_runs import RND, WAV, WINDOWS

ROOT = Path(__file__).parents[3]
DEMO_DIGEST = "003777011117e71d"  # of the demo's archive, without a ledger
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
pytestmark = pytest.mark.skipif(
    not (elsewhere.can_hide() and Path(SSHD).exists() and shutil.which("ssh")),
    reason="an sshd in a mount namespace of its own takes root, and Debian's openssh-server",
)


@dataclass(frozen=True)
class Machine:
    """Reached by ssh; it finds ``home`` empty."""

    home: Path
    own: Path

    def spec(self, python: Path, count: int = 2) -> str:
        return (
            f"--tx={count}*ssh=machine//ssh_config={self.own / 'ssh_config'}//python={python}//chdir={self.own / 'at'}"
        )

    def left(self) -> list[Path]:
        """What workers left there."""
        return list((self.own / "tmp").glob("modelgate-*"))

    def python(self, **environment: str) -> Path:
        return elsewhere.python(
            self.own / "python", hide=None, environment={"TMPDIR": f"{self.own}/tmp", **environment}
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine of its own, as far as files go."""
    home, own = tmp_path / "home", tmp_path / "machine"
    for folder in (home / "tmp", own / "tmp"):
        folder.mkdir(parents=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own / name], check=True)
    shutil.copy(own / "user.pub", own / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (own / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {own}/host\nAuthorizedKeysFile {own}/authorized\n"
        f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n"
    )
    (own / "ssh_config").write_text(
        f"Host machine\n HostName 127.0.0.1\n Port {port}\n User root\n IdentityFile {own}/user\n"
        f" IdentitiesOnly yes\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    command = elsewhere.hidden(home, SSHD, "-D", "-e", "-f", own / "sshd_config")
    with (own / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(port, own / "log")
        yield Machine(home, own)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)


def _wait_for(port: int, log: Path) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.mark.long
def test_one_verdict_on_one_machine_and_on_several(machine: Machine) -> None:
    """The demo itself, with its real checkpoints and cassettes."""
    shutil.copy(ROOT / "examples" / "demo_archive.zip", machine.home)
    shutil.copytree(ROOT / "cassettes", machine.home / "cassettes")
    ways = {"n": ["-n2"], "popen": ["--tx=2*popen"], "ssh": [machine.spec(machine.python())]}
    digests = {}
    for name, options in ways.items():
        command = [sys.executable, "-m", "pytest", "-q", "--dist=load", "--model-archive=demo_archive.zip", *options]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        done = subprocess.run(
            [*command, f"--gate-output={name}", "-p", "no:cacheprovider"],
            cwd=machine.home,
            env={**environment, "TMPDIR": str(machine.home / "tmp")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "INTERNALERROR" not in done.stdout, done.stdout
        digests[name] = json.loads((machine.home / name / "verdict.json").read_text())["digest"][:16]

    assert digests == dict.fromkeys(ways, DEMO_DIGEST)
    assert machine.left() == []
    assert not list(machine.own.rglob("*.zip"))


def test_a_machine_s_worker_that_is_killed_leaves_its_model_incomplete(machine: Machine) -> None:
    archive = cheap_runs.cheap_archive(machine.home)
    (machine.own / "told.json").write_text(
        json.dumps({"log": str(machine.own / "evaluated"), "mishap": {f"{WAV}.fold2of5": "kill"}})
    )
    told = {cheap_gate.INSTRUCTIONS: f"{machine.own}/told.json", "PYTHONPATH": str(ROOT / "tests")}
    run = cheap_runs.run(
        machine.home,
        Path(archive.name),
        machine.spec(machine.python(**told)),
        "--dist=load",
        environment={"TMPDIR": str(machine.home / "tmp")},
    )

    assert run.ret == 1
    assert run.decisions[WAV] == "INCOMPLETE"
    assert run.decisions[RND] == "DROP"
    assert "came to a sudden end" in run.text
    evaluated = sorted(line.split()[2] for line in (machine.own / "evaluated").read_text().splitlines())
    assert evaluated == sorted(f"{model}.{window}" for model in (RND, WAV) for window in WINDOWS)
    assert machine.left() == [], "who replaced it, or ended after it, has removed what it left"
