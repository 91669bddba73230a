"""Forms of schedules. They parse; `schedules.drafts` decides what is right, behind the actions."""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.db.models.functions import Lower

from cluster.models import Slot
from cluster.refusals import Invalid
from swaps.models import ModelDefinition
from swaps.schedules.arithmetic import Rule
from swaps.schedules.checking import in_zone, known_zone, read_time
from swaps.schedules.drafts import LONGEST_TITLE, Draft
from swaps.schedules.rows import Schedule, ScheduleKind
from swaps.warm_wish import FIRST_TOKEN, MOST_CHARACTERS, PREFIX

KINDS = (
    (ScheduleKind.SWAP, "Swap to a model"),
    (ScheduleKind.WARM, "Warm what serves"),
    (ScheduleKind.HEALTH_SWEEP, "Look at all Sparks and slots"),
)
HOW = (("cron", "By a cron line"), ("interval", "At an interval"), ("times", "At given times"))
UNITS = ((60, "minutes"), (3600, "hours"), (86400, "days"), (1, "seconds"))
WARM_KINDS = ((FIRST_TOKEN, "Until its first token"), (PREFIX, "With a text that later requests begin with"))
# What the verbs call it, and what the form does.
FIELD_NAMES = {
    "interval_seconds": "every",
    "grace_seconds": "grace_minutes",
    "give_up_after_seconds": "patience_minutes",
}


def text_area(rows: int, placeholder: str = "") -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "spellcheck": "false", "placeholder": placeholder})


class RuleForm(forms.Form):
    """When. `rule()` after `is_valid()`."""

    how = forms.ChoiceField(choices=HOW, widget=forms.RadioSelect, initial="cron", label="When")
    cron = forms.CharField(
        required=False,
        max_length=200,
        label="Cron line",
        help_text="Minute, hour, day, month, day of the week: 30 2 * * * is half past two every night. Or @daily.",
    )
    every = forms.IntegerField(required=False, min_value=1, max_value=10**8, label="Every")
    unit = forms.ChoiceField(choices=UNITS, initial=60, required=False)
    times = forms.CharField(
        required=False, widget=text_area(3, "2026-11-30 02:00"), help_text="One a line, in the timezone below."
    )
    timezone = forms.CharField(
        max_length=64, initial=lambda: settings.TIME_ZONE, help_text="Such as Europe/Berlin; its summer time counts."
    )

    def clean_times(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["times"].splitlines() if line.strip()]
        for line in lines:
            if read_time(line) is None:
                raise forms.ValidationError(f"{line[:40]!r} is no time; write it such as 2026-11-30 02:00.")
        return lines

    def clean(self) -> dict[str, Any]:
        how = self.cleaned_data.get("how")
        if how == "interval" and not self.cleaned_data.get("every") and "every" not in self.errors:
            self.add_error("every", "Say how often.")
        return self.cleaned_data

    def says_when(self) -> bool:
        """Something is in the field that counts."""
        return bool(self.cleaned_data["every" if self.cleaned_data["how"] == "interval" else self.cleaned_data["how"]])

    def rule(self) -> Rule:
        given = self.cleaned_data
        zone = given["timezone"]
        if given["how"] == "interval":
            return Rule(interval_seconds=given["every"] * int(given["unit"] or 60), timezone=zone)
        if given["how"] == "times":
            known = zone if known_zone(zone) else "UTC"  # an unknown one is told by the rules
            return Rule(times=tuple(in_zone(_time(text), known) for text in given["times"]), timezone=zone)
        return Rule(cron=given["cron"].strip(), timezone=zone)


def _time(text: str) -> datetime:
    at = read_time(text)
    assert at is not None  # noqa: S101 - clean_times has looked
    return at


