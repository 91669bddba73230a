"""What may be sent to the calls of schedules."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from cluster.api.fields import Boolean, Integer, StrictSerializer, Text
from cluster.models import Slot
from cluster.refusals import Invalid
from swaps import actions
from swaps.schedules.arithmetic import Rule
from swaps.schedules.checking import LONGEST_CRON, MOST_TIMES, in_zone, known_zone, read_time
from swaps.schedules.drafts import LONGEST_TITLE, Draft
from swaps.schedules.rows import REFRESH_SECONDS, ScheduleKind
from swaps.warm_wish import FIRST_TOKEN, KINDS

INTERNAL_KINDS = [kind.value for kind in ScheduleKind if kind is not ScheduleKind.EXTERNAL]
# The fields of Draft and Rule by the names the API has for them.
API_NAMES = {
    "expected_seconds": "expected_duration_seconds",
    "refresh_seconds": "refresh_interval_seconds",
}


class RuleBody(StrictSerializer):
    cron = Text(max_length=LONGEST_CRON, allow_blank=True, default="", help_text="Five fields, or @daily and the like.")
    interval_seconds = Integer(allow_null=True, default=None, help_text="At least 60; counted from start_at.")
    start_at = Text(max_length=40, allow_null=True, default=None, help_text="ISO-8601; now when not given.")
    times = serializers.ListField(child=Text(max_length=40), max_length=MOST_TIMES, default=list)
    timezone = Text(max_length=64, default="UTC", help_text="Such as Europe/Berlin. Cron and times without offset.")
    expected_duration_seconds = Integer(min_value=1, allow_null=True, default=None)
    model = Text(max_length=200, allow_blank=True, default="", help_text="Its key in the catalog.")
    slot = Text(max_length=40, allow_null=True, required=False, help_text="The default slot when not given.")


class ScheduleBody(RuleBody):
    kind = serializers.ChoiceField(choices=INTERNAL_KINDS)
    title = Text(max_length=LONGEST_TITLE, allow_blank=True, default="", help_text="Made from the rest when blank.")
    rollback = Boolean(default=False, help_text="Of a swap: bring the last good model back when it fails.")
    warm_kind = serializers.ChoiceField(choices=list(KINDS), default=FIRST_TOKEN)
    prompt = Text(allow_blank=True, default="", help_text="Of a warm-up.")
    system = Text(allow_blank=True, default="", help_text="Of a warm-up.")
    enabled = Boolean(default=True)
    grace_seconds = Integer(min_value=60, default=300, help_text="How late a missed run is still made up for.")
    give_up_after_seconds = Integer(
        min_value=15, allow_null=True, default=None, help_text="Try again so long while the slot is held; null: not."
    )


class ExternalBody(RuleBody):
    title = Text(max_length=LONGEST_TITLE, help_text="What it will do.")
    model = Text(max_length=200, allow_blank=True, default="", help_text="The model it needs; any name it goes by.")
    swaps_itself = Boolean(default=False, help_text="It swaps to the model, rather than needing it there.")
    slot = Text(
        max_length=40, allow_null=True, required=False, help_text="The default slot when not given; null: none."
    )
    refresh_interval_seconds = Integer(
        min_value=60, default=REFRESH_SECONDS, help_text="How often it is registered; stale after two missed."
    )


OLDER_NAMES = {
    "title": ("name", "description", "note", "what"),
    "cron": ("schedule", "expression"),
    "interval_seconds": ("every_seconds",),
    "times": ("next_times", "next_run", "next_at"),
    "timezone": ("tz",),
    "model": ("model_key",),
    "expected_duration_seconds": ("duration_seconds",),
    "owner": ("scheduler", "holder"),
}


class OlderBody(ExternalBody):
    """The registry of the existing product: its body is not documented, so fields we do not know are passed over."""

    id = Text(max_length=200, allow_null=True, default=None, help_text="Kept to letters, digits, `_`, `.` and `-`.")
    owner = Text(max_length=80, allow_null=True, default=None, help_text="The name of your key when not given.")
    title = Text(max_length=LONGEST_TITLE, allow_blank=True, default="", help_text="What it will do; else its id.")

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        named = {name: data[name] for name, _ in self.fields.items() if name in data}
        for name, older in OLDER_NAMES.items():
            found = [data[word] for word in older if word in data]
            if found and name not in named:
                named[name] = [found[0]] if name == "times" and isinstance(found[0], str) else found[0]
        return super().to_internal_value(named)


class PlanQuery(StrictSerializer):
    hours = serializers.IntegerField(min_value=1, max_value=168, default=24)
    slot = Text(max_length=40, required=False)


def internal_draft(values: Mapping[str, Any]) -> Draft:
    """Raises ValidationError for what is no time, and Missing for an unknown slot."""
    kind = ScheduleKind(values["kind"])
    slot = None if kind is ScheduleKind.HEALTH_SWEEP else actions.find_slot(values.get("slot"))
    options: dict[str, Any] = {}
    if kind is ScheduleKind.SWAP:
        options = {"rollback": values["rollback"]}
    if kind is ScheduleKind.WARM:
        options = {"kind": values["warm_kind"], "prompt": values["prompt"], "system": values["system"]}
    return Draft(
        kind=kind,
        title=values["title"] or _title(kind, values["model"], slot),
        rule=rule_from(values),
        slot=slot,
        model=values["model"] if kind is ScheduleKind.SWAP else "",
        options=options,
        expected_seconds=values["expected_duration_seconds"],
        enabled=values["enabled"],
        grace_seconds=values["grace_seconds"],
        give_up_after_seconds=values["give_up_after_seconds"],
    )


def external_draft(values: Mapping[str, Any]) -> Draft:
    return Draft(
        kind=ScheduleKind.EXTERNAL,
        title=values["title"],
        rule=rule_from(values),
        slot=_slot_or_none(values),
        model=values["model"],
        swaps_itself=values["swaps_itself"],
        expected_seconds=values["expected_duration_seconds"],
        refresh_seconds=values["refresh_interval_seconds"],
    )


def _slot_or_none(values: Mapping[str, Any]) -> Slot | None:
    """Null means none; not given means the default one, which an empty install does not have."""
    if "slot" not in values:
        return Slot.objects.named(None)
    return actions.find_slot(values["slot"]) if values["slot"] else None


def _title(kind: ScheduleKind, model: str, slot: Slot | None) -> str:
    if kind is ScheduleKind.HEALTH_SWEEP:
        return "Health sweep"
    where = f" on {slot.name}" if slot else ""
    return f"Swap to {model}{where}" if kind is ScheduleKind.SWAP else f"Warm what serves{where}"


def rule_from(values: Mapping[str, Any]) -> Rule:
    timezone = values["timezone"]
    start_at = values["start_at"]
    return Rule(
        cron=values["cron"].strip(),
        interval_seconds=values["interval_seconds"],
        anchor=_time("start_at", start_at, timezone) if start_at else None,
        times=tuple(_time("times", text, timezone) for text in values["times"]),
        timezone=timezone,
    )


def _time(field: str, text: str, timezone: str) -> datetime:
    """An unknown timezone is told by the rules, with close names; here it only must not stop us."""
    at = read_time(text)
    if at is None:
        raise ValidationError({field: [f"{text!r} is no time; write it such as 2026-11-30T02:00:00+01:00."]})
    return in_zone(at, timezone if known_zone(timezone) else "UTC")


def in_api_words(refusal: Invalid) -> Invalid:
    """The same refusal with the fields named as the caller sent them."""
    errors = [{**error, "field": API_NAMES.get(error["field"], error["field"])} for error in refusal.errors]
    detail = " ".join(f"{error['field']}: {error['message']}" for error in errors)
    return Invalid(refusal.code, detail, errors=errors)
