"""A schedule's work, asked for by a person now. It is theirs then: the journal names them, and their lock counts.

Its history tells it as a run by hand. The schedule's own times do not move, and none of its fires counts as done.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from cluster.refusals import Conflict
from swaps import actions
from swaps.requester import Requester
from swaps.schedules import work
from swaps.schedules.rows import RunState, Schedule, ScheduleKind, ScheduleRun
from swaps.schedules.telling import tell_run
from swaps.warm_wish import WarmWish


def run_now(schedule: Schedule, by: Requester, *, lock_token: str | None, now: datetime | None = None) -> ScheduleRun:
    """The run that began, with its swap or warm-up, or what a sweep says. Raises Refusal, and leaves no run then."""
    if schedule.is_external:
        raise Conflict("external-schedule", f"{schedule.title} is run by {schedule.owner}, not by Spark Control.")
    now = now or timezone.now()
    with transaction.atomic():
        begun = _begin(schedule, by, lock_token)
        run = ScheduleRun.objects.create(
            schedule=schedule,
            fire_at=now,
            state=RunState.RUNNING,
            asked_by=by.actor,
            swap=begun.swap,
            sentence=begun.sentence,
            attempts=1,
            started_at=now,
        )
        tell_run("schedule.fired", run)
    return run


def _begin(schedule: Schedule, by: Requester, lock_token: str | None) -> work.Begun:
    if schedule.kind == ScheduleKind.HEALTH_SWEEP:
        return work.begin(schedule)
    slot = schedule.slot or actions.find_slot(None)
    if schedule.kind == ScheduleKind.WARM:
        return work.Begun("", actions.request_warm(slot, by, WarmWish(**schedule.options), lock_token=lock_token))
    rollback = schedule.options.get("rollback")
    return work.Begun("", actions.request_swap(slot, schedule.model, by, rollback=rollback, lock_token=lock_token))
