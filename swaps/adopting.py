"""A drift accepted: what is there now is what should be. No container is touched."""

from django.db import transaction

from cluster import events, people
from cluster.models import Slot
from cluster.refusals import Conflict
from swaps import actions, locks, serving
from swaps.models import Serving, ServingState, Swap
from swaps.requester import Requester


def adopt(slot: Slot, by: Requester, *, lock_token: str | None = None) -> Serving:
    """Believe what `slot` serves now. Raises Conflict (a swap runs; there is no drift; it is not known what serves),
    and Locked or Lost as a swap would: whoever holds the lock decides what the slot should serve."""
    refusal = locks.refusal_of(slot, lock_token, by)
    if refusal:
        raise refusal
    if Swap.objects.active().filter(slot=slot).exists():
        raise actions.in_progress(slot)
    with transaction.atomic():
        adopted = serving.adopt(slot)
        if adopted is None:
            raise _nothing_to_adopt(slot)
        what = adopted.model_label if adopted.state == ServingState.SERVING else "that nothing serves"
        data = {
            "slot": slot.name,
            "state": adopted.state,
            "model": adopted.model_key,
            "served_ids": adopted.served_ids,
        }
        sentence = f"{people.named(by.actor)} adopted {what} on {slot.name}."
        events.record("model.adopted", sentence, slot=slot, actor=by.actor, data=data)
    return adopted


def _nothing_to_adopt(slot: Slot) -> Conflict:
    row = Serving.objects.filter(slot=slot).first()
    if row is not None and row.drift:
        sentence = f"What {slot.name} serves is not known at the moment. {row.problem} Ask again when it is."
        return Conflict("serving-unknown", sentence, retry_after_seconds=10)
    return Conflict("no-drift", f"{slot.name} is as Spark Control believes it to be; there is nothing to adopt.")
