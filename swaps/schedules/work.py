"""What our own schedules do when they come due: they ask, through the same verbs as everybody."""

from dataclasses import dataclass

from django.db.models import Q

from cluster.models import Slot, Spark
from swaps import actions
from swaps.models import Serving, ServingState, Swap, Trigger, restored
from swaps.requester import Requester
from swaps.schedules.rows import Schedule, ScheduleKind
from swaps.warm_wish import WarmWish


@dataclass(frozen=True, slots=True)
class Begun:
    """`swap` is what goes on now; None for a sweep. `nothing_to_do`: it is true already."""

    sentence: str
    swap: Swap | None = None
    nothing_to_do: bool = False


def begin(schedule: Schedule) -> Begun:
    """Ask for it. Raises Refusal."""
    if schedule.kind == ScheduleKind.HEALTH_SWEEP:
        return _sweep()
    slot = schedule.slot or actions.find_slot(None)
    if schedule.kind == ScheduleKind.WARM:
        return Begun("", actions.request_warm(slot, _by(schedule), WarmWish(**schedule.options)))
    if _serves_already(slot, schedule.model):
        return Begun(f"{slot.name} serves {schedule.model} already.", nothing_to_do=True)
    rollback = schedule.options.get("rollback")
    return Begun("", actions.request_swap(slot, schedule.model, _by(schedule), rollback=rollback))


def _by(schedule: Schedule) -> Requester:
    return Requester(schedule.actor, Trigger.SCHEDULE)


def _serves_already(slot: Slot, model: str) -> bool:
    """The very definition the catalog has now, and nothing is changing it."""
    definition = actions.find_model(model).as_definition()
    serving = Serving.objects.filter(slot=slot, state=ServingState.SERVING, model_key=model).first()
    if serving is None or Swap.objects.active().filter(slot=slot).exists():
        return False
    return bool(serving.definition) and restored(serving.definition) == definition


def _sweep() -> Begun:
    """Everything is due for a look at once; the reconciler's own tick goes and asks."""
    sparks = Spark.objects.enabled().update(next_probe_at=None)
    slots = Serving.objects.filter(Q(next_probe_at__isnull=False)).update(next_probe_at=None)
    return Begun(f"Looking at {sparks} Sparks and {slots} slots.")
