"""Messages to the task workers: "look at row 12". A lost one costs seconds, because the reconciler looks too."""

import logging
from collections.abc import Callable
from typing import Any

from kombu.exceptions import OperationalError
from redis import RedisError

from cluster.outages import Outage

REST_SECONDS = 2.0

Task = Any  # a Celery task of one row's id, or of a list of them
Rows = int | list[int]
ByHand = Callable[[Task, Rows], None]

log = logging.getLogger(__name__)
outage = Outage(REST_SECONDS)


def post(task: Task, rows: Rows, by_hand: ByHand | None = None) -> bool:
    """False when the queue is away; then `by_hand` gets the work, where there is one. Never an error."""
    if not outage.lasts:
        try:
            task.apply_async((rows,))
        except (OperationalError, RedisError, OSError) as error:
            if outage.failed():
                log.warning("The queue does not answer (%s); task workers look for work by themselves.", error)
        else:
            if outage.ended():
                log.warning("The queue answers again.")
            return True
    if by_hand is not None:
        by_hand(task, rows)
    return False
