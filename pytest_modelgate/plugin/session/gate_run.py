"""One gate run inside pytest: what controller and workers share, and how it starts and ends."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import BaseFileLock

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.evidence.folders import open_folder
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.ledger import LedgerState
from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.adapters.verdict.writer import make_verdict, write_verdict
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.config.waivers import check_models
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.evidence.records import Evidence
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.planning.plan import Plan, WorkId, make_plan
from pytest_modelgate.core.planning.schedule import Unit
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.plugin.collection import selected_work
from pytest_modelgate.plugin.session.record_first import record_first
from pytest_modelgate.plugin.xdist.units import Layout, lay_out, make_units
from pytest_modelgate.services.champions import read_champions
from pytest_modelgate.services.evaluator import build_evaluator
from pytest_modelgate.services.gate import Gate
from pytest_modelgate.services.model_loader import ModelLoader
from pytest_modelgate.services.trials import enter_trials
from pytest_modelgate.text import terminal_safe

WORKER_KEY = "modelgate"
EVIDENCE = "evidence"


@dataclass
class GateRun:
    """A run of the gate in this process.

    Attributes:
        gate: judges the models.
        controller: whether this process reports and writes the verdict (False in xdist's workers).
        run_id: names this run's evidence folder; alike in controller and workers.
        scratch: private folder for copies of checkpoints; the controller removes it.
        scheduled: whether this is a worker that gets its work from our schedule.
        refusal: why this worker cannot take part; empty when it can.
        report_path: where the HTML report is written, None when there is none.
        judgements: of every model, as of the last verdict written.
        reusable: evidence that earlier runs left.
        selected: evidence that has a test in this run; of it only what this run itself finds out counts.
        unwritten: why something could not be written at the end; empty when all was.
    """

    gate: Gate
    controller: bool
    run_id: str
    scratch: Path
    started: datetime
    scheduled: bool = False
    refusal: str = ""
    report_path: Path | None = None
    judgements: tuple[Judgement, ...] = field(default=(), init=False)
    reusable: frozenset[WorkId] = field(default=frozenset(), init=False)
    selected: frozenset[WorkId] = field(default=frozenset(), init=False)
    unwritten: str = field(default="", init=False)
    _in_use: BaseFileLock | None = field(default=None, init=False)
    _verdict: Verdict | None = field(default=None, init=False)

    @property
    def settings(self) -> Settings:
        """The options in force."""
        return self.gate.settings

    @property
    def archive_name(self) -> str:
        """The archive's name, fit for any terminal or page title."""
        return terminal_safe(self.gate.plan.run.name)

    @property
    def verdict(self) -> Verdict:
        """The last verdict written."""
        assert self._verdict is not None
        return self._verdict

    @property
    def verdict_path(self) -> Path:
        """Where the verdict is written."""
        return self.settings.output / "verdict.json"

    @property
    def work(self) -> tuple[WorkId, ...]:
        """Evidence that this run has to gain: all that a decision needs, or a shard's share of it."""
        plan, shard = self.gate.plan, self.settings.shard
        share = plan.share(shard) if shard else None
        return tuple(work for work in plan.work if share is None or work in share)

    def to_worker(self, *, scheduled: bool) -> dict[str, str | bool]:
        """Facts that an xdist worker needs to take part in this run."""
        ledger = self.gate.ledger
        return {
            "run_id": self.run_id,
            "scratch": str(self.scratch),
            "scheduled": scheduled,
            "archive": self.gate.archive.identity(),
            "agreement": self.gate.agreement,
            **({"trials": str(ledger.trials), "ledger": ledger.head} if ledger else {}),
            **({"judged_on": self.settings.judged_on.isoformat()} if self.settings.judged_on else {}),
        }

    def claim_output(self) -> None:
        """Make the folder of the results, before others look for it.

        Raises:
            SettingsError: it cannot be made.
        """
        try:
            self.settings.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"{self.settings.output} cannot be made: {error.strerror}"
            raise SettingsError("--gate-output", problem, "Name a folder that can be written") from None

    def begin(self, say: Callable[[str], None]) -> None:
        """Put an incomplete verdict in place, so that an earlier one cannot be mistaken for this run's; then record.

        Args:
            say: is given lines about what is recorded.

        Raises:
            SettingsError: evidence or verdict cannot be written, or market data not recorded with these keys or
                options.
            MarketDataError: the manifest of the cassettes is unusable.
        """
        self._in_use = open_folder(self.settings.output / EVIDENCE, self.run_id)
        self._judge_and_write("the run has not finished", lambda *_: None)
        record_first(self.gate, say)
        if self.gate.store.has_others:
            self.reusable = frozenset(work for work in self.work if self.gate.reusable(*work))

    def select(self, nodeids: Iterable[str]) -> None:
        """Note which tests are run: of their evidence only what this run finds out counts."""
        self.selected = selected_work(nodeids, self.gate.plan)

    def forget(self, nodeid: str) -> None:
        """A test that crashed its worker is run again: so is what it evaluates."""
        for work in selected_work([nodeid], self.gate.plan):
            self.gate.store.forget(*work)

    def cut(self, nodeids: Sequence[str]) -> tuple[Layout, list[Unit]]:
        """Cut a collection into units of work."""
        plan = self.gate.plan
        return lay_out(nodeids, plan), make_units(nodeids, plan, self.reusable)

    def finish(self) -> None:
        """Derive the verdict from evidence, measuring nothing; one that cannot be written leaves an incomplete one."""
        shard = self.settings.shard
        unfinished = f"this was shard {shard}: run the others, and merge their evidence" if shard else ""
        try:
            self._judge_and_write(unfinished, lambda model, name: self.gate.known(model, name, self.selected))
        except SettingsError as error:
            self.unwritten = str(error)

    def close(self) -> None:
        """Release the archive and the copies of its checkpoints."""
        self.gate.close()
        if self._in_use:
            self._in_use.release()
        if self.controller:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _judge_and_write(self, unfinished: str, find: Callable[[str, str], Evidence | None]) -> None:
        gate = self.gate
        self.judgements = tuple(gate.judge(plan.model.id, find) for plan in gate.plan.models)
        verdict = make_verdict(
            archive_sha256=gate.archive.sha256(),
            plan=gate.plan,
            settings=self.settings,
            profile=gate.profile,
            judgements=self.judgements,
            ledger=gate.ledger.head if gate.ledger else None,
            champion=gate.champions.digest if gate.champions else None,
            unfinished=unfinished,
            run=self._facts(),
        )
        write_verdict(self.verdict_path, verdict)
        self._verdict = verdict

    def _facts(self) -> dict[str, str]:
        return {
            "id": self.run_id,
            "started": self.started.isoformat(timespec="seconds"),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            "platform": sys.platform,
            "device": self.settings.device,
        }


def start_run(config: pytest.Config, settings: Settings) -> GateRun:
    """Open the archive and lay out the run.

    Raises:
        ArchiveError: the archive cannot be used.
        SettingsError: an option or the profile cannot be used.
    """
    shared: dict[str, str] | None = getattr(config, "workerinput", {}).get(WORKER_KEY)
    profile = load_profile(settings.profile)
    archive = open_archive(settings.archive)
    try:
        run_id = shared["run_id"] if shared else secrets.token_hex(8)
        scratch = Path(shared["scratch"] if shared else tempfile.mkdtemp(prefix="modelgate-"))
        store = EvidenceStore(settings.output / EVIDENCE, run_id, settings.evidence)
        champions = read_champions(settings.champion) if settings.champion else None
        plan = make_plan(archive.run, settings, profile, champions.digests if champions else {})
        check_models(settings.waivers, {item.model.id for item in plan.models}, "--gate-waivers")
        loader, evaluator = build_evaluator(
            settings, archive, profile, lambda: feature_sets(config), scratch, champions=champions
        )
        ledger = None if config.option.collectonly else _ledger(settings, plan, loader, shared)
        if ledger:
            plan = plan.with_trials(ledger.trials)
        gate = Gate(settings, archive, profile, plan, store, loader, evaluator, ledger, champions)
        run = GateRun(gate, shared is None, run_id, scratch, datetime.now(UTC))
        if shared:
            run.scheduled, run.refusal = bool(shared["scheduled"]), _refusal(gate, shared)
    except BaseException:
        archive.close()
        raise
    return run


def _refusal(gate: Gate, shared: Mapping[str, str]) -> str:
    """Reason why this worker would judge something else than the controller announced; empty when it would not."""
    if not gate.archive.is_identical(shared["archive"]):
        return "INCOMPLETE: the archive is not the one that the run began with; start again when nobody writes to it"
    if gate.agreement != shared["agreement"]:
        return "INCOMPLETE: this worker has other options, another profile or another version than the run began with"
    return ""


def _ledger(
    settings: Settings, plan: Plan, loader: ModelLoader, shared: Mapping[str, str] | None
) -> LedgerState | None:
    """State of the ledger after this run's models were entered; workers take it from the controller."""
    if shared is None:
        return enter_trials(settings.ledger, plan, loader) if settings.ledger else None
    head = shared.get("ledger")
    return LedgerState(int(shared["trials"]), head) if head else None


def feature_sets(config: pytest.Config) -> Mapping[str, FeatureSet]:
    """The reference set and what the project registers.

    Raises:
        SettingsError: two registrations claim one name.
    """
    known = {REFERENCE.name: REFERENCE}
    for registered in config.hook.pytest_modelgate_feature_sets():
        for name, feature_set in registered.items():
            if name in known or name != feature_set.name:
                problem = f"{name!r} is taken, or is not the name the feature set bears ({feature_set.name!r})"
                remedy = "Give each feature set one name of its own"
                raise SettingsError("hook pytest_modelgate_feature_sets", problem, remedy)
            known[name] = feature_set
    return known
