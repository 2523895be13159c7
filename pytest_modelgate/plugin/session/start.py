"""Start of a run in this process: the archive is opened, the plan made, the gate built."""

from __future__ import annotations

import json
import re
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_modelgate.adapters.archive import open_archive
from pytest_modelgate.adapters.config_files.profiles import load_profile
from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.feature_set_digest import UnfollowedCodeError, code_source, feature_set_version
from pytest_modelgate.adapters.formats import builtin_formats
from pytest_modelgate.adapters.ledger import LedgerState
from pytest_modelgate.adapters.policy_format import PolicyFormat, suffixes_of
from pytest_modelgate.adapters.source_digest import evidence_version
from pytest_modelgate.core.config.profiles import Profile
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.config.waivers import check_models
from pytest_modelgate.core.features.feature_set import FeatureSet
from pytest_modelgate.core.features.reference import REFERENCE
from pytest_modelgate.core.planning.plan import Plan, make_plan
from pytest_modelgate.errors import GateError, SettingsError
from pytest_modelgate.plugin.options import only_shows
from pytest_modelgate.plugin.session.gate_run import EVIDENCE, GateRun
from pytest_modelgate.plugin.state import WORKER_KEY
from pytest_modelgate.plugin.suite import suite_digest
from pytest_modelgate.services.evaluator import build_evaluator
from pytest_modelgate.services.gate import Gate
from pytest_modelgate.services.market_data import load_series
from pytest_modelgate.services.model_loader import ModelLoader
from pytest_modelgate.services.trials import enter_trials
from pytest_modelgate.text import shown

_FORMATS = "hook pytest_modelgate_policies"
_TEXT = re.compile(r"[ -~]{1,80}")
_SUFFIX = re.compile(r"(\.[a-z0-9]{1,16}){1,3}")

if TYPE_CHECKING:  # what most runs have no need of
    from pytest_modelgate.adapters.verdict.schema import Verdict
    from pytest_modelgate.plugin.xdist.remote.arrival import Elsewhere
    from pytest_modelgate.services.champions import Champions
    from pytest_modelgate.services.watching import Watching


def start_run(config: pytest.Config, settings: Settings, elsewhere: Elsewhere | None = None) -> GateRun:
    """Open the archive and lay out the run.

    Args:
        elsewhere: what a worker has that sees none of the run's folders.

    Raises:
        ArchiveError: the archive cannot be used.
        SettingsError: an option or the profile cannot be used.
        PromotionError: the verdict to compare with cannot be read, or was altered.
    """
    shared: dict[str, str] | None = getattr(config, "workerinput", {}).get(WORKER_KEY)
    profile = load_profile(settings.profile)
    formats = policy_formats(config)
    suffixes = suffixes_of(formats)
    archive = elsewhere.archive(suffixes) if elsewhere else open_archive(settings.archive, suffixes=suffixes)
    try:
        run_id = shared["run_id"] if shared else secrets.token_hex(8)
        if elsewhere:
            scratch, settings = elsewhere.scratch / "checkpoints", elsewhere.settings(settings)
        else:
            scratch = Path(shared["scratch"] if shared else tempfile.mkdtemp(prefix="modelgate-"))
        store = elsewhere.store if elsewhere else EvidenceStore(settings.output / EVIDENCE, run_id, settings.evidence)
        champions, watching = _champions(settings), _watching(settings, elsewhere)
        compared = _compared(settings) if not shared else None
        watched = watching.of(model.id for model in archive.run.models) if watching else {}
        plan = make_plan(archive.run, settings, profile, champions.digests if champions else {}, watched)
        check_models(settings.waivers, {item.model.id for item in plan.models}, "--gate-waivers")
        loader, evaluator = build_evaluator(
            settings,
            archive,
            profile,
            lambda: feature_sets(config),
            scratch,
            champions=champions,
            watching=watching,
            formats=formats,
            read_market=elsewhere.read_market if elsewhere else load_series,
        )
        ledger = None if only_shows(config) else _ledger(settings, profile, plan, loader, shared)
        if ledger:
            plan = plan.with_trials(ledger.trials)
        gate = Gate(settings, archive, profile, plan, store, loader, evaluator, ledger, champions, watching)
        run = GateRun(gate, shared is None, run_id, scratch, compared=compared)
        if shared:
            run.scheduled, run.refusal = bool(shared["scheduled"]), _refusal(gate, shared)
        if elsewhere:
            run.refusal = run.refusal or _estranged(surroundings(config), elsewhere.surroundings)
    except BaseException:
        archive.close()
        raise
    return run


def _champions(settings: Settings) -> Champions | None:
    """What is deployed, where it is to be compared with."""
    if settings.champion is None:
        return None
    from pytest_modelgate.services.champions import deployed, read_champions

    return read_champions(deployed(settings.champion))


def _watching(settings: Settings, elsewhere: Elsewhere | None) -> Watching | None:
    """The account that trades models, where its record is asked for.

    Raises:
        SettingsError: it cannot be read, or this worker has none of it.
    """
    if settings.paper is None:
        return None
    if elsewhere:
        problem = "workers on other machines have no record of an account"
        raise SettingsError("--gate-paper", problem, "Run it with workers of this machine (-n), or in shards")
    from pytest_modelgate.services.watching import read_watching

    return read_watching(settings.paper, settings.cassettes)


