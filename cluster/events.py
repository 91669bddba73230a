"""The journal: a fact is recorded in the transaction of the change it tells, and announced after commit."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from cluster import nudge, turns
from cluster.models import Event, Slot, Spark


def record(
    kind: str,
    sentence: str,
    *,
    slot: Slot | None = None,
    spark: Spark | None = None,
    actor: str = "",
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Write one Event. Call it inside the transaction of the change."""
    with transaction.atomic(savepoint=False):
        # Ids must grow in the order of commits: who reads "behind the last id I saw" would miss a late one for good.
        turns.take("events")
        event = Event.objects.create(
            kind=kind, sentence=sentence, slot=slot, spark=spark, actor=actor, data=dict(data or {})
        )
        transaction.on_commit(lambda: nudge.send("events"))
    return event
