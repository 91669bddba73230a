"""A schedule's work, asked for by a person now. It is theirs then: the journal names them, and their lock counts."""

from cluster.refusals import Conflict
from swaps import actions
from swaps.models import Swap
from swaps.requester import Requester
from swaps.schedules import work
from swaps.schedules.rows import Schedule, ScheduleKind
from swaps.warm_wish import WarmWish


def run_now(schedule: Schedule, by: Requester, *, lock_token: str | None) -> Swap | str:
    """The swap or warm-up that began, or what a sweep says. Raises Refusal; the schedule's own times do not move."""
    if schedule.is_external:
        raise Conflict("external-schedule", f"{schedule.title} is run by {schedule.owner}, not by Spark Control.")
    if schedule.kind == ScheduleKind.HEALTH_SWEEP:
        return work.begin(schedule).sentence
    slot = schedule.slot or actions.find_slot(None)
    if schedule.kind == ScheduleKind.WARM:
        return actions.request_warm(slot, by, WarmWish(**schedule.options), lock_token=lock_token)
    rollback = schedule.options.get("rollback")
    return actions.request_swap(slot, schedule.model, by, rollback=rollback, lock_token=lock_token)
