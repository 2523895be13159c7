"""The actions that this project's workflows use, played on one machine: artifacts, attestations, check-outs."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path


class StepError(Exception):
    """What makes a step fail on GitHub, too."""


@dataclass
class Service:
    """What GitHub keeps between jobs and runs.

    Attributes:
        folder: holds artifacts, by run and name.
        repository: what is checked out.
        others: check-outs of other repositories, by name.
        runs: facts about each run, as the API tells them.
    """

    folder: Path
    repository: Path
    others: Mapping[str, Path] = field(default_factory=dict)
    runs: dict[str, dict[str, object]] = field(default_factory=dict)

    def artifact(self, run: str, name: str) -> Path:
        return self.folder / "artifacts" / run / name

    @property
    def attested(self) -> Path:
        """File of what was attested: JSON lines."""
        return self.folder / "attested.jsonl"

    def listed(self, name: str) -> list[dict[str, object]]:
        """Artifacts of a name in all runs, as the API lists them."""
        found = [run for run in self.runs if self.artifact(run, name).is_dir()]
        return [
            {
                "created_at": f"2024-12-28T00:00:{int(run):02}Z",
                "expired": False,
                "workflow_run": {
                    "id": int(run),
                    "head_branch": self.runs[run]["head_branch"],
                    "head_repository_id": 1,
                    "repository_id": 1,
                },
            }
            for run in found
        ]

    def play(self, uses: str, given: Mapping[str, str], workspace: Path, facts: Mapping[str, str]) -> None:
        """Do what an action does.

        Args:
            given: its inputs.
            facts: the variables of the step that name run, workflow and commit.

        Raises:
            StepError: it fails.
        """
        action = uses.partition("@")[0].removeprefix("actions/").replace("-", "_")
        getattr(self, f"_{action}")(given, workspace, facts)

    def _checkout(self, given: Mapping[str, str], workspace: Path, _: Mapping[str, str]) -> None:
        assert given["persist-credentials"] == "false"
        source = self.others[given["repository"]] if given.get("repository") else self.repository
        shutil.copytree(source, workspace / given.get("path", ""), symlinks=True, dirs_exist_ok=True)

    def _setup_python(self, given: Mapping[str, str], workspace: Path, _: Mapping[str, str]) -> None:
        if given.get("cache") and not (workspace / given["cache-dependency-path"]).is_file():
            raise StepError(f"no file matches {given['cache-dependency-path']}")

    def _upload_artifact(self, given: Mapping[str, str], workspace: Path, facts: Mapping[str, str]) -> None:
        target = self.artifact(facts["GITHUB_RUN_ID"], given["name"])
        root, files = _found(given["path"].split(), workspace)
        if not files:
            if given["if-no-files-found"] == "error":
                raise StepError(f"no files at {given['path']}")
            return
        if target.exists():
            if given.get("overwrite") != "true":
                raise StepError(f"an artifact {given['name']} exists already")
            shutil.rmtree(target)
        for file in files:
            place = target / file.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)

    def _download_artifact(self, given: Mapping[str, str], workspace: Path, facts: Mapping[str, str]) -> None:
        run, place = given.get("run-id") or facts["GITHUB_RUN_ID"], workspace / given["path"]
        if "pattern" in given:
            kept = self.folder / "artifacts" / run
            for folder in sorted(kept.iterdir()) if kept.is_dir() else ():
                if fnmatch.fnmatch(folder.name, given["pattern"]):
                    shutil.copytree(folder, place / folder.name, dirs_exist_ok=True)
            return
        folder = self.artifact(run, given["name"])
        if not folder.is_dir():
            raise StepError(f"run {run} has no artifact {given['name']}")
        shutil.copytree(folder, place, dirs_exist_ok=True)

    def _attest_build_provenance(self, given: Mapping[str, str], workspace: Path, facts: Mapping[str, str]) -> None:
        files = [path for path in workspace.glob(given["subject-path"]) if path.is_file()]
        assert files
        with self.attested.open("a") as lines:
            for file in files:
                digest = sha256(file.read_bytes()).hexdigest()
                told = {name: facts[name] for name in ("SIGNER", "GITHUB_REF", "GITHUB_SHA")}
                lines.write(json.dumps({"sha256": digest, **told}) + "\n")


def verify_attestation(words: Sequence[str]) -> bool:
    """What ``gh attestation verify`` says, of what ``Service`` was told to attest."""
    options = dict(zip(words[4::2], words[5::2], strict=False))
    wanted = {
        "sha256": sha256(Path(words[3]).read_bytes()).hexdigest(),
        "SIGNER": options["--signer-workflow"],
        "GITHUB_REF": options["--source-ref"],
        "GITHUB_SHA": options["--source-digest"],
    }
    known = Path(os.environ["ATTESTED"])
    return known.exists() and wanted in [json.loads(line) for line in known.read_text().splitlines()]


def _found(patterns: Sequence[str], workspace: Path) -> tuple[Path, list[Path]]:
    """Files that an upload takes, none of them hidden, and what their names are relative to."""
    roots, files = [], []
    for pattern in patterns:
        whole = workspace / pattern
        matches = sorted(workspace.glob(pattern)) if "*" in pattern else [whole]
        roots.append(whole.parent if "*" in pattern or not whole.is_dir() else whole)
        for match in matches:
            files += [match] if match.is_file() else [path for path in match.rglob("*") if path.is_file()]
    root = Path(os.path.commonpath(roots))
    return root, [file for file in files if not any(part.startswith(".") for part in file.relative_to(root).parts)]
