"""What pytest calls: short bodies that delegate. Without ``--model-archive`` each of them returns at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelgate.plugin import aliases, collection, fixtures, hookspecs, suite
from pytest_modelgate.plugin.options import (
    add_options,
    archive_path,
    exit_by_verdict,
    only_shows,
    plan_path,
    read_settings,
    recording_options,
)
from pytest_modelgate.plugin.output.progress import Progress
from pytest_modelgate.plugin.process import tuned
from pytest_modelgate.plugin.session.completeness import Completeness
from pytest_modelgate.plugin.session.window_tests import WindowTests
from pytest_modelgate.plugin.state import COMPLETENESS, FOREIGN, RUN, WORKER_KEY
from pytest_modelgate.plugin.xdist.placement import (
    auto_workers,
    check_device,
    check_distribution,
    equip,
    limit_restarts,
)

if TYPE_CHECKING:  # a run without an archive must not pay for what these pull in
    from pytest_modelgate.plugin.session.gate_run import GateRun
    from pytest_modelgate.plugin.xdist.scheduling import GateScheduling


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini keys."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let a project register feature sets, and its tests ask for our fixtures."""
    pluginmanager.add_hookspecs(hookspecs)
    pluginmanager.register(aliases, "modelgate-aliases")
    pluginmanager.register(fixtures, "modelgate-fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Take no configuration, suite or ``conftest.py`` from where an option or a test of the suite points."""
    known = early_config.known_args_namespace
    if known.model_archive is None and not any(map(suite.is_shipped, known.file_or_dir)):
        return
    from pytest_modelgate.errors import GateError
    from pytest_modelgate.plugin.configuration import keep_configuration

    try:
        keep_configuration(early_config, parser, args)
    except GateError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Open the archive before anything is collected: what is unusable ends here, with exit status 4."""
    for marker, meaning in collection.MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")
    if archive_path(config) is None and WORKER_KEY not in getattr(config, "workerinput", {}):
        return
    with tuned(config):
        from pytest_modelgate.errors import GateError
        from pytest_modelgate.plugin.configuration import refuse_unknown_keys
        from pytest_modelgate.plugin.session.elsewhere import serve, take_part
        from pytest_modelgate.plugin.session.start import start_run

    try:
        elsewhere = take_part(config)
        if (archive := archive_path(config)) is None:
            return
        refuse_unknown_keys(config)
        suite.use_suite(config)
        config.option.collectonly = config.option.collectonly or plan_path(config) is not None
        check_distribution(config)
        if not hasattr(config, "workerinput"):
            limit_restarts(config)
            check_device(config)
        run = start_run(config, read_settings(config, archive), elsewhere)
        if run.controller and not only_shows(config):
            run.claim_output()
    except GateError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[RUN], config.stash[FOREIGN] = run, suite.foreign_folders(config, run.settings)
    config.add_cleanup(run.close)
    if only_shows(config):
        return
    config.pluginmanager.register(WindowTests(run), "modelgate-windows")
    if run.scheduled:
        from pytest_modelgate.plugin.xdist.internal_items import InternalItems

        config.pluginmanager.register(InternalItems(), "modelgate-internal-items")
    if run.controller:
        from pytest_modelgate.plugin.output.short_summary import ShortSummary, WithinSummary
        from pytest_modelgate.plugin.output.summary_table import Closing
        from pytest_modelgate.plugin.report.html import add_report
        from pytest_modelgate.plugin.session.exit_status import ExitStatus
        from pytest_modelgate.plugin.session.shutdown import Endings

        config.stash[COMPLETENESS] = Completeness(config, run)
        config.pluginmanager.register(config.stash[COMPLETENESS], "modelgate-completeness")
        config.pluginmanager.register(Endings(config, run), "modelgate-endings")
        summary = ShortSummary(run)
        config.pluginmanager.register(summary, "modelgate-short-summary")
        config.pluginmanager.register(WithinSummary(summary), "modelgate-within-summary")
        config.pluginmanager.register(Closing(run), "modelgate-closing")  # before the next: what comes later is outside
        config.pluginmanager.register(ExitStatus(run, by_verdict=exit_by_verdict(config, os.environ)), "modelgate-exit")
        config.pluginmanager.register(Progress(config, run), "modelgate-progress")
        add_report(config, run)
        serve(config, run)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Refuse ``--looponfail``, which leaves out the shipped suite, and takes what the gate writes for changes."""
    if archive_path(config) is None or not config.getoption("looponfail", default=False):
        return
    problem = "xdist would run a part of the tests, again and again, and a model is judged once and whole"
    raise pytest.UsageError(f"--looponfail: {problem}. Leave it out, or leave out --model-archive.")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Put an incomplete verdict in place, and record what is asked for, before the first test runs."""
    run = _reporting_run(session.config)
    if run:
        from pytest_modelgate.plugin.output.header import begin

        begin(session.config, run)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: as many workers as the GPUs hold."""
    if archive_path(config) is None:
        return None
    from pytest_modelgate.errors import GateError

    try:
        return auto_workers(config)
    except GateError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: Sequence[Any]) -> None:
    """Give each worker its GPU and its one thread, before it imports anything."""
    if RUN in config.stash:
        equip(config, specs)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist publishes no type for its nodes
    """Let an xdist worker take part in this run."""
    if RUN in node.config.stash:
        scheduled = node.config.getoption("dist") == "load"
        node.workerinput[WORKER_KEY] = node.config.stash[RUN].to_worker(scheduled=scheduled)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> GateScheduling | None:
    """Decide who runs what, and when."""
    if RUN not in config.stash or config.getoption("dist") != "load":
        return None
    from pytest_modelgate.plugin.xdist.scheduling import GateScheduling

    scheduling = GateScheduling(config, config.stash[RUN].cut)
    config.stash[COMPLETENESS].crash_was_reported = scheduling.crash_was_reported
    return scheduling


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is in force."""
    if RUN not in config.stash:
        return []
    from pytest_modelgate.plugin.output.header import header

    return header(config, config.stash[RUN])


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out whatever lies in archives and results, and the comparison with what is deployed where nothing is."""
    run = config.stash.get(RUN, None)
    if run and suite.is_foreign(collection_path, config):
        return True
    if run and suite.leads_to_suite(collection_path, config):
        return False
    return suite.is_needless(collection_path, config, run.gate.plan if run else None) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Load no ``conftest.py`` above the shipped suite."""
    return suite.make_folder(path, parent) if RUN in parent.config.stash else None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Keep node ids alike wherever the suite comes from."""
    return suite.make_module(module_path, parent) if RUN in parent.config.stash else None


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per model, metric or window; parameters that a project gives its tests are its own."""
    run = metafunc.config.stash.get(RUN, None)
    if run and run.refusal and collection.CASE in collection.reached(metafunc):
        raise pytest.Collector.CollectError(run.refusal)
    collection.parametrize(metafunc, run.gate.plan if run else None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Label tests for the reports; gating first, decisions last."""
    run = config.stash.get(RUN, None)
    if run is None:
        return
    if run.settings.shard:
        collection.keep_share(config, items, frozenset(run.work) | run.informing)
    collection.label_and_sort(items)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the plan where it is asked for; what could not be collected has failed the run already."""
    run = session.config.stash.get(RUN, None)
    if run is None or not run.controller or (path := plan_path(session.config)) is None:
        return
    from pytest_modelgate.plugin.output.plan_file import write_plan

    write_plan(run, recording_options(session.config), path)


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """Name the decision where a decision test passes."""
    if report.outcome != "passed" or report.when != "call" or not isinstance(report, pytest.TestReport):
        return None
    decision = dict(report.user_properties).get("decision")
    return ("passed", ".", f"PASSED ({decision})") if decision else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Let a tolerated check of the suite report its reason alone: its lines are shown for ``--xfail-tb`` only."""
    error = call.excinfo.value if call.excinfo else None
    if not isinstance(error, pytest.xfail.Exception) or item.config.getoption("xfail_tb"):
        return
    if RUN in item.config.stash and item.getparent(suite.SuiteModule):
        error.pytrace = False  # formatting them, arguments and all, takes longer than the check


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Note the figures that a test was about, while its fixtures are there."""
    if RUN in item.config.stash and collection.case_of(item) is not None:
        from pytest_modelgate.plugin.output.junit_properties import facts

        item.user_properties.extend(facts(vars(item).get("funcargs", {})))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Derive the verdict from evidence, before the report that shows it is written."""
    run = _reporting_run(session.config)
    if run is None:
        return
    from pytest_modelgate.plugin.output.markdown import write_summary

    completeness = session.config.stash[COMPLETENESS]
    completeness.report_missing(session, exitstatus)
    run.finish()
    completeness.report_unfounded(session)
    write_summary(session.config, run, os.environ)
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and run.settings.shard and not run.work:
        session.exitstatus = pytest.ExitCode.OK  # more machines than windows: nothing is left for this one


def _reporting_run(config: pytest.Config) -> GateRun | None:
    """The run of the process that reports; None in workers, without an archive and where no test is run."""
    run = config.stash.get(RUN, None)
    return run if run and run.controller and not only_shows(config) else None
