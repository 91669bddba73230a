"""The ends of runs, and external schedules whose owner has fallen silent. Each is written by one process only."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from cluster import people
from cluster.models import Spark, SshState
from swaps.models import Serving, Swap
from swaps.schedules.rows import (
    RunState,
    Schedule,
    ScheduleKind,
    ScheduleRun,
)
from swaps.schedules.telling import moment, tell_run, tell_schedule
from swaps.states import Status

SWEEP_LIMIT = timedelta(seconds=120)  # a probe takes at most 20 s, and some may wait for a free task worker
MOST_AT_ONCE = 200


def settle(now: datetime) -> None:
    """End the runs whose work is over."""
    running = ScheduleRun.objects.filter(state=RunState.RUNNING).select_related("schedule__slot", "swap")
    for run in running[:MOST_AT_ONCE]:
        end = _end_of_sweep(run, now) if run.schedule.kind == ScheduleKind.HEALTH_SWEEP else _end_of_swap(run)
        if end is not None:
            _settle(run, *end, now)


def _settle(run: ScheduleRun, state: RunState, sentence: str, now: datetime) -> None:
    with transaction.atomic():
        still = ScheduleRun.objects.filter(pk=run.pk, state=RunState.RUNNING)
        if still.update(state=state, sentence=sentence, ended_at=now) == 1:
            run.state, run.sentence = state, sentence
            tell_run("schedule.done" if state is RunState.DONE else "schedule.failed", run)


def _end_of_swap(run: ScheduleRun) -> tuple[RunState, str] | None:
    swap = run.swap
    if swap is None:
        return RunState.FAILED, "The swap it started is not in the history any more."
    if swap.is_active:
        return None
    if swap.state is Status.READY:
        return RunState.DONE, swap.progress
    if swap.state is Status.CANCELLED:
        who = people.named(swap.cancelled_by) if swap.cancelled_by else "nobody known"
        return RunState.FAILED, f"Swap {swap.pk} was cancelled by {who}."
    return RunState.FAILED, swap.diagnosis or f"Swap {swap.pk} ended {swap.status}."


def _end_of_sweep(run: ScheduleRun, now: datetime) -> tuple[RunState, str] | None:
    """Over when everything has been looked at since; a slot in a swap is looked after by its driver."""
    since = run.started_at or run.fire_at
    sparks = Spark.objects.enabled().filter(Q(probed_at=None) | Q(probed_at__lt=since))
    busy = Swap.objects.active().values("slot_id")
    slots = Serving.objects.filter(Q(checked_at=None) | Q(checked_at__lt=since)).exclude(slot__in=busy)
    silent = [*sparks.values_list("name", flat=True), *slots.values_list("slot__name", flat=True)]
    if not silent:
        return RunState.DONE, _sweep_sentence()
    if now - since > SWEEP_LIMIT:
        return RunState.FAILED, f"Not looked at within {SWEEP_LIMIT.seconds} s: {', '.join(silent)}."
    return None


def _sweep_sentence() -> str:
    enabled = Spark.objects.enabled()
    bad = enabled.exclude(ssh_state__in=[SshState.UP, SshState.NEW]).values_list("name", "ssh_state")
    looked = f"Looked at {enabled.count()} Sparks and {Serving.objects.count()} slots"
    return f"{looked}: {', '.join(f'{name} is {state}' for name, state in bad)}." if bad else f"{looked}; all answer."


def tell_stale(now: datetime) -> None:
    """One Event when an owner has missed two refreshes; a refresh makes the schedule fresh again."""
    silent = Schedule.objects.external().filter(stale_told_at=None, stale_at__lte=now)
    for schedule in silent.select_related("slot"):
        with transaction.atomic():
            untold = Schedule.objects.filter(pk=schedule.pk, stale_told_at=None, refreshed_at=schedule.refreshed_at)
            if untold.update(stale_told_at=now) == 1:
                last = moment(schedule.refreshed_at or schedule.created_at)
                sentence = f"{schedule.title} is stale: {schedule.owner} last registered it {last}."
                tell_schedule("schedule.stale", schedule, sentence, schedule.registered_by)
