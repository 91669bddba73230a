"""Celery's door: a message names a row, and losing it costs a few seconds at most."""

import logging

from celery import shared_task
from kombu.exceptions import OperationalError

from swaps import reopening, runner, serving

log = logging.getLogger(__name__)


@shared_task
def drive_swap(swap_id: int) -> None:
    runner.drive(swap_id)


@shared_task
def probe_slot(slot_id: int) -> None:
    serving.look(slot_id)


@shared_task
def reopen_slot(slot_id: int) -> None:
    reopening.reopen(slot_id)


def enqueue(swap_id: int) -> None:
    """Ring the task workers. A broker that is down is no failure: the reconciler finds the row."""
    try:
        drive_swap.delay(swap_id)
    except (OperationalError, OSError) as error:
        log.warning("swap %s waits for the reconciler: %s", swap_id, error)
