"""Entries and checkpoints of one run, brought together: a model is what both, or one of them, tell of."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, takewhile

from pytest_modelgate.adapters.archive.belonging import owner_of
from pytest_modelgate.adapters.archive.entries import Entry, unread_entry
from pytest_modelgate.adapters.archive.names import listed
from pytest_modelgate.adapters.archive.roles import Roles
from pytest_modelgate.adapters.files.statistic_names import may_keep_observations, says_observations
from pytest_modelgate.core.market.bars import Instrument, Timeframe
from pytest_modelgate.core.training.run import CheckpointRef, Declared, Fault, TrainedModel
from pytest_modelgate.text import plain, shown

_MOST_BESIDE = 16
_Key = tuple[Instrument, Timeframe]
_RENAME = "Call the checkpoint and its entry SYMBOL_TIMEFRAME, such as UNIUSD_1Hour"


@dataclass
class Matching:
    """Models as they come together.

    Attributes:
        sizes: bytes of every member.
        location: the archive, for messages.
        strays: sentences about what is no model.
    """

    roles: Roles
    sizes: Mapping[str, int]
    location: str
    strays: list[str] = field(default_factory=list)
    _members: dict[_Key, str] = field(default_factory=dict)
    _bare: dict[Instrument, str] = field(default_factory=dict)  # checkpoints that tell no timeframe
    _faults: dict[_Key, Fault] = field(default_factory=dict)
    _nameless: dict[str, TrainedModel] = field(default_factory=dict)

    def models(self, entries: Iterable[Entry]) -> tuple[TrainedModel, ...]:
        """All models, sorted by id."""
        named = list(entries)
        files = Counter(self._resolved(entry.file) for entry in named if entry.file)
        named = [self._with_file(entry, files) for entry in named]
        self._sort_checkpoints({self._resolved(entry.file) for entry in named if entry.file and not entry.fault})
        by_model = self._by_model(named)
        self._give_bare(by_model)
        keys = {*by_model, *self._members, *self._faults}
        found = [self._model(key, by_model.get(key)) for key in keys]
        return tuple(sorted([*found, *self._nameless.values()], key=lambda model: model.id))

    def _sort_checkpoints(self, used: set[str]) -> None:
        odd = []
        for stem, member in self.roles.checkpoints.items():
            if member in used:
                continue
            entry = unread_entry(stem, self.location)
            if entry and entry.fault and stem.rpartition("_")[2] in list(Timeframe):
                self._name(stem, entry, entry.fault, member)  # of no symbol that can be judged
            elif entry is None or entry.fault:
                odd.append(member.rpartition("/")[2])
            elif entry.timeframe is None:
                self._bare[entry.instrument] = member
            else:
                self._members[entry.instrument, entry.timeframe] = member
        if odd:
            endings = ", ".join(sorted({name[name.rfind(".") :] for name in odd}))
            self.strays.append(f"{listed(odd)} not judged: no model's name, expected SYMBOL_TIMEFRAME{plain(endings)}")

    def _resolved(self, file: str) -> str:
        """The member that a file means: relative to what names it, or to the folder that the trainer ran in."""
        member = f"{self.roles.folder}{file}"
        if member in self.sizes:
            return member
        usual = self.roles.checkpoints.get(self.roles.stem(file), member)
        return usual if f"/{file}".endswith(f"/{usual[usual.rfind('models/') :]}") else member

    def _with_file(self, entry: Entry, files: Mapping[str, int]) -> Entry:
        """The entry, with a fault where the file that it names cannot be its checkpoint."""
        if not entry.file or entry.fault:
            return entry
        file = entry.file
        member = self._resolved(file)
        stem = unread_entry(self.roles.stem(member), entry.location)
        if stem and not entry.timeframe and stem.instrument == entry.instrument:
            entry = replace(entry, timeframe=stem.timeframe)
        other = stem and (stem.instrument != entry.instrument or stem.timeframe not in (None, entry.timeframe))
        if member not in self.sizes:
            problem = "which the archive does not hold under a name that is read"
        elif not member.endswith(self.roles.suffixes) or "/checkpoints/" in f"/{file.lower()}":
            problem = "which is no model, but what training passed through or kept beside"
        elif other or files[member] > 1:
            problem = "which is another model's"
        else:
            return entry
        where, remedy = f"{entry.location}, file", "Name the model's own file, relative to what describes the run"
        return replace(entry, fault=Fault(where, f"is {shown(file)}, {problem}", remedy))

    def _by_model(self, entries: list[Entry]) -> dict[_Key, Entry]:
        """Entries by what they are about; a symbol alone means the one checkpoint of that symbol."""
        by_model: dict[_Key, Entry] = {}
        own = {(entry.instrument, entry.timeframe) for entry in entries}
        for entry in entries:
            keys = [(entry.instrument, entry.timeframe)] if entry.timeframe else self._meant(entry, own)
            for key in keys:
                if key in by_model:
                    problem = f"{shown(by_model[key].key)} and {shown(entry.key)} both describe it"
                    self._faults[key] = Fault(entry.location, problem, "Keep one of the two")
                by_model[key] = entry
        return by_model

    def _meant(self, entry: Entry, own: set[tuple[Instrument, Timeframe | None]]) -> list[_Key]:
        """Models that an entry without a timeframe may mean; each has a fault unless it is the only one."""
        choices = [key for timeframe in Timeframe if (key := (entry.instrument, timeframe)) in self._members]
        if entry.fault and entry.key != entry.instrument.symbol:  # an unknown timeframe
            self._name(entry.key, entry, entry.fault)
            return []
        if len(choices) == 1:
            return choices
        symbol = entry.instrument.symbol
        held = [self._members[key] for key in choices]
        held += [self._bare[entry.instrument]] if entry.instrument in self._bare else []
        names = [plain(member.rpartition("/")[2]) for member in held]
        told = ", ".join(names) or "no checkpoint"
        fault = Fault(entry.location, f"names no timeframe, and the archive holds {told} of that symbol", _RENAME)
        open_ones = [key for key in choices if key not in own]
        self._faults |= dict.fromkeys(open_ones, fault)
        if not open_ones:
            self._bare.pop(entry.instrument, None)
            self._name(symbol, entry, entry.fault or fault)
        return []

    def _give_bare(self, by_model: Mapping[_Key, Entry]) -> None:
        """Give a checkpoint without a timeframe to the one model that has none, else make it one by name."""
        for instrument, member in sorted(self._bare.items(), key=lambda item: item[1]):
            described = [key for timeframe in Timeframe if (key := (instrument, timeframe)) in by_model]
            lacking = [key for key in described if key not in self._members and not by_model[key].file]
            if described and not lacking:
                self.strays.append(
                    f"{shown(member.rpartition('/')[2])} not judged: its symbol's models have checkpoints of their own"
                )
            elif len(described) == 1:
                self._members[lacking[0]] = member
            else:
                told = ", ".join(sorted(by_model[key].key for key in described)) or "none"
                where = f"{self.location}, member {plain(member)}"
                fault = Fault(where, f"names no timeframe, and its symbol is described as {plain(told)}", _RENAME)
                placeholder = Entry(instrument.symbol, where, instrument, None)
                self._name(instrument.symbol, placeholder, fault, member)

    def _name(self, name: str, entry: Entry, fault: Fault, member: str | None = None) -> None:
        """A model that only has a name, and cannot be judged."""
        reference = self._reference(member, None) if member else None
        if name in self._nameless:  # by its checkpoint
            reference = reference or self._nameless[name].checkpoint
        self._nameless[name] = TrainedModel(
            entry.instrument, Timeframe.HOUR_1, None, reference, Declared(), fault, name
        )

    def _model(self, key: _Key, entry: Entry | None) -> TrainedModel:
        fault = self._faults.get(key) or (entry.fault if entry else None)
        member = self._members.get(key)
        if entry and entry.file and not fault:
            member = self._resolved(entry.file)
        fault = fault or (self._rivals(member) if member and not (entry and entry.file) else None)
        reference = self._reference(member, entry.sha256 if entry else None) if member else None
        history = entry.history if entry and not fault else None
        return TrainedModel(*key, history, reference, entry.declared if entry else Declared(), fault)

    def _reference(self, member: str, sha256: str | None) -> CheckpointRef:
        stem = self.roles.stem(member)
        folder = member[: member.rfind("/") + 1]
        start = f"{folder}{stem}."
        first = bisect_left(self._sorted, start)
        near = takewhile(lambda name: name.startswith(start), islice(self._sorted, first, first + _MOST_BESIDE))
        shared = (name for name in self._telling.get((folder, ""), ()) if says_observations(name))
        named = [*self._telling.get((folder, stem), ()), *shared, *(name[len(folder) :] for name in near)]
        others = dict.fromkeys(name for name in named if f"{folder}{name}" not in (member, f"{start}json"))
        declaration = f"{start}json" if f"{start}json" in self.sizes else None
        beside = tuple(sorted(islice(others, _MOST_BESIDE)))
        return CheckpointRef(member, self.sizes[member], sha256, declaration, stem, beside)

    @cached_property
    def _telling(self) -> Mapping[tuple[str, str], list[str]]:
        """Names of files that may hold statistics of observations, by folder and the model whose name they begin with.

        Those that begin with no model's name, as the ``vecnormalize.pkl`` of a run, may be of all that lie beside them.
        """
        found: dict[tuple[str, str], list[str]] = {}
        for member in self._sorted:
            folder = member[: member.rfind("/") + 1]
            name = member[len(folder) :]
            if may_keep_observations(name) and not name.endswith(self.roles.suffixes):
                found.setdefault((folder, owner_of(name, self.roles.checkpoints)), []).append(name)
        return found

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.sizes)

    def _rivals(self, member: str) -> Fault | None:
        """Why a member cannot be taken for its model's: others of its name could be as well."""
        rivals = self.roles.rivals.get(self.roles.stem(member))
        if rivals is None:
            return None
        where, problem = f"{self.location}, member {plain(member)}", f"{listed(rivals)} are all of that name"
        return Fault(where, f"{problem}, and nothing tells which is the model", "Keep one of them")
