"""Celery's door: a message names a row, and losing it costs a few seconds at most."""

import logging
from functools import partial

from celery import shared_task
from django.db import DatabaseError
from django.db.models.functions import Now

from cluster import messages, side_by_side
from swaps import reopening, runner, serving
from swaps.models import Swap

log = logging.getLogger(__name__)


@shared_task
def drive_swap(swap_id: int) -> None:
    runner.drive(swap_id)


@shared_task
def probe_slots(slot_ids: list[int]) -> None:
    side_by_side.start({f"slot {slot}": partial(serving.look, slot) for slot in serving.claim(slot_ids)})


@shared_task
def reopen_slot(slot_id: int) -> None:
    reopening.reopen(slot_id)


def enqueue(swap_id: int, by_hand: messages.ByHand | None = None) -> None:
    """Ring the task workers. A queue that is away is no failure: the reconciler rings again at its next look."""
    if messages.post(drive_swap, swap_id, by_hand):
        return
    try:
        Swap.objects.claimable(Now()).filter(pk=swap_id).update(enqueued_at=None)
    except DatabaseError:
        log.warning("swap %s is looked for a little later: the database did not answer", swap_id)
