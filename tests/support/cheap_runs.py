"""Runs of the gate with cheap folds, each in processes of its own, and what they left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from support import cheap_gate, model_factory
from support.plugin_helpers import pack

WAV, RND, BAD = "WAVUSD_1Hour", "RNDUSD_1Hour", "BADUSD_1Hour"
WINDOWS = ("backtest", *(f"fold{number}of5" for number in range(1, 6)), "integrity")
TESTS_PER_MODEL = 21
# Plugins are used where a test is about them. Hypothesis takes longer to import than these runs take.
_UNUSED = ("hypothesispytest", "randomly", "rerunfailures", "timeout", "pytest_cov")


@dataclass(frozen=True)
class CheapRun:
    """What a run left, told by each of its reports."""

    ret: int
    text: str
    folder: Path
    output: Path
    log: Path

    @cached_property
    def verdict(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.output / "verdict.json").read_text())
        return document

    @property
    def digest(self) -> str:
        return str(self.verdict["digest"])

    @property
    def decisions(self) -> dict[str, str]:
        return {model["id"]: model["decision"] for model in self.verdict["models"]}

    @property
    def evaluations(self) -> list[str]:
        """``MODEL.window`` per evaluation, in order."""
        return [line.split()[2] for line in self._logged]

    @property
    def processes(self) -> set[str]:
        """Ids of the processes that evaluated."""
        return {line.split()[1] for line in self._logged}

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcome per test id, as the terminal tells it under -v."""
        words = r"PASSED|FAILED|XFAIL|SKIPPED|ERROR|RERUN"
        by_worker = rf"\[gw\d+\] \[ *\d+%\] ({words})(?: \(\w+\))? (\S+)"
        found = re.findall(rf"^(?:{by_worker}|(\S+::\S+) ({words}))", self.text, re.MULTILINE)
        return {test or other: word or outcome for word, test, other, outcome in found}

    @property
    def junit(self) -> dict[str, str]:
        """``passed``, ``failure``, ``error`` or ``skipped`` per test, as JUnit's XML tells."""
        found: dict[str, str] = {}
        for case in ET.parse(self.folder / "junit.xml").getroot().iter("testcase"):
            name = str(case.get("name"))
            assert name not in found, f"{name} is in it twice"
            found[name] = next((child.tag for child in case if child.tag != "properties"), "passed")
        return found

    @property
    def html(self) -> dict[str, str]:
        """Outcome per test, as the HTML report tells."""
        page = (self.output / "report.html").read_text(encoding="utf-8")
        blob = re.search(r"""data-jsonblob=(["'])(.*?)\1""", page, re.DOTALL)
        assert blob
        tests = json.loads(unescape(blob[2]))["tests"]
        return {nodeid.partition("::")[2]: str(rows[-1]["result"]) for nodeid, rows in tests.items()}

    @property
    def _logged(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def cheap_archive(folder: Path, *, dropped: bool = True) -> Path:
    """Three models: one that earns, one that does not, one that gating drops; the last on request."""
    models = [
        cheap_gate.artifact("WAVUSD", model_factory.APPROVED),
        cheap_gate.artifact("RNDUSD", model_factory.REVIEW),
        cheap_gate.artifact("BADUSD", model_factory.DROP),
    ]
    return pack(folder, *models[: 3 if dropped else 2])


def start(
    folder: Path,
    archive: Path,
    *options: str,
    name: str = "run",
    output: str = "gate-report",
    plugins: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    command: tuple[str, ...] = ("-m", "pytest"),
    **told: Any,
) -> tuple[subprocess.Popen[str], CheapRun]:
    """Start a run.

    Args:
        name: of what the run itself leaves beside its output.
        plugins: those to use of the ones that are off otherwise.
        command: what to call with the arguments of pytest.
        told: the instructions of ``cheap_gate``.
    """
    log, instructions = folder / f"{name}.log", folder / f"{name}.told.json"
    log.unlink(missing_ok=True)
    instructions.write_text(json.dumps({"log": str(log), **told}))
    unused = [part for plugin in _UNUSED if plugin not in plugins for part in ("-p", f"no:{plugin}")]
    arguments = [*unused, "-p", "support.cheap_gate", f"--model-archive={archive}", f"--gate-output={output}"]
    process = subprocess.Popen(
        [sys.executable, *command, *arguments, "--junitxml=junit.xml", "-v", *options],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "PYTHONPATH": str(Path(cheap_gate.__file__).parents[1]),
            cheap_gate.INSTRUCTIONS: str(instructions),
            **(environment or {}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return process, CheapRun(0, "", folder, folder / output, log)


def end(process: subprocess.Popen[str], run: CheapRun) -> CheapRun:
    """Wait for a run; one that hangs is ended with all its workers."""
    try:
        text, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        raise AssertionError(f"the run hangs:\n{text}") from None
    return CheapRun(process.returncode, text, run.folder, run.output, run.log)


def run(folder: Path, archive: Path, *options: str, **details: Any) -> CheapRun:
    """Start a run and wait for it."""
    return end(*start(folder, archive, *options, **details))
