"""How a schedule is told in Events."""

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from cluster import events, people
from swaps.schedules.rows import Schedule, ScheduleRun

VERBS = {
    "schedule.fired": "began",
    "schedule.refused": "was refused",
    "schedule.failed": "failed",
    "schedule.done": "is done",
}


def tell_run(kind: str, run: ScheduleRun, **extra: Any) -> None:
    """One Event of a run, linked to its swap. Call it in the transaction of the change."""
    schedule = run.schedule
    by_hand = f", run by {people.named(run.asked_by)}," if run.asked_by else f" of {moment(run.fire_at)}"
    sentence = f"{schedule.title}{by_hand} {VERBS[kind]}. {run.sentence}".strip()
    data = {
        "schedule": schedule.pk,
        "title": schedule.title,
        "kind": schedule.kind,
        "run": run.pk,
        "fire_at": run.fire_at.astimezone(UTC).isoformat(),
        "asked_by": run.asked_by or None,
        "swap": run.swap_id,
        "model": schedule.model,
        **extra,
    }
    events.record(kind, sentence, slot=schedule.slot, actor=run.actor, data=data)


def tell_schedule(kind: str, schedule: Schedule, sentence: str, actor: str) -> None:
    data = {
        "schedule": schedule.pk,
        "title": schedule.title,
        "kind": schedule.kind,
        "owner": schedule.owner,
        "ref": schedule.ref,
        "model": schedule.model,
    }
    events.record(kind, sentence, slot=schedule.slot, actor=actor, data=data)


def moment(at: datetime) -> str:
    """Where Spark Control stands, such as 2026-11-24 03:00 CET."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"
