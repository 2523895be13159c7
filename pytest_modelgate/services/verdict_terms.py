"""Terms that a verdict has to meet before anything in a trader's folder is changed because of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import get_args

from pytest_modelgate.adapters.config_files.profiles import builtin_profiles, load_profile
from pytest_modelgate.adapters.verdict.schema import Verdict
from pytest_modelgate.core.config.settings import DecisionRule
from pytest_modelgate.errors import PromotionError
from pytest_modelgate.text import plain

MAX_AGE = timedelta(days=7)  # a week of market that nobody has looked at
RERUN = "Run the gate again with this version, on this archive"
_CLOCK_SKEW = timedelta(minutes=5)  # between the machine that judged and this one


def check_verdict(
    verdict: Verdict, location: str, *, at: datetime, max_age: timedelta, digest: str | None, profile: str | None
) -> None:
    """Refuse a verdict that nothing may be done by.

    Args:
        location: of the verdict, for messages.
        at: now, UTC.
        max_age: since the judged market data ended, and since the verdict was written.
        digest: which verdict it has to be; None for any.
        profile: file of the profile, for one that is not built in.

    Raises:
        PromotionError: it is another one, incomplete, too old, or of another version or profile.
        SettingsError: the profile cannot be used.
    """
    if digest is not None and verdict.digest != digest:
        problem = f"has digest {verdict.digest[:12]}..., expected {digest[:12]}..."
        raise PromotionError(location, problem, "Fetch the verdict that was approved")
    if verdict.complete is not True:
        problem = f"is incomplete: {plain(verdict.complete, 200)}"
        raise PromotionError(location, problem, "Run the whole gate, then go by its verdict")
    judged_by, here = verdict.settings.get("version"), version("pytest-modelgate")
    if judged_by != here:
        problem = f"was written by version {judged_by!a}, this is {here}"
        raise PromotionError(location, problem, RERUN)
    _check_profile(verdict, location, profile)
    if verdict.settings.get("decision") not in get_args(DecisionRule):
        raise PromotionError(location, "does not say by which rule it decided", RERUN)
    _check_age(verdict, location, max_age, at)


def written_at(verdict: Verdict, location: str) -> datetime:
    """When a verdict was written.

    Raises:
        PromotionError: it does not say.
    """
    return _moment(verdict.run.get("written"), location)


def _check_age(verdict: Verdict, location: str, most: timedelta, at: datetime) -> None:
    as_of, written = _moment(verdict.settings.get("as_of"), location), written_at(verdict, location)
    for what, moment in (("judged market data that ended", as_of), ("was written", written)):
        if moment - at > _CLOCK_SKEW:
            problem = f"{what} {moment:%Y-%m-%d %H:%M} UTC, but it is {at:%Y-%m-%d %H:%M} UTC now"
            raise PromotionError(location, problem, "Set the clocks of both machines, then judge the archive anew")
        if at - moment > most:
            problem = f"{what} {moment:%Y-%m-%d %H:%M} UTC, longer ago than {str(most).removesuffix(', 0:00:00')}"
            days = (at - moment) // timedelta(days=1) + 1
            remedy = f"Judge the archive anew, with --gate-as-of, or allow that age with --max-age {days}d"
            raise PromotionError(location, problem, remedy)


def _check_profile(verdict: Verdict, location: str, path: str | None) -> None:
    name = verdict.profile.name
    if path is None and name not in builtin_profiles():
        problem = f"was judged by profile {name[:40]!a}, which is not built in"
        raise PromotionError(location, problem, "Name its file with --profile")
    profile = load_profile(path or name)
    if (profile.name, profile.sha256) != (name, verdict.profile.sha256):
        problem = f"was judged by other limits than those of profile {profile.name}"
        raise PromotionError(location, problem, RERUN)


def _moment(text: object, location: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise PromotionError(location, "does not say when it was made", RERUN)
    return moment.astimezone(UTC)
