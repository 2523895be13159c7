"""Waivers: a named person answers, for a few weeks, for one thing that holds one model back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

from pytest_modelgate.core.config.cap_kind import CapKind
from pytest_modelgate.errors import SettingsError
from pytest_modelgate.text import plain

LONGEST = timedelta(days=30)
WAIVABLE = (
    CapKind.GATING,
    CapKind.BACKTEST,
    CapKind.FOLDS,
    CapKind.RETURN,
    CapKind.LUCKY_FOLD,
    CapKind.CHAMPION,
)
_MOST_LETTERS = 300


@dataclass(frozen=True)
class Waiver:
    """One waiver.

    Attributes:
        model: its id.
        check: one of ``WAIVABLE``.
        reason: why it is right to go on all the same.
        owner: who answers for it.
        expires: the last day on which it holds, UTC.
    """

    model: str
    check: str
    reason: str
    owner: str
    expires: date

    def __str__(self) -> str:
        return f"waived by {self.owner} until {self.expires.isoformat()}: {self.reason.rstrip('.')}"


def parse_waivers(document: Mapping[str, object], location: str, today: date) -> tuple[Waiver, ...]:
    """Read a waivers file: a list ``[[waiver]]`` of tables with the fields of ``Waiver``.

    Args:
        document: what the TOML holds.
        location: the file, for messages.
        today: UTC.

    Raises:
        SettingsError: a field is missing, unknown or unusable, a check cannot be waived, a waiver has expired or lasts
            too long, or two are about the same.
    """
    entries = document.get("waiver", [])
    if set(document) - {"waiver"} or not isinstance(entries, list):
        raise SettingsError(location, "holds other than a list of [[waiver]]", "Write one [[waiver]] for each")
    waivers: dict[tuple[str, str], Waiver] = {}
    for number, entry in enumerate(entries, start=1):
        waiver = _parse(entry, f"{location}, waiver {number}", today)
        if (waiver.model, waiver.check) in waivers:
            problem = f"is a second one for {waiver.check} of {waiver.model}"
            raise SettingsError(f"{location}, waiver {number}", problem, "Keep one of the two")
        waivers[waiver.model, waiver.check] = waiver
    return tuple(waiver for _, waiver in sorted(waivers.items()))


def check_models(waivers: Sequence[Waiver], models: Collection[str], location: str) -> None:
    """Refuse waivers for models that the archive does not hold.

    Raises:
        SettingsError: there is one.
    """
    for waiver in waivers:
        if waiver.model not in models:
            problem = f"waives {waiver.check} of {plain(waiver.model)}, which the archive does not hold"
            raise SettingsError(location, problem, f"Take it out, or name one of {', '.join(sorted(models)[:5])}")


def _parse(entry: object, location: str, today: date) -> Waiver:
    names = [field.name for field in fields(Waiver)]
    if not isinstance(entry, dict) or set(entry) != set(names):
        raise SettingsError(location, f"does not have exactly the fields {', '.join(names)}", "Write each of them")
    for name in names[:-1]:
        text = entry[name]
        if not (isinstance(text, str) and text.strip() and text.isprintable() and len(text) <= _MOST_LETTERS):
            problem = f"{name} is not a line of 1 to {_MOST_LETTERS} printable letters"
            raise SettingsError(location, problem, f"Say in words what the {name} is")
    expires = entry["expires"]
    if not isinstance(expires, date) or isinstance(expires, datetime):
        raise SettingsError(location, "expires is not a day", "Write it without quotes, such as expires = 2025-01-31")
    waiver = Waiver(entry["model"], entry["check"], entry["reason"].strip(), entry["owner"].strip(), expires)
    if waiver.check not in WAIVABLE:
        problem = f"{waiver.check[:40]!a} cannot be waived, only {', '.join(WAIVABLE)}"
        raise SettingsError(location, problem, "No waiver lifts DROP, an integrity check or a proof: train again")
    if expires < today:
        problem = f"expired on {expires.isoformat()}"
        raise SettingsError(location, problem, "Take it out, or let its owner renew it")
    if expires > today + LONGEST:
        problem = f"expires on {expires.isoformat()}, more than {LONGEST.days} days ahead"
        raise SettingsError(location, problem, f"Choose a day up to {(today + LONGEST).isoformat()}")
    return waiver
