"""Schedules, their runs and the plan as the API tells them, and the shapes of it for /api/schema."""

from datetime import datetime
from typing import Any

from cronsim import CronSim
from rest_framework import serializers

from cluster.api.serializers import moment
from swaps.schedules.actions import preview
from swaps.schedules.arithmetic import spelled_out
from swaps.schedules.plan import Entry, Kind, Source
from swaps.schedules.plan_rows import Plan
from swaps.schedules.rows import RunState, Schedule, ScheduleKind, ScheduleRun


class RunSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    fire_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=RunState.values)
    sentence = serializers.CharField()
    asked_by = serializers.CharField(allow_null=True, help_text="Who ran it by hand; null when it came due.")
    swap = serializers.IntegerField(allow_null=True)
    swap_url = serializers.CharField(allow_null=True)
    missed = serializers.IntegerField(help_text="Earlier runs that were passed over for this one.")
    attempts = serializers.IntegerField()
    next_try_at = serializers.DateTimeField(allow_null=True)
    give_up_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class ScheduleSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=ScheduleKind.values, help_text="external: done by its owner, shown here.")
    owner = serializers.CharField(allow_null=True, help_text="Null for Spark Control's own.")
    ref = serializers.CharField(allow_null=True, help_text="The owner's own id for it.")
    title = serializers.CharField()
    registered_by = serializers.CharField()
    slot = serializers.CharField(allow_null=True)
    model = serializers.CharField(allow_null=True)
    swaps_itself = serializers.BooleanField()
    rollback = serializers.BooleanField()
    warm_kind = serializers.CharField(allow_null=True)
    prompt = serializers.CharField(allow_null=True)
    system = serializers.CharField(allow_null=True)
    cron = serializers.CharField(allow_null=True)
    interval_seconds = serializers.IntegerField(allow_null=True)
    start_at = serializers.DateTimeField(allow_null=True)
    times = serializers.ListField(child=serializers.DateTimeField())
    timezone = serializers.CharField()
    words = serializers.CharField(help_text="The rule in words.")
    expected_duration_seconds = serializers.IntegerField(allow_null=True)
    enabled = serializers.BooleanField()
    next_fires = serializers.ListField(child=serializers.DateTimeField(), help_text="The next five.")
    grace_seconds = serializers.IntegerField()
    give_up_after_seconds = serializers.IntegerField(allow_null=True)
    refresh_interval_seconds = serializers.IntegerField(allow_null=True)
    refreshed_at = serializers.DateTimeField(allow_null=True)
    stale = serializers.BooleanField()
    stale_at = serializers.DateTimeField(allow_null=True, help_text="When it is stale unless registered again.")
    version = serializers.IntegerField(help_text="The ETag, without quotes.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.CharField()


class RegistrySerializer(serializers.Serializer[Any]):
    schedules = ScheduleSerializer(many=True)


class PlanConflictSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=["overlap", "inside-lock", "unknown-model", "model-not-there"])
    sentence = serializers.CharField()
    other = serializers.CharField(allow_null=True, help_text="Title of what it clashes with.")


class PlanEntrySerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[str(kind) for kind in Kind])
    source = serializers.ChoiceField(choices=[str(source) for source in Source])  # type: ignore[assignment]
    slot = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    owner = serializers.CharField()
    model = serializers.CharField(allow_null=True)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    stale = serializers.BooleanField()
    url = serializers.CharField()
    conflicts = PlanConflictSerializer(many=True)


class PlanSerializer(serializers.Serializer[Any]):
    server_time = serializers.DateTimeField()
    until = serializers.DateTimeField()
    conflicts = serializers.IntegerField(help_text="Entries that have any.")
    truncated = serializers.ListField(
        child=serializers.CharField(), help_text="Schedules that come due more often than is shown."
    )
    entries = PlanEntrySerializer(many=True)


def schedule_document(schedule: Schedule, now: datetime) -> dict[str, Any]:
    external, options = schedule.is_external, schedule.options
    return {
        "id": schedule.pk,
        "kind": schedule.kind,
        "owner": schedule.owner or None,
        "ref": schedule.ref or None,
        "title": schedule.title,
        "registered_by": schedule.registered_by,
        "slot": schedule.slot.name if schedule.slot else None,
        "model": schedule.model or None,
        "swaps_itself": schedule.swaps_itself,
        "rollback": bool(options.get("rollback")),
        "warm_kind": options.get("kind"),
        "prompt": options.get("prompt"),
        "system": options.get("system"),
        **_rule(schedule),
        "expected_duration_seconds": schedule.expected_seconds,
        "enabled": schedule.enabled,
        "next_fires": [moment(at) for at in preview(schedule.rule(), now)] if schedule.enabled else [],
        "grace_seconds": schedule.grace_seconds,
        "give_up_after_seconds": schedule.give_up_after_seconds,
        "refresh_interval_seconds": schedule.refresh_seconds if external else None,
        "refreshed_at": moment(schedule.refreshed_at),
        "stale": schedule.is_stale(now),
        "stale_at": moment(schedule.stale_at),
        "version": schedule.version,
        "created_at": moment(schedule.created_at),
        "updated_at": moment(schedule.updated_at),
        "url": schedule.url,
    }


def _rule(schedule: Schedule) -> dict[str, Any]:
    return {
        "cron": schedule.cron or None,
        "interval_seconds": schedule.interval_seconds,
        "start_at": moment(schedule.anchor),
        "times": schedule.times,
        "timezone": schedule.timezone,
        "words": in_words(schedule),
    }


def in_words(schedule: Schedule) -> str:
    """The rule for people: "At 02:30 every day, Europe/Berlin"."""
    if schedule.cron:
        said = CronSim(spelled_out(schedule.cron), schedule.created_at).explain()
        return f"{said}, {schedule.timezone}"
    if schedule.interval_seconds:
        return f"Every {schedule.interval_seconds} s"
    return "Once" if len(schedule.times) == 1 else f"{len(schedule.times)} times"


def run_document(run: ScheduleRun) -> dict[str, Any]:
    return {
        "id": run.pk,
        "fire_at": moment(run.fire_at),
        "state": run.state,
        "sentence": run.sentence,
        "asked_by": run.asked_by or None,
        "swap": run.swap_id,
        "swap_url": f"/api/swap/{run.swap_id}" if run.swap_id else None,
        "missed": run.missed,
        "attempts": run.attempts,
        "next_try_at": moment(run.next_try_at),
        "give_up_at": moment(run.give_up_at),
        "started_at": moment(run.started_at),
        "ended_at": moment(run.ended_at),
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "server_time": moment(plan.since),
        "until": moment(plan.until),
        "conflicts": plan.conflicts,
        "truncated": plan.truncated,
        "entries": [_entry(entry) for entry in plan.entries],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "kind": str(entry.kind),
        "source": str(entry.source),
        "slot": entry.slot,
        "title": entry.title,
        "owner": entry.owner,
        "model": entry.model or None,
        "starts_at": moment(entry.starts_at),
        "ends_at": moment(entry.ends_at),
        "stale": entry.stale,
        "url": entry.url,
        "conflicts": [
            {"code": found.code, "sentence": found.sentence, "other": found.other or None} for found in entry.conflicts
        ],
    }
