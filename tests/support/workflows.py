"""The workflows of this project, and of the repository that it writes, as they lie here."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted([*(ROOT / ".github/workflows").glob("*.yml"), *(ROOT / "examples/consumer/.github").rglob("*.yml")])
GATE = ROOT / ".github/workflows/gate.yml"
EVENTS = re.compile(r"contains\(fromJSON\('(\[.*?\])'\), github\.event_name\)")
"""The part of a condition that says which events are let in."""


def load(path: Path) -> dict[str, Any]:
    """A workflow."""
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on": workflow.pop(True), **workflow}  # YAML 1.1 reads the key "on" as true


def one_line(script: str) -> str:
    """A script with its continued lines joined."""
    return re.sub(r"\s*\\\n\s*", " ", script)
