"""The plan of the next hours, gathered from the rows: schedules of both sides, the locks held, the swaps that run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from django.utils import timezone

from cluster.models import Slot
from swaps import locks
from swaps.models import ModelDefinition, Operation, Serving, ServingState, Swap
from swaps.schedules.arithmetic import fires_between
from swaps.schedules.plan import Entry, Kind, Source, World, lay_out
from swaps.schedules.rows import Schedule, ScheduleKind
from swaps.story import past_loads, tell

WEEK_HOURS = 7 * 24
MOST_OF_ONE = 300  # entries of one schedule; every five minutes is 288 a day
JOB_SECONDS = 600  # of an external one that does not say how long it takes
USUAL_SECONDS = {ScheduleKind.SWAP: 300, ScheduleKind.WARM: 60, ScheduleKind.HEALTH_SWEEP: 20}
KINDS = {ScheduleKind.SWAP: Kind.SWAP, ScheduleKind.WARM: Kind.WARM, ScheduleKind.HEALTH_SWEEP: Kind.HEALTH_SWEEP}
RUNNING = {Operation.SWAP: Kind.SWAP, Operation.STOP: Kind.STOP, Operation.WARM: Kind.WARM}


@dataclass(frozen=True, slots=True)
class Plan:
    """`truncated` names the schedules that come due more often than the plan shows."""

    since: datetime
    until: datetime
    entries: list[Entry]
    truncated: list[str]

    @property
    def conflicts(self) -> int:
        return sum(bool(entry.conflicts) for entry in self.entries)


def plan_of(now: datetime, hours: int = 24, slot: Slot | None = None, instead: Schedule | None = None) -> Plan:
    """What happens until `hours` from now, on all slots or one. What belongs to no slot is always shown.

    `instead`: a schedule as somebody is about to save it; it counts in the place of its row, if it has one.
    """
    until = now + timedelta(hours=hours)
    entries: list[Entry] = []
    truncated: list[str] = []
    schedules = list(Schedule.objects.filter(enabled=True).select_related("slot"))
    if instead is not None:
        schedules = [schedule for schedule in schedules if schedule.pk != instead.pk]
        schedules += [instead] if instead.enabled else []
    for schedule in schedules:
        found = list(_fires(schedule, now, until))
        truncated += [schedule.title] if len(found) == MOST_OF_ONE else []
        entries += found
    slots = list(Slot.objects.with_sparks())
    entries += [*_locks(slots, now), *_swaps(now)]
    if slot is not None:
        entries = [entry for entry in entries if entry.slot in (slot.name, None)]
    return Plan(now, until, lay_out(entries, world()), truncated)


def conflicts_with(draft: Schedule, now: datetime) -> list[Entry]:
    """The entries of the next week that saving `draft` would put in somebody's way, each with these conflicts alone."""
    found = []
    for entry in plan_of(now, WEEK_HOURS, instead=draft).entries:
        own = entry.url == draft.url
        clashing = entry.conflicts if own else tuple(c for c in entry.conflicts if c.other_url == draft.url)
        if clashing:
            found.append(replace(entry, conflicts=clashing))
    return found


def world() -> World:
    """What serves, and under which names the catalog knows its models."""
    serving: dict[str, str] = {}
    for row in Serving.objects.select_related("slot").exclude(state=ServingState.UNKNOWN):
        serving[row.slot.name] = row.model_key or (row.served_ids[0] if row.served_ids else "")
    catalog: dict[str, str] = {}
    for entry in ModelDefinition.objects.order_by("-pk"):
        names = (*entry.as_definition().served_names(), entry.repo, entry.label, entry.key)
        catalog |= {name: entry.key for name in names if name}
    unlisted = {name: name for name in serving.values() if name and name not in catalog}
    return World(serving, {**unlisted, **catalog}, timezone.get_current_timezone())


def _fires(schedule: Schedule, now: datetime, until: datetime) -> Iterator[Entry]:
    """Also what began before now and is not over."""
    lasts = timedelta(seconds=expected_seconds(schedule))
    began = now - lasts if schedule.is_external else now
    for at in fires_between(schedule.rule(), began, until, MOST_OF_ONE):
        if at + lasts > now:
            yield _entry(schedule, at, at + lasts, now)


def _entry(schedule: Schedule, starts_at: datetime, ends_at: datetime, now: datetime) -> Entry:
    external = schedule.is_external
    kind = Kind.SWAP if schedule.swaps_itself else Kind.JOB
    return Entry(
        kind=kind if external else KINDS[ScheduleKind(schedule.kind)],
        source=Source.EXTERNAL if external else Source.SCHEDULE,
        slot=schedule.slot.name if schedule.slot else None,
        title=schedule.title,
        owner=schedule.owner or schedule.registered_by,
        starts_at=starts_at,
        ends_at=ends_at,
        model=schedule.model,
        stale=schedule.is_stale(now),
        url=schedule.url,
        known_as=frozenset(_names(schedule)),
    )


def _names(schedule: Schedule) -> Iterator[str]:
    """Under which its owner may hold the lock; holders are free text."""
    if not schedule.is_external:
        yield schedule.actor
        return
    yield from (schedule.owner, schedule.ref, schedule.registered_by, schedule.registered_by.partition(":")[2])
    yield from (f"{schedule.owner}{mark}{schedule.ref}" for mark in "-/:._")


def expected_seconds(schedule: Schedule) -> int:
    """As told; else from past loads of the model; else a usual figure."""
    if schedule.expected_seconds:
        return schedule.expected_seconds
    if schedule.is_external:
        return JOB_SECONDS
    entry = None
    if schedule.kind == ScheduleKind.SWAP:
        entry = ModelDefinition.objects.filter(key=schedule.model).first()
    if entry is None:
        return USUAL_SECONDS[ScheduleKind(schedule.kind)]
    loads = [load.seconds for load in past_loads(entry.key, entry.nodes)]
    return round(median(loads)) if loads else entry.expected_load_seconds or USUAL_SECONDS[ScheduleKind.SWAP]


def _locks(slots: list[Slot], now: datetime) -> Iterator[Entry]:
    for slot in slots:
        view = locks.look(slot)
        if not view.held or view.acquired_at is None or view.expires_at is None:
            continue
        yield Entry(
            kind=Kind.LOCK,
            source=Source.LOCK,
            slot=slot.name,
            title=view.purpose or f"Lock of {view.holder}",
            owner=view.holder,
            starts_at=view.acquired_at,
            ends_at=max(view.expires_at, now),
            url=f"/api/swap/lock?slot={slot.name}",
        )


def _swaps(now: datetime) -> Iterator[Entry]:
    for swap in Swap.objects.active().for_pages():
        operation = Operation(swap.operation)
        left = tell(swap, now).remaining_seconds
        if left is None:
            left = USUAL_SECONDS[ScheduleKind.SWAP if operation is Operation.SWAP else ScheduleKind.WARM]
        yield Entry(
            kind=RUNNING[operation],
            source=Source.SWAP,
            slot=swap.slot.name,
            title=f"{operation.label.capitalize()} {swap.model_label}".strip(),
            owner=swap.actor,
            starts_at=swap.accepted_at,
            ends_at=now + timedelta(seconds=left),
            model="" if operation is Operation.STOP else swap.model_key,
            url=f"/api/swap/{swap.pk}",
            known_as=frozenset({swap.actor}),
        )