class ScheduleForm(RuleForm):
    kind = forms.ChoiceField(choices=KINDS, label="What")
    title = forms.CharField(required=False, max_length=LONGEST_TITLE, help_text="Made from the rest when blank.")
    slot = forms.ChoiceField()
    model = forms.ChoiceField(required=False, label="Model")
    rollback = forms.BooleanField(required=False, initial=True)
    warm_kind = forms.ChoiceField(choices=WARM_KINDS, required=False, label="How")
    system = forms.CharField(required=False, max_length=MOST_CHARACTERS, widget=text_area(3), label="System prompt")
    prompt = forms.CharField(required=False, max_length=MOST_CHARACTERS, widget=text_area(2))
    grace_minutes = forms.IntegerField(
        min_value=1, max_value=10080, initial=5, label="May be late by", help_text="Minutes. Later, a run is skipped."
    )
    patience_minutes = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1440,
        label="If the slot is held, try for",
        help_text="Minutes. Blank: a refused run is not tried again.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._choices("slot", [(name, name) for name in Slot.objects.values_list("name", flat=True)])
        models = ModelDefinition.objects.order_by(Lower("label")).values_list("key", "label")
        self._choices("model", [("", "Choose a model"), *models])

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - tells the type checker, not the user
        field.choices = choices

    def is_complete(self) -> bool:
        """Enough to say what it would do; what is wrong with it is told when it is saved."""
        given = self.cleaned_data
        return bool(given["slot"]) and (given["kind"] != ScheduleKind.SWAP or bool(given["model"]))

    def draft(self, *, enabled: bool) -> Draft:
        given = self.cleaned_data
        kind = ScheduleKind(given["kind"])
        slot = None if kind is ScheduleKind.HEALTH_SWEEP else Slot.objects.with_sparks().get(name=given["slot"])
        patience = given["patience_minutes"]
        return Draft(
            kind=kind,
            title=given["title"].strip() or _title(kind, given["model"], slot),
            rule=self.rule(),
            slot=slot,
            model=given["model"] if kind is ScheduleKind.SWAP else "",
            options=_options(kind, given),
            enabled=enabled,
            grace_seconds=given["grace_minutes"] * 60,
            give_up_after_seconds=patience * 60 if patience else None,
        )

    def put(self, refusal: Invalid) -> None:
        for problem in refusal.errors:
            name = FIELD_NAMES.get(problem["field"], problem["field"])
            self.add_error(name if name in self.fields else None, problem["message"])


def _options(kind: ScheduleKind, given: dict[str, Any]) -> dict[str, Any]:
    if kind is ScheduleKind.SWAP:
        return {"rollback": given["rollback"]}
    if kind is ScheduleKind.WARM:
        return {"kind": given["warm_kind"] or FIRST_TOKEN, "prompt": given["prompt"], "system": given["system"]}
    return {}


def _title(kind: ScheduleKind, model: str, slot: Slot | None) -> str:
    if slot is None:
        return "Health sweep"
    return f"Swap to {model} on {slot.name}" if kind is ScheduleKind.SWAP else f"Warm what serves on {slot.name}"


def filled(schedule: Schedule) -> ScheduleForm:
    """The form as it first shows a schedule of ours."""
    every, unit = _every(schedule.interval_seconds)
    how = "interval" if schedule.interval_seconds else "times" if schedule.times else "cron"
    shown = {
        "how": how,
        "every": every,
        "unit": unit,
        "times": "\n".join(schedule.times),
        "slot": schedule.slot.name if schedule.slot else None,
        "rollback": schedule.options.get("rollback", False),
        "warm_kind": schedule.options.get("kind", FIRST_TOKEN),
        "grace_minutes": max(1, schedule.grace_seconds // 60),
        "patience_minutes": schedule.give_up_after_seconds and max(1, schedule.give_up_after_seconds // 60),
    }
    same = {name: getattr(schedule, name) for name in ("kind", "title", "model", "cron", "timezone")}
    texts = {name: schedule.options.get(name, "") for name in ("system", "prompt")}
    return ScheduleForm(initial={**same, **texts, **shown})


def _every(seconds: int | None) -> tuple[int | None, int]:
    """In the largest unit it is a whole number of."""
    if seconds is None:
        return None, 60
    unit = next(size for size in (86400, 3600, 60, 1) if seconds % size == 0)
    return seconds // unit, unit


def draft_of(schedule: Schedule, *, enabled: bool) -> Draft:
    """A schedule of ours as it is, switched on or off."""
    same = ("title", "slot", "model", "options", "expected_seconds", "grace_seconds", "give_up_after_seconds")
    fields = {name: getattr(schedule, name) for name in same}
    return Draft(kind=ScheduleKind(schedule.kind), rule=schedule.rule(), enabled=enabled, **fields)
