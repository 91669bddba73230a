"""Our own schedules come due: once each, however many schedulers look, and whatever dies meanwhile.

`fire_due(now)` is called from the reconciler's tick, in every task worker. A fire is one transaction: the row
(schedule, fire_at), of which the database allows one; the schedule's next time, by compare-and-set; the Event; and the
request itself, such as the row of the swap. A scheduler that is second finds the row there and goes home; one that dies
leaves nothing, and the next tick begins anew.

Missed runs (nothing looked when they came due): the latest one is made up for once, if it is not later than the
schedule's grace; the others are passed over. Everything passed over is told by one Event schedule.skipped.

A run takes the lock like anyone, by asking for its swap. When somebody holds the slot, the Event is schedule.refused;
with give_up_after_seconds it is tried again until then, or until the schedule's next run comes due.
"""

import logging
from datetime import datetime, timedelta

from django.db import IntegrityError, OperationalError, transaction

from cluster import events
from cluster.refusals import Conflict, Locked, Refusal, Unavailable
from swaps.schedules import settling, work
from swaps.schedules.arithmetic import fires_between, next_fires
from swaps.schedules.rows import RunState, Schedule, ScheduleRun
from swaps.schedules.telling import moment, tell_run

RETRY = timedelta(seconds=15)
KEEP_RUNS = timedelta(days=30)
MOST_AT_ONCE = 50  # schedules in one tick; the next comes in 2 s
MOST_COUNTED = 1000  # missed fires; more are told as this many
INSTANT = timedelta(microseconds=1)
MAY_PASS = (Conflict, Locked, Unavailable)  # refusals that only time removes

log = logging.getLogger(__name__)


class SomebodyElse(Exception):
    """Another scheduler was first; the only right answer is to go home."""


def fire_due(now: datetime) -> None:
    """One look: start what is due, try again what was refused, end what is over. Safe in many processes at once."""
    for schedule in Schedule.objects.due(now).select_related("slot")[:MOST_AT_ONCE]:
        _guarded(schedule, now)
    waiting = ScheduleRun.objects.filter(state=RunState.WAITING, next_try_at__lte=now)
    for run in waiting.select_related("schedule__slot")[:MOST_AT_ONCE]:
        _try_again(run, now)
    settling.settle(now)
    settling.tell_stale(now)


def _guarded(schedule: Schedule, now: datetime) -> None:
    """One schedule that cannot be fired must not keep the others from it."""
    try:
        fire(schedule, now)
    except OperationalError:
        raise  # the database is busy; the next tick finds the same rows
    except Exception:
        log.exception("schedule %s could not be fired", schedule.pk)


def fire(schedule: Schedule, now: datetime) -> ScheduleRun | None:
    """Handle everything of `schedule` that came due until `now`. None when another scheduler did."""
    try:
        with transaction.atomic():
            return _fire(schedule, now)
    except SomebodyElse:
        return None


def _fire(schedule: Schedule, now: datetime) -> ScheduleRun | None:
    due_at = schedule.next_fire_at
    if due_at is None:
        return None
    rule = schedule.rule()
    in_grace = max(due_at, now - timedelta(seconds=schedule.grace_seconds))
    late = fires_between(rule, due_at, in_grace, MOST_COUNTED)
    recent = fires_between(rule, in_grace, now + INSTANT, MOST_COUNTED)
    passed_over = [*late, *recent[:-1]]
    fire_at = recent[-1] if recent else (late or [due_at])[-1]
    run = _claim(schedule, fire_at, due_at, now, missed=len(passed_over))
    if passed_over or not recent:
        _tell_skipped(schedule, passed_over or [fire_at], now)
    if recent:
        _supersede(run, now)
        _start(run, now)
    else:
        _end(run, RunState.SKIPPED, f"Nothing looked until {moment(now)}, too late for this run.", now)
    return run


