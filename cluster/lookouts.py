"""Who looks around: one row for each task worker, so that anybody can tell when the last one was alive."""

import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from cluster.models import Lookout

SILENT_AFTER = timedelta(seconds=20)  # ten looks; longer, and nobody takes swaps further
FORGOTTEN_AFTER = timedelta(days=1)


def looked(queues: Sequence[str]) -> None:
    """This process looked around just now and takes work from `queues`."""
    now = timezone.now()
    words = {"queues": ",".join(queues), "looked_at": now}
    _, new = Lookout.objects.update_or_create(name=own_name(), defaults=words, create_defaults=words)
    if new:
        Lookout.objects.filter(looked_at__lt=now - FORGOTTEN_AFTER).delete()


def last_looked_at() -> datetime | None:
    """When any worker looked around last; None: never."""
    newest: datetime | None = Lookout.objects.aggregate(newest=Max("looked_at"))["newest"]
    return newest


def silence(now: datetime) -> timedelta | None:
    """For how long no worker has looked around, when that is too long; None while all is well."""
    last = last_looked_at()
    gone = timedelta.max if last is None else now - last
    return gone if gone > SILENT_AFTER else None


def own_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"[:80]