def _compared(settings: Settings) -> Verdict | None:
    """The verdict that the report compares with, where one is named."""
    if settings.compare is None:
        return None
    from pytest_modelgate.adapters.verdict.reader import read_verdict
    from pytest_modelgate.services.champions import deployed

    return read_verdict(deployed(settings.compare))


def _refusal(gate: Gate, shared: Mapping[str, str]) -> str:
    """Reason why this worker would judge something else than the controller announced; empty when it would not."""
    if not gate.archive.is_identical(shared["archive"]):
        return "INCOMPLETE: the archive is not the one that the run began with; start again when nobody writes to it"
    if gate.agreement != shared["agreement"]:
        return "INCOMPLETE: this worker has other options, another profile or another version than the run began with"
    return ""


def surroundings(config: pytest.Config) -> dict[str, str]:
    """What evidence and tests depend on besides archive, options and package, which differs among machines.

    Returns:
        Digests by what they are of, in words.
    """
    found = {"the suite": suite_digest(config), "the versions of Python and libraries": evidence_version()}
    try:
        registered = feature_sets(config)
    except GateError:  # told by the models that need them
        return found
    for name, feature_set in registered.items():
        if feature_set is not REFERENCE:
            try:
                found[f"feature set {name}"] = feature_set_version(feature_set)
            except UnfollowedCodeError:  # nobody can tell
                found[f"feature set {name}"] = ""
    return found


def _estranged(found: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """Reason why the evidence of a worker elsewhere would be of something else; empty when it would not."""
    others = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if not others:
        return ""
    remedy = "install the same there, or share the folder of a project that has some of its own"
    return f"INCOMPLETE: on this worker's machine {', '.join(others)} differ from those of the run; {remedy}"


def _ledger(
    settings: Settings, profile: Profile, plan: Plan, loader: ModelLoader, shared: Mapping[str, str] | None
) -> LedgerState | None:
    """State of the ledger after this run's models were entered; workers take it from the controller."""
    if shared is None:
        return enter_trials(settings.ledger, plan, settings, profile, loader) if settings.ledger else None
    head = shared.get("ledger")
    return LedgerState(int(shared["trials"]), head, json.loads(shared["registered"])) if head else None


def policy_formats(config: pytest.Config) -> tuple[PolicyFormat, ...]:
    """The built-in formats and those that the project registers.

    Raises:
        SettingsError: two have one name, or something else than formats is registered.
    """
    known = list(builtin_formats())
    for registered in config.hook.pytest_modelgate_policies():
        for item in registered if isinstance(registered, Iterable) else (registered,):
            where = f"{_FORMATS}, {shown(getattr(item, 'name', item), 60)}"
            if flaw := _flaw(item):
                raise SettingsError(where, f"{flaw}", "Return objects with name, version, suffixes and read(file)")
            if item.name in {other.name for other in known}:
                raise SettingsError(where, "is the name of two formats", "Give each format one name of its own")
            known.append(item)
    return tuple(known)


def _flaw(item: object) -> str:
    """What keeps an object from being a format, half a sentence; empty when nothing does."""
    if not isinstance(item, PolicyFormat):
        return f"is a {type(item).__name__}, which is no format"
    for said, value in (("name", item.name), ("version", item.version)):
        if not isinstance(value, str) or not _TEXT.fullmatch(value):
            return f"has the {said} {shown(value, 60)}, expected 1 to 80 printable ASCII characters"
    suffixes: object = item.suffixes
    if not isinstance(suffixes, tuple) or not suffixes or not all(map(_is_suffix, suffixes)):
        return f"has the suffixes {shown(suffixes, 60)}, expected a tuple of endings such as '.keras', and not '.json'"
    return ""


def _is_suffix(value: object) -> bool:
    return isinstance(value, str) and _SUFFIX.fullmatch(value) is not None and value != ".json"


def feature_sets(config: pytest.Config) -> Mapping[str, FeatureSet]:
    """The reference set and what the project registers.

    Raises:
        SettingsError: two registrations claim one name, or something else than feature sets by name is registered.
    """
    known = {REFERENCE.name: REFERENCE}
    for registered in config.hook.pytest_modelgate_feature_sets():
        if not (isinstance(registered, Mapping) and all(isinstance(one, FeatureSet) for one in registered.values())):
            problem = f"an implementation returned a {type(registered).__name__}, expected a dict of FeatureSet by name"
            raise SettingsError("hook pytest_modelgate_feature_sets", problem, "Return {feature_set.name: feature_set}")
        for name, feature_set in registered.items():
            if name in known or name != feature_set.name:
                problem = f"{name!r} is taken, or is not the name the feature set bears ({feature_set.name!r})"
                remedy = "Give each feature set one name of its own"
                raise SettingsError("hook pytest_modelgate_feature_sets", problem, remedy)
            known[name] = replace(feature_set, source=code_source(feature_set, config.rootpath))
    return known
