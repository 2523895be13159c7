"""Machines that share no folder with this one: a Python, or an sshd, in a mount namespace where a folder is hidden."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class Machine:
    """Reached by ssh; it finds ``home`` empty, and keeps what it has in ``own``."""

    home: Path
    own: Path

    def workers(self, count: int, **environment: str) -> str:
        """The option that starts workers there."""
        variables = {"TMPDIR": f"{self.own}/tmp", **environment}
        called = python(self.own / "python", hide=None, environment=variables)
        return f"--tx={count}*ssh=machine//ssh_config={self.own}/ssh_config//python={called}//chdir={self.own}/at"

    def left(self) -> list[Path]:
        """What workers left there."""
        return list((self.own / "tmp").glob("modelgate-*"))


def has_machines() -> bool:
    """Whether there can be some."""
    return can_hide() and Path(_SSHD).exists() and bool(shutil.which("ssh"))


@contextmanager
def machine(home: Path, own: Path) -> Iterator[Machine]:
    """A machine of its own, as far as files go, as long as the block runs."""
    (own / "tmp").mkdir(parents=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own / name], check=True)
    shutil.copy(own / "user.pub", own / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (own / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {own}/host\nAuthorizedKeysFile {own}/authorized\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n"
    )
    (own / "ssh_config").write_text(
        f"Host machine\n HostName 127.0.0.1\n Port {port}\n User root\n IdentityFile {own}/user\n"
        " IdentitiesOnly yes\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    with (own / "log").open("wb") as log:
        command = hidden(home, _SSHD, "-D", "-e", "-f", own / "sshd_config")
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


@cache
def can_hide() -> bool:
    """Whether this process may have mount namespaces: root's privilege, on Linux."""
    if not shutil.which("unshare") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


def hidden(folder: Path, *command: str | Path) -> list[str]:
    """A command that finds a folder empty."""
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, str(folder), *map(str, command)]


def python(path: Path, *, hide: Path | None, environment: dict[str, str]) -> Path:
    """A file to be called as a Python is, with an environment of its own, that may find a folder empty."""
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    command = shlex.join(hidden(hide, sys.executable) if hide else [sys.executable])
    path.write_text(f'#!/bin/sh\nexec env {variables} {command} "$@"\n')
    path.chmod(0o755)
    return path
