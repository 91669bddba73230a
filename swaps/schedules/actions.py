"""The verbs of schedules: ours are made, changed and removed; those of others are registered and withdrawn."""

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from cluster import people
from cluster.refusals import Conflict, Invalid, Lost, Missing, Refusal
from swaps.requester import Requester
from swaps.schedules.arithmetic import Rule, next_fires
from swaps.schedules.drafts import Draft, refuse_bad
from swaps.schedules.firing import forget_waiting
from swaps.schedules.rows import OWNER, REF, Schedule, ScheduleQuerySet
from swaps.schedules.telling import tell_schedule

NEXT_SHOWN = 5
MOST_INTERNAL = 200
MOST_EXTERNAL = 500
LONGEST_REF = 80
MISSED_REFRESHES_MEAN_STALE = 2


class NotYours(Refusal):
    """Someone else registered it."""

    status = 403
    title = "Not yours"


def preview(rule: Rule, now: datetime, count: int = NEXT_SHOWN) -> list[datetime]:
    """The next runs, for a form to show before anything is saved. The rule must be a good one."""
    return next_fires(rule, now, count)


def find(schedule_id: int) -> Schedule:
    found = Schedule.objects.select_related("slot").filter(pk=schedule_id).first()
    if found is None:
        raise Missing("unknown-schedule", f"There is no schedule {schedule_id}; GET /api/schedules lists them.")
    return found


def find_external(owner: str, ref: str) -> Schedule:
    found = Schedule.objects.external().select_related("slot").filter(owner=owner, ref=ref).first()
    if found is None:
        raise Missing(
            "unknown-schedule", f"{owner!r} has registered no schedule {ref!r}; GET /api/schedules lists them."
        )
    return found


def make(draft: Draft, by: Requester, now: datetime | None = None) -> Schedule:
    """A schedule of ours. Raises Invalid with every field that is wrong, and Conflict when there are too many."""
    now = now or timezone.now()
    draft = draft.anchored(now)
    refuse_bad(draft, now)
    _refuse_too_many(Schedule.objects.internal(), MOST_INTERNAL)
    with transaction.atomic():
        schedule = Schedule.objects.create(registered_by=by.actor, next_fire_at=_next(draft, now), **draft.columns())
        tell_schedule("schedule.made", schedule, f"{people.named(by.actor)} scheduled {schedule.title}.", by.actor)
    return schedule


def change(
    schedule: Schedule, draft: Draft, by: Requester, *, expected_version: int, now: datetime | None = None
) -> Schedule:
    """Replace what a schedule of ours does. From `now` on only the new rule counts. Raises Invalid and Lost."""
    _refuse_external(schedule)
    now = now or timezone.now()
    draft = draft.anchored(schedule.anchor or now)
    refuse_bad(draft, now)
    with transaction.atomic():
        as_seen = Schedule.objects.filter(pk=schedule.pk, version=expected_version)
        columns = {**draft.columns(), "next_fire_at": _next(draft, now), "updated_at": timezone.now()}
        if as_seen.update(version=F("version") + 1, **columns) != 1:
            raise _moved(schedule)
        changed = find(schedule.pk)
        forget_waiting(changed, now, f"{people.named(by.actor)} changed the schedule before the slot was free.")
        tell_schedule("schedule.changed", changed, f"{people.named(by.actor)} changed {changed.title}.", by.actor)
    return changed


def remove(schedule: Schedule, by: Requester, *, expected_version: int) -> None:
    """Forget a schedule of ours with its runs. What it has started goes on. Raises Lost."""
    _refuse_external(schedule)
    with transaction.atomic():
        if Schedule.objects.filter(pk=schedule.pk, version=expected_version).delete()[0] == 0:
            raise _moved(schedule)
        tell_schedule("schedule.removed", schedule, f"{people.named(by.actor)} removed {schedule.title}.", by.actor)


def register(
    owner: str, ref: str, draft: Draft, by: Requester, *, is_admin: bool = False, now: datetime | None = None
) -> tuple[Schedule, bool]:
    """Say, or say again, what `owner` will do; True when it is new. The same call twice is the same as once, but that
    the schedule is fresh again. Raises Invalid, NotYours, and Conflict when there are too many."""
    now = now or timezone.now()
    _refuse_bad_names(owner, ref)
    known = Schedule.objects.external().filter(owner=owner, ref=ref).first()
    draft = draft.anchored(_anchor(known, draft.rule, now))
    refuse_bad(draft, now)
    _refuse_foreign(owner, by, is_admin)
    with transaction.atomic():
        if known is None:
            _refuse_too_many(Schedule.objects.external(), MOST_EXTERNAL)
            made = _insert(owner, ref, draft, by, now)
            if made:
                return made, True
        return _refresh(find_external(owner, ref), draft, by, now), False


