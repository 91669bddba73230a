"""Schedules and their runs as people read them: what, when, whose, and how it is going."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cluster.badges import Badge
from cluster.templatetags import show
from swaps.schedules.actions import NEXT_SHOWN, preview
from swaps.schedules.arithmetic import Rule
from swaps.schedules.rows import RunState, Schedule, ScheduleKind, ScheduleRun

_RUNS = {
    RunState.WAITING: Badge("clock", "Waiting for the slot", "warn"),
    RunState.RUNNING: Badge("clock", "Running", "info"),
    RunState.DONE: Badge("check", "Done", "good"),
    RunState.FAILED: Badge("cross", "Failed", "bad"),
    RunState.REFUSED: Badge("lock", "Refused", "warn"),
    RunState.SKIPPED: Badge("slash", "Skipped", "warn"),
}


@dataclass(frozen=True, slots=True)
class Run:
    run: ScheduleRun
    badge: Badge


@dataclass(frozen=True, slots=True)
class Due:
    """A moment to come, in the words of the schedule's own timezone."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    schedule: Schedule
    badge: Badge
    what: str
    when: str
    next: Due | None
    last: Run | None


def of_schedules(schedules: Iterable[Schedule], now: datetime) -> list[Row]:
    """With one query for the newest runs of all of them."""
    found = list(schedules)
    newest: dict[int, ScheduleRun] = {}
    runs = ScheduleRun.objects.filter(schedule__in=found).order_by("schedule_id", "-fire_at")
    for run in runs.filter(pk__in=_newest_ids(found)):
        newest.setdefault(run.schedule_id, run)
    return [_row(schedule, newest.get(schedule.pk), now) for schedule in found]


def _newest_ids(schedules: list[Schedule]) -> list[int]:
    newest = ScheduleRun.objects.filter(schedule__in=schedules).order_by("schedule_id", "fire_at")
    return list(dict(newest.values_list("schedule_id", "pk")).values())


def _row(schedule: Schedule, last: ScheduleRun | None, now: datetime) -> Row:
    coming = next_runs(schedule.rule(), now, 1) if schedule.enabled else []
    return Row(
        schedule=schedule,
        badge=badge_of(schedule, last, now, over=not coming),
        what=what_of(schedule),
        when=when_of(schedule),
        next=coming[0] if coming else None,
        last=of_run(last) if last else None,
    )


def of_run(run: ScheduleRun) -> Run:
    return Run(run, _RUNS[RunState(run.state)])


def badge_of(schedule: Schedule, last: ScheduleRun | None, now: datetime, *, over: bool) -> Badge:
    if not schedule.enabled:
        return Badge("pause", "Paused", "mute")
    if schedule.is_stale(now):
        return Badge("alert", "Stale", "warn")
    if last and last.ended_at is None:
        return _RUNS[RunState(last.state)]
    return Badge("tick", "Over", "mute") if over else Badge("calendar", "On", "good")


def what_of(schedule: Schedule) -> str:
    where = f" on {schedule.slot.name}" if schedule.slot else ""
    if schedule.kind == ScheduleKind.SWAP:
        return f"Swap to {schedule.model}{where}"
    if schedule.kind == ScheduleKind.WARM:
        return f"Warm-up of what serves{where}"
    if schedule.kind == ScheduleKind.HEALTH_SWEEP:
        return "A look at all Sparks and slots"
    if not schedule.model:
        return f"Work{where}"
    return f"{'Swap to' if schedule.swaps_itself else 'Work with'} {schedule.model}{where}"


def when_of(schedule: Schedule) -> str:
    if schedule.interval_seconds:
        return f"every {show.seconds(schedule.interval_seconds)}"
    if schedule.times:
        return f"at {len(schedule.times)} given time{'s' if len(schedule.times) > 1 else ''}"
    return f"{schedule.cron} ({schedule.timezone})"


def next_runs(rule: Rule, now: datetime, count: int = NEXT_SHOWN) -> list[Due]:
    """The rule must be a good one."""
    zone = ZoneInfo(rule.timezone)
    return [Due(at, f"{at.astimezone(zone):%a %d %b %Y, %H:%M %Z}") for at in preview(rule, now, count)]