def _claim(schedule: Schedule, fire_at: datetime, due_at: datetime, now: datetime, missed: int) -> ScheduleRun:
    """The row first: whoever cannot insert it is second. Raises SomebodyElse."""
    try:
        with transaction.atomic():
            give_up = schedule.give_up_after_seconds
            run = ScheduleRun.objects.create(
                schedule=schedule,
                fire_at=fire_at,
                state=RunState.WAITING,
                missed=missed,
                give_up_at=fire_at + timedelta(seconds=give_up) if give_up else None,
            )
    except IntegrityError:
        raise SomebodyElse from None
    following = next_fires(schedule.rule(), max(now, fire_at), 1)
    as_seen = Schedule.objects.filter(pk=schedule.pk, next_fire_at=due_at, version=schedule.version, enabled=True)
    if as_seen.update(next_fire_at=following[0] if following else None) != 1:
        raise SomebodyElse  # its next time has moved, or a person has changed it
    ScheduleRun.objects.filter(schedule=schedule, ended_at__lt=now - KEEP_RUNS).delete()
    return run


def _start(run: ScheduleRun, now: datetime) -> None:
    """Ask for what the schedule is for. A refusal is an outcome; an error of ours is one, too."""
    run.attempts += 1
    try:
        with transaction.atomic():
            begun = work.begin(run.schedule)
    except Refusal as no:
        _refused(run, no, now)
        return
    except OperationalError:
        raise
    except Exception:
        log.exception("run %s of schedule %s failed to start", run.pk, run.schedule_id)
        _end(run, RunState.FAILED, "Spark Control itself made an error, which is in its log; please report it.", now)
        tell_run("schedule.failed", run, code="spark-control-error")
        return
    if begun.nothing_to_do:
        _end(run, RunState.DONE, begun.sentence, now)
        tell_run("schedule.done", run)
        return
    run.state, run.swap, run.sentence = RunState.RUNNING, begun.swap, begun.sentence
    run.started_at, run.next_try_at = now, None
    run.save()
    tell_run("schedule.fired", run)


def _refused(run: ScheduleRun, no: Refusal, now: datetime) -> None:
    if not isinstance(no, MAY_PASS):
        _end(run, RunState.FAILED, no.detail, now)
        tell_run("schedule.failed", run, code=no.code)
        return
    first = run.attempts == 1
    again = run.give_up_at is not None and now + RETRY <= run.give_up_at
    if again:
        run.next_try_at, run.sentence = now + RETRY, no.detail
        run.save()
    else:
        _end(run, RunState.REFUSED, no.detail, now)
    if first or not again:
        tell_run("schedule.refused", run, code=no.code, gave_up=not again)


def _try_again(run: ScheduleRun, now: datetime) -> None:
    with transaction.atomic():
        as_seen = ScheduleRun.objects.filter(pk=run.pk, state=RunState.WAITING, next_try_at=run.next_try_at)
        if as_seen.update(next_try_at=now + RETRY) == 1:  # else another scheduler tries
            _start(run, now)


def _supersede(run: ScheduleRun, now: datetime) -> None:
    """An earlier run that still waits for the slot has had its time."""
    for earlier in run.schedule.runs.filter(state=RunState.WAITING).exclude(pk=run.pk):
        _end(earlier, RunState.REFUSED, f"{earlier.sentence} Then the next run came due.", now)
        tell_run("schedule.refused", earlier, code="superseded", gave_up=True)


def _end(run: ScheduleRun, state: RunState, sentence: str, now: datetime) -> None:
    run.state, run.sentence, run.ended_at, run.next_try_at = state, sentence, now, None
    run.save()


def _tell_skipped(schedule: Schedule, passed_over: list[datetime], now: datetime) -> None:
    count = len(passed_over)
    many = f"{count} runs" if count > 1 else "a run"
    sentence = f"{schedule.title} missed {many} since {moment(passed_over[0])}: nothing looked until {moment(now)}."
    data = {
        "schedule": schedule.pk,
        "title": schedule.title,
        "kind": schedule.kind,
        "count": count,
        "first": passed_over[0].isoformat(),
        "last": passed_over[-1].isoformat(),
    }
    events.record("schedule.skipped", sentence, slot=schedule.slot, actor=schedule.actor, data=data)


def forget_waiting(schedule: Schedule, now: datetime, why: str) -> None:
    """A schedule that was changed or switched off does not go on trying for the old one."""
    waiting = schedule.runs.filter(state=RunState.WAITING)
    waiting.update(state=RunState.REFUSED, ended_at=now, next_try_at=None, sentence=why)