def withdraw(schedule: Schedule, by: Requester, *, is_admin: bool = False) -> None:
    """Its owner takes it back. Raises NotYours."""
    if not schedule.is_external:
        raise Conflict("not-external", "This schedule is Spark Control's own; remove it by its number.")
    _refuse_foreign(schedule.owner, by, is_admin)
    with transaction.atomic():
        if Schedule.objects.filter(pk=schedule.pk).delete()[0]:
            tell_schedule(
                "schedule.removed", schedule, f"{people.named(by.actor)} withdrew {schedule.title}.", by.actor
            )


def clean_ref(text: str) -> str:
    """An id as a caller made it up, kept to the characters ids have; a new one when nothing is left."""
    kept = re.sub(r"[^A-Za-z0-9._-]", "", text)[:LONGEST_REF].strip(".-")
    return kept or secrets.token_hex(8)


def clean_owner(actor: str) -> str:
    """The owner a caller is when it does not say: the name of its key, or its role on the local network."""
    role, _, name = actor.partition(":")
    name = "lan" if role == "lan" else name
    kept = re.sub(r"[^A-Za-z0-9._-]", "-", name)[:40].strip(".-")
    return kept if kept[:1].isalpha() else f"program-{kept}"[:40].strip(".-")


def _insert(owner: str, ref: str, draft: Draft, by: Requester, now: datetime) -> Schedule | None:
    try:
        with transaction.atomic():
            schedule = Schedule.objects.create(
                owner=owner, ref=ref, registered_by=by.actor, **_fresh(draft, now), **draft.columns()
            )
    except IntegrityError:
        return None  # the same owner registers it from two places at once
    tell_schedule("schedule.registered", schedule, f"{owner} registered {schedule.title}.", by.actor)
    return schedule


def _refresh(schedule: Schedule, draft: Draft, by: Requester, now: datetime) -> Schedule:
    columns = draft.columns()
    differs = any(getattr(schedule, name) != value for name, value in columns.items())
    rows = Schedule.objects.filter(pk=schedule.pk)
    rows.update(stale_told_at=None, **_fresh(draft, now))
    if differs:
        rows.update(version=F("version") + 1, updated_at=timezone.now(), **columns)
    schedule.refresh_from_db()
    if differs:
        tell_schedule("schedule.changed", schedule, f"{schedule.owner} changed {schedule.title}.", by.actor)
    return schedule


def _fresh(draft: Draft, now: datetime) -> dict[str, datetime]:
    silence = timedelta(seconds=MISSED_REFRESHES_MEAN_STALE * draft.refresh_seconds)
    return {"refreshed_at": now, "stale_at": now + silence}


def _anchor(known: Schedule | None, rule: Rule, now: datetime) -> datetime:
    """Registering an interval again must not move it."""
    if known and known.anchor and known.interval_seconds == rule.interval_seconds:
        return known.anchor
    return now


def _next(draft: Draft, now: datetime) -> datetime | None:
    return next(iter(next_fires(draft.rule, now.astimezone(UTC), 1)), None)


def _refuse_bad_names(owner: str, ref: str) -> None:
    errors: list[dict[str, Any]] = []
    for name, value, rule in (("owner", owner, OWNER), ("id", ref, REF)):
        try:
            rule(value)
        except ValidationError as problem:
            errors.append({"field": name, "message": problem.messages[0]})
    if errors:
        raise Invalid("invalid", " ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)


def _refuse_foreign(owner: str, by: Requester, is_admin: bool) -> None:
    """A name belongs to whoever registered the first schedule under it, as long as there is one."""
    first = Schedule.objects.external().filter(owner=owner).order_by("pk").first()
    if first is None or is_admin or _who(first.registered_by) == _who(by.actor):
        return
    sentence = (
        f"{people.named(first.registered_by)} registered the schedules of {owner}; only it or an administrator may "
        "change them. Choose another owner for yours."
    )
    raise NotYours("not-your-schedule", sentence)


def _who(actor: str) -> str:
    """Callers without credentials are one role, whatever address they have today."""
    return "lan" if actor.startswith("lan:") else actor


def _refuse_too_many(rows: ScheduleQuerySet, most: int) -> None:
    if rows.count() >= most:
        raise Conflict("too-many-schedules", f"There are {most} schedules already; remove one that is not needed.")


def _refuse_external(schedule: Schedule) -> None:
    if schedule.is_external:
        sentence = f"{schedule.title} is only shown here; {schedule.owner} changes it with PUT {schedule.url}."
        raise Conflict("external-schedule", sentence)


def _moved(schedule: Schedule) -> Lost:
    sentence = f"Somebody changed {schedule.title} since you read it; read it again and repeat."
    return Lost("changed-meanwhile", sentence)
