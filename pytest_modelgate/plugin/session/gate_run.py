"""One gate run inside pytest: what controller and workers share, and how it starts and ends."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import BaseFileLock

from pytest_modelgate.adapters.evidence.folders import open_folder
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.decision.judgement import Judgement
from pytest_modelgate.core.evidence.records import Evidence
from pytest_modelgate.core.planning.plan import ModelPlan, WorkId
from pytest_modelgate.core.planning.schedule import Unit
from pytest_modelgate.errors import PromotionError, SettingsError
from pytest_modelgate.plugin.collection import decided_model, selected_work
from pytest_modelgate.plugin.xdist.units import Layout, lay_out, make_units
from pytest_modelgate.services.gate import Gate
from pytest_modelgate.text import terminal_safe

if TYPE_CHECKING:  # verdicts and recordings are the controller's business: workers must not pay for them
    from pytest_modelgate.adapters.verdict.schema import Verdict

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
        judgements: of every model, as of the last verdict written, without what happened at every bar; at the end, and
            on request, with the walk-forward of models that gating dropped, which the verdict does not hold.
        reusable: evidence that earlier runs left.
        selected: evidence that has a test in this run; of it only what this run itself finds out counts.
        planned: ``selected``, and what else the selected decisions need.
        unwritten: why something could not be written at the end; empty when all was.
        remarks: what else is to be said at the end.
        earlier: a complete verdict that lies where this run's is to be written, until a run of every model replaces it.
        compared: the verdict that the report compares with; None where there is none.
    """

    gate: Gate
    controller: bool
    run_id: str
    scratch: Path
    scheduled: bool = False
    refusal: str = ""
    report_path: Path | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)
    judgements: tuple[Judgement, ...] = field(default=(), init=False)
    reusable: frozenset[WorkId] = field(default=frozenset(), init=False)
    selected: frozenset[WorkId] = field(default=frozenset(), init=False)
    planned: frozenset[WorkId] = field(default=frozenset(), init=False)
    unwritten: str = field(default="", init=False)
    remarks: list[str] = field(default_factory=list, init=False)
    earlier: Verdict | None = field(default=None, init=False)
    compared: Verdict | None = None
    _replaced: Verdict | None = field(default=None, init=False)
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
    def folder(self) -> Path:
        """Where the evidence of this run is written."""
        return self.settings.output / EVIDENCE / self.run_id

    @property
    def work(self) -> tuple[WorkId, ...]:
        """Evidence that this run has to gain: all that a decision needs, or a shard's share of it."""
        plan, shard = self.gate.plan, self.settings.shard
        share = plan.share(shard) if shard else None
        return tuple(work for work in plan.work if share is None or work in share)

    @property
    def informing(self) -> frozenset[WorkId]:
        """Folds of dropped models that this run shows: on request all, or what is dealt to a shard."""
        shard, folds = self.settings.shard, self.gate.plan.informative
        if not self.settings.evaluate_dropped:
            return frozenset()
        return frozenset(folds[shard.index - 1 :: shard.count] if shard else folds)

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
            **({"registered": json.dumps(dict(ledger.registered))} if ledger else {}),
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

    def begin(self, say: Callable[[str], None], *, whole: bool) -> None:
        """Put an incomplete verdict in place, so that an earlier one cannot be mistaken for this run's; then record.

        A complete one stays, or comes back, unless every model is to be decided, which the collected tests tell.

        Args:
            say: is given lines about what is recorded.
            whole: whether that is to be expected.

        Raises:
            SettingsError: evidence or verdict cannot be written, or market data not recorded with these keys or
                options.
            MarketDataError: the manifest of the cassettes is unusable.
        """
        from pytest_modelgate.plugin.session.record_first import record_first

        self._in_use = open_folder(self.settings.output / EVIDENCE, self.run_id)
        earlier = None if self.settings.shard else _complete(self.verdict_path)
        self.compared = self.compared or earlier
        self.earlier, self._replaced = (None, earlier) if whole else (earlier, None)
        self._draft(
            "the run has not finished", [self.gate.judge(plan.model.id, lambda *_: None) for plan in self._plans]
        )
        if self.earlier is None:
            self._write()
        record_first(self.gate, say)
        if self.gate.store.has_others:
            self.reusable = frozenset(work for work in self.work if self.gate.reusable(*work))

    def select(self, nodeids: Iterable[str]) -> None:
        """Note which tests are run: of their evidence only what this run finds out counts."""
        chosen = list(nodeids)
        self.selected = selected_work(chosen, self.gate.plan)
        self.planned = self.selected | frozenset(lay_out(chosen, self.gate.plan).hidden)
        whole = {plan.model.id for plan in self.gate.plan.models} <= {*map(decided_model, chosen)}
        try:
            if whole and self.earlier:
                self.earlier = None
                self._write()
            elif not whole and self._replaced:
                self._write(self._replaced)
                self.earlier, self._replaced = self._replaced, None
        except SettingsError as error:
            raise pytest.UsageError(str(error)) from None

    def forget(self, nodeid: str) -> None:
        """A test that crashed its worker is run again: so is what it evaluates."""
        for work in selected_work([nodeid], self.gate.plan):
            self.gate.store.forget(*work)

    def cut(self, nodeids: Sequence[str]) -> tuple[Layout, list[Unit]]:
        """Cut a collection into units of work."""
        plan = self.gate.plan
        return lay_out(nodeids, plan), make_units(nodeids, plan, self.reusable)

    def judge(self, model: str) -> Judgement:
        """Decide on one model while the run goes on, as the verdict will at its end.

        The other models of the archive count as fewer trials the more they are lucky together. Mostly that makes no
        difference to the decision, and nobody waits for them; where it does, their evidence is gained first.
        """
        count, strictest = self.gate.plan.count, self.gate.judge(model)
        fewest = count.total(count.counted, 1.0)
        if fewest == count.total() or not (strictest.decision and strictest.decision.hangs_on_trials):
            return strictest
        return self.gate.judge(model, trials=self.gate.trials(self._expected))

    def finish(self) -> None:
        """Derive the verdict from evidence, measuring nothing; one that cannot be written leaves an incomplete one."""
        shard = self.settings.shard
        unfinished = f"this was shard {shard}: run the others, and merge their evidence" if shard else ""
        try:
            trials = self.gate.trials(self._known)
            known = [self.gate.judge_known(plan.model.id, self.selected, trials) for plan in self._plans]
            self._draft(unfinished, known)
            if self.earlier is None or self.verdict.complete is True:
                self.earlier = None
                self._write()
        except SettingsError as error:
            self.unwritten = str(error)
        if self.settings.evaluate_dropped:
            self.judgements = tuple(map(self._informed, self.judgements))

    def in_full(self, judgement: Judgement) -> Judgement:
        """One of the judgements with what happened at every bar, read again: of many models that takes much memory.

        Raises:
            GateError: the evidence is no longer what was judged.
        """
        return judgement.with_bars(partial(self._known, judgement.plan.model.id))

    def close(self) -> None:
        """Release the archive and the copies of its checkpoints."""
        self.gate.close()
        if self._in_use:
            self._in_use.release()
        if self.controller:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _informed(self, judgement: Judgement) -> Judgement:
        plan = judgement.plan
        if not plan.dropped:
            return judgement
        return judgement.informed([self._known(plan.model.id, fold.name) for fold in plan.folds]).without_bars()

    def _known(self, model: str, name: str) -> Evidence | None:
        return self.gate.known(model, name, self.selected)

    @property
    def _plans(self) -> tuple[ModelPlan, ...]:
        return self.gate.plan.models

    def _expected(self, model: str, name: str) -> Evidence | None:
        """Evidence as it will be known at the end of the run."""
        planned = WorkId(model, name) in self.planned
        return self.gate.evidence(model, name) if planned else self._known(model, name)

    def _draft(self, unfinished: str, judgements: Iterable[Judgement]) -> None:
        from pytest_modelgate.adapters.verdict.writer import make_verdict

        gate = self.gate
        self.judgements = tuple(judgements)
        self._verdict = make_verdict(
            archive_sha256=gate.archive.sha256(),
            plan=gate.plan,
            settings=self.settings,
            profile=gate.profile,
            judgements=self.judgements,
            ledger=gate.ledger.head if gate.ledger else None,
            champion=gate.champions.digest if gate.champions else None,
            paper=gate.watching.promotion if gate.watching else None,
            unfinished=unfinished,
            run=self._facts(),
        )

    def _write(self, other: Verdict | None = None) -> None:
        """Put this run's verdict in place, or another one."""
        from pytest_modelgate.adapters.verdict.writer import write_verdict

        write_verdict(self.verdict_path, other or self.verdict)

    def _facts(self) -> dict[str, str]:
        return {
            "id": self.run_id,
            "started": self.started.isoformat(timespec="seconds"),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            "platform": sys.platform,
            "device": self.settings.device,
        }


def _complete(path: Path) -> Verdict | None:
    """The verdict in a file, where that is complete and whole."""
    from pytest_modelgate.adapters.verdict.reader import read_verdict

    try:
        verdict = read_verdict(path)
    except PromotionError:
        return None
    return verdict if verdict.complete is True else None
