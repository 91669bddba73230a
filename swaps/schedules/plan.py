"""One plan of everything that is going to happen on the slots, with conflicts flagged before they happen. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

MOST_CONFLICTS = 5  # told of one entry


class Kind(StrEnum):
    JOB = "job"  # somebody's work; it needs a model, or none in particular
    SWAP = "swap"
    STOP = "stop"
    WARM = "warm"
    HEALTH_SWEEP = "health_sweep"  # looks, changes nothing
    LOCK = "lock"


class Source(StrEnum):
    EXTERNAL = "external"  # registered by its owner
    SCHEDULE = "schedule"  # ours
    LOCK = "lock"  # held now
    SWAP = "swap"  # running now


CHANGES = frozenset({Kind.SWAP, Kind.STOP, Kind.WARM})  # what somebody's lock refuses


@dataclass(frozen=True, slots=True)
class Conflict:
    """`code` is overlap, inside-lock, unknown-model or model-not-there; `other` the title it clashes with, if any."""

    code: str
    sentence: str
    other: str = ""
    other_url: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the plan. `model` is a catalog key, or for jobs any name the model goes by."""

    kind: Kind
    source: Source
    slot: str | None
    title: str
    owner: str
    starts_at: datetime
    ends_at: datetime
    model: str = ""
    stale: bool = False
    url: str = ""
    known_as: frozenset[str] = frozenset()  # names under which its owner may hold the lock
    conflicts: tuple[Conflict, ...] = ()

    def meets(self, other: "Entry") -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


@dataclass(frozen=True, slots=True)
class World:
    """What is true now. `serving`: slot -> key or served id, blank = nothing; a slot not named is not known.

    `catalog`: every name a model goes by (key, served names, repository) -> its key. `zone`: of times in sentences.
    """

    serving: Mapping[str, str] = field(default_factory=dict)
    catalog: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo = UTC

    def clock(self, at: datetime) -> str:
        """As sentences show a time: the plan covers days, so with the day, and with the zone's name."""
        return f"{at.astimezone(self.zone):%d %b %H:%M %Z}"

    def key_of(self, name: str) -> str:
        return self.catalog.get(name, name)


def lay_out(entries: Iterable[Entry], world: World) -> list[Entry]:
    """The entries by start, each with what is wrong with it."""
    plan = sorted(entries, key=lambda entry: (entry.starts_at, entry.ends_at, entry.slot or "", entry.title))
    found: list[list[Conflict]] = [_unknown(entry, world) for entry in plan]
    for slot in {entry.slot for entry in plan if entry.slot}:
        places = [i for i, entry in enumerate(plan) if entry.slot == slot]
        _clashes(plan, places, found, world)
        _models(plan, places, found, world)
    return [replace(entry, conflicts=tuple(found[i][:MOST_CONFLICTS])) for i, entry in enumerate(plan)]


def _unknown(entry: Entry, world: World) -> list[Conflict]:
    if not entry.model or entry.model in world.catalog or entry.source in (Source.SWAP, Source.LOCK):
        return []
    sentence = f"{entry.title} wants {entry.model}, which is not in the catalog; add it, or correct the name."
    return [Conflict("unknown-model", sentence)]


def _clashes(plan: list[Entry], places: list[int], found: list[list[Conflict]], world: World) -> None:
    """Each pair that meets in time, once. `places` are in order of start, so only the open ones are looked at."""
    still_open: list[int] = []
    for here in places:
        still_open = [i for i in still_open if plan[i].ends_at > plan[here].starts_at]
        for before in still_open:
            _clash(plan, before, here, found, world)
        still_open.append(here)


def _clash(plan: list[Entry], first: int, second: int, found: list[list[Conflict]], world: World) -> None:
    one, two = plan[first], plan[second]
    if not one.meets(two) or Kind.HEALTH_SWEEP in (one.kind, two.kind):
        return
    if Kind.LOCK in (one.kind, two.kind):
        lock, inside = (one, second) if one.kind is Kind.LOCK else (two, first)
        found[inside] += _inside(lock, plan[inside], world)
    elif not _share(one, two):
        found[first].append(_overlap(one, two, world))
        found[second].append(_overlap(two, one, world))


def _inside(lock: Entry, entry: Entry, world: World) -> list[Conflict]:
    """Only what starts under the lock is refused, and only when it is somebody else's."""
    if entry.kind not in CHANGES or entry.source is Source.SWAP or entry.starts_at < lock.starts_at:
        return []
    if lock.owner in entry.known_as:
        return []
    at, until = world.clock(entry.starts_at), world.clock(lock.ends_at)
    sentence = f"{entry.title} at {at} would be refused: {lock.owner} holds {entry.slot} until {until}."
    return [Conflict("inside-lock", sentence, lock.title, lock.url)]


def _share(one: Entry, two: Entry) -> bool:
    """Two jobs that use the same model, whatever serves included, do not disturb each other."""
    return one.kind is Kind.JOB and two.kind is Kind.JOB and one.model == two.model


def _overlap(entry: Entry, other: Entry, world: World) -> Conflict:
    if (other.title, other.url) == (entry.title, entry.url):
        sentence = f"{entry.title} takes longer than the time until it comes again."
    else:
        when = f"{world.clock(other.starts_at)} to {world.clock(other.ends_at)}"
        sentence = f"{entry.title} overlaps {other.title} on {entry.slot} ({when})."
    return Conflict("overlap", sentence, other.title, other.url)


def _models(plan: list[Entry], places: list[int], found: list[list[Conflict]], world: World) -> None:
    """Walk the slot's day: what would serve when each job starts?"""
    slot = plan[places[0]].slot or ""
    serves: str | None = world.serving.get(slot)
    changed_by: Entry | None = None
    for i in places:
        entry = plan[i]
        if entry.kind in (Kind.SWAP, Kind.STOP) and not entry.stale:  # a stale one may never happen
            serves, changed_by = world.key_of(entry.model), entry
        elif entry.kind is Kind.JOB and serves is not None and _lacks(entry, serves, world):
            found[i].append(_not_there(entry, serves, changed_by, world))


def _lacks(entry: Entry, serves: str, world: World) -> bool:
    return entry.model in world.catalog and world.key_of(entry.model) != serves


def _not_there(entry: Entry, serves: str, changed_by: Entry | None, world: World) -> Conflict:
    wants = f"{entry.title} needs {entry.model}"
    if changed_by is not None:
        does = f"swaps to {serves}" if serves else "stops what serves"
        sentence = f"{wants}, but {changed_by.title} at {world.clock(changed_by.starts_at)} {does} before."
        return Conflict("model-not-there", sentence, changed_by.title, changed_by.url)
    now = f"{entry.slot} serves {serves}" if serves else f"nothing serves on {entry.slot}"
    return Conflict("model-not-there", f"{wants}, but {now} and nothing planned swaps to it before.")
