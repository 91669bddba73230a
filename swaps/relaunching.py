"""A wedged model launched again by itself, as an ordinary swap by `system:relaunch` and at most so often an hour."""

from datetime import timedelta

from django.utils import timezone

from cluster.models import Slot
from cluster.refusals import Refusal
from swaps import actions, locks
from swaps.models import ModelDefinition, Serving, Swap, Trigger
from swaps.requester import Requester

ACTOR = "system:relaunch"
HOUR = timedelta(hours=1)


def relaunch_wedged() -> None:
    """Ask for what the slots' settings allow. Safe in many processes: a slot takes one swap at a time."""
    wedged = Serving.objects.filter(wedged_since__isnull=False, slot__relaunches_per_hour__gt=0)
    for serving in wedged.select_related("slot"):
        slot = Slot.objects.with_sparks().get(pk=serving.slot_id)
        if obstacle(slot, serving):
            continue
        try:
            actions.request_swap(slot, serving.model_key, Requester(ACTOR, Trigger.SYSTEM))
        except Refusal:
            continue  # somebody took the lock or began a swap this moment


def obstacle(slot: Slot, serving: Serving) -> str:
    """Why it is not launched again by itself now, as a sentence; blank when nothing is in the way."""
    if not slot.relaunches_per_hour:
        return "Automatic relaunches are off for this slot."
    if not serving.model_key or not ModelDefinition.objects.filter(key=serving.model_key).exists():
        return "It is not launched again by itself: it is not in the catalog."
    if recent(slot) >= slot.relaunches_per_hour:
        times = "once" if slot.relaunches_per_hour == 1 else f"{slot.relaunches_per_hour} times"
        return f"It is not launched again by itself: that was done {times} in the last hour."
    view = locks.look(slot)
    if view.held:
        return f"It is not launched again by itself: {view.holder} holds the lock of {slot.name}."
    return ""


def recent(slot: Slot) -> int:
    """Automatic relaunches of the last hour, counted from the swaps themselves."""
    asked = Swap.objects.filter(slot=slot, trigger=Trigger.SYSTEM, actor=ACTOR)
    return asked.filter(accepted_at__gt=timezone.now() - HOUR).count()
