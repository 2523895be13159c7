"""One gate run inside pytest: what controller and workers share, and how it starts and ends."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.evidence_store import EvidenceStore
from pytest_modelgate.adapters.ledger import LedgerState
from pytest_modelgate.adapters.profile_files import load_profile
from pytest_modelgate.adapters.verdict_file import Verdict, make_verdict, write_verdict
from pytest_modelgate.core.features import FeatureSet
from pytest_modelgate.core.judgement import Judgement
from pytest_modelgate.core.reference_features import REFERENCE
from pytest_modelgate.core.settings import Settings
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.gate import Gate
from pytest_modelgate.plugin.figures import plain

WORKER_KEY = "modelgate"


@dataclass
class GateRun:
    """A run of the gate in this process.

    Attributes:
        gate: judges the models.
        controller: whether this process reports and writes the verdict (False in xdist's workers).
        run_id: names this run's evidence folder; alike in controller and workers.
        scratch: private folder for copies of checkpoints; the controller removes it.
        report_path: where the HTML report is written, None when there is none.
        judgements: of every model, as of the last verdict written.
    """

    gate: Gate
    controller: bool
    run_id: str
    scratch: Path
    started: datetime
    report_path: Path | None = None
    judgements: tuple[Judgement, ...] = field(default=(), init=False)
    _verdict: Verdict | None = field(default=None, init=False)

    @property
    def settings(self) -> Settings:
        """The options in force."""
        return self.gate.settings

    @property
    def archive_name(self) -> str:
        """The archive's name, fit for any terminal or page title."""
        return plain(self.gate.plan.run.name)

    @property
    def verdict(self) -> Verdict:
        """The last verdict written."""
        assert self._verdict is not None
        return self._verdict

    @property
    def verdict_path(self) -> Path:
        """Where the verdict is written."""
        return self.settings.output / "verdict.json"

    def to_worker(self) -> dict[str, str]:
        """What an xdist worker needs to take part in this run."""
        found = {"run_id": self.run_id, "scratch": str(self.scratch)}
        ledger = self.gate.ledger
        return found | {"trials": str(ledger.trials), "ledger": ledger.head} if ledger else found

    def begin(self) -> None:
        """Put an incomplete verdict in place, so that an earlier one cannot be mistaken for this run's."""
        self._judge_and_write("the run has not finished")

    def finish(self) -> None:
        """Derive the verdict from this run's evidence, measuring nothing."""
        self._judge_and_write("")

    def close(self) -> None:
        """Release the archive and the copies of its checkpoints."""
        self.gate.archive.close()
        if self.controller:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _judge_and_write(self, unfinished: str) -> None:
        gate = self.gate
        self.judgements = tuple(gate.judge(plan.model.id, measure=False) for plan in gate.plan.models)
        self._verdict = make_verdict(
            archive_sha256=gate.archive.sha256(),
            plan=gate.plan,
            settings=self.settings,
            profile=gate.profile,
            judgements=self.judgements,
            ledger=gate.ledger.head if gate.ledger else None,
            unfinished=unfinished,
            run=self._facts(),
        )
        write_verdict(self.verdict_path, self._verdict)

    def _facts(self) -> dict[str, str]:
        return {
            "id": self.run_id,
            "started": self.started.isoformat(timespec="seconds"),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            "platform": sys.platform,
            "device": "cpu",
        }


def start_run(config: pytest.Config, settings: Settings) -> GateRun:
    """Open the archive and lay out the run.

    Raises:
        ArchiveError: the archive cannot be used.
        SettingsError: an option or the profile cannot be used.
    """
    profile = load_profile(settings.profile)
    archive = open_archive(settings.archive)
    try:
        from_controller: dict[str, str] | None = getattr(config, "workerinput", {}).get(WORKER_KEY)
        run_id = from_controller["run_id"] if from_controller else secrets.token_hex(8)
        scratch = Path(from_controller["scratch"] if from_controller else tempfile.mkdtemp(prefix="modelgate-"))
        store = EvidenceStore(settings.output / "evidence" / run_id)
        gate = Gate(settings, archive, profile, lambda: feature_sets(config), store, scratch)
        _ = gate.plan  # a missing as-of or a foreign reward scale is refused before anything is collected
        gate = replace(gate, ledger=_ledger(gate, from_controller, collect_only=config.option.collectonly))
        run = GateRun(gate, from_controller is None, run_id, scratch, datetime.now(UTC))
    except BaseException:
        archive.close()
        raise
    return run


def _ledger(gate: Gate, from_controller: Mapping[str, str] | None, *, collect_only: bool) -> LedgerState | None:
    """What the ledger says after this run's models were entered; workers take it from the controller."""
    if collect_only:
        return None
    if from_controller is None:
        return gate.enter_in_ledger()
    said = from_controller.get("ledger")
    return LedgerState(int(from_controller["trials"]), said) if said else None


def feature_sets(config: pytest.Config) -> Mapping[str, FeatureSet]:
    """The reference set and what the project registers.

    Raises:
        SettingsError: two registrations claim one name.
    """
    found = {REFERENCE.name: REFERENCE}
    for registered in config.hook.pytest_modelgate_feature_sets():
        for name, feature_set in registered.items():
            if name in found or name != feature_set.name:
                problem = f"{name!r} is taken, or is not the name the feature set bears ({feature_set.name!r})"
                remedy = "Give each feature set one name of its own"
                raise SettingsError("hook pytest_modelgate_feature_sets", problem, remedy)
            found[name] = feature_set
    return found
