"""A slot is edited while nothing depends on how it is set up. Every door that edits one comes through here.

The layer below saves it and knows no swaps: a driver would be told half-way that its model lives elsewhere, and the
container of a model that serves would be left behind under a name that nobody stops.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.db import transaction

from cluster import actions as cluster
from cluster.models import Slot, Spark
from cluster.refusals import Conflict
from swaps.actions import in_progress
from swaps.models import Operation, Serving, ServingState, Swap, SwapLock
from swaps.states import Status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model of this slot lives: what stopping it goes by."""

    head: str
    workers: frozenset[str]
    port: int
    container: str

    @classmethod
    def of(cls, slot: Slot, workers: Sequence[Spark]) -> Self:
        return cls(slot.head.name, frozenset(spark.name for spark in workers), slot.vllm_port, slot.container_name)

    def leaves(self, wanted: "Place", nodes: int) -> Iterator[str]:
        """The fields in which `wanted` would lose a model that runs here on `nodes` Sparks."""
        if wanted.container != self.container:
            yield "container"
        if wanted.port != self.port:
            yield "port"
        if wanted.head != self.head:
            yield "head"
        if nodes > 1 and not self.workers <= wanted.workers:
            yield "workers"


def save_slot(*, slot: Slot | None, values: Mapping[str, Any], by: str) -> Slot:
    """Make a slot, or replace how it is set up. Raises Invalid, and Conflict while it is in use."""
    if slot is None:
        return cluster.save_slot(slot=None, values=values, by=by)
    with transaction.atomic():
        SwapLock.objects.select_for_update().filter(slot=slot).first()  # a swap is accepted before this, or after it
        before = Slot.objects.with_sparks().get(pk=slot.pk)
        seen = Place.of(before, before.sparks()[1:])
        saved = cluster.save_slot(slot=slot, values=values, by=by)
        refusal = refusal_of(before, seen, Place.of(saved, saved.sparks()[1:]))
        if refusal:
            raise refusal  # and with it goes what was saved
    return saved


def refusal_of(slot: Slot, seen: Place, wanted: Place) -> Conflict | None:
    """Why `slot` cannot be edited now so that `seen` becomes `wanted`, or None."""
    if Swap.objects.active().filter(slot=slot).exists():
        return in_progress(slot)
    serving = Serving.objects.filter(slot=slot).first()
    if serving is None or not _is_ours(serving):
        return None
    fields = list(seen.leaves(wanted, int(serving.definition.get("nodes") or 1)))
    if not fields:
        return None
    sentence = (
        f"{serving.model_label} serves on {slot.name}, in the container {seen.container} on {seen.head}, "
        f"port {seen.port}; with this change nothing would ever stop it. Stop the model first, then change this."
    )
    return Conflict("model-serves", sentence, errors=[{"field": name, "message": sentence} for name in fields])


def _is_ours(serving: Serving) -> bool:
    """It serves, and we started it. What others started may have any name, and giving the slot that name is no loss."""
    if serving.state not in (ServingState.SERVING, ServingState.STARTING) or serving.drift:
        return False
    ended = Swap.objects.filter(slot=serving.slot_id, status=Status.READY).exclude(operation=Operation.WARM)
    last = ended.order_by("-id").first()
    return last is not None and last.operation == Operation.SWAP
