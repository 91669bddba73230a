"""The journal as rows of the live feed: one reader for everybody who watches."""

from cluster import live
from cluster.api.serializers import moment
from cluster.models import Event

TOPIC = "events"


def read(after: int, limit: int) -> list[live.Row]:
    """Events behind that id, oldest first. Ids grow in the order of commits (cluster.events.record)."""
    columns = ("id", "kind", "at", "slot__name", "spark__name", "actor", "sentence", "data")
    found = Event.objects.after(after).values_list(*columns)[:limit]
    return [
        live.Row(
            pk,
            "event",
            {
                "id": pk,
                "kind": kind,
                "at": moment(at),
                "slot": slot,
                "spark": spark,
                "actor": actor,
                "sentence": sentence,
                "data": data,
            },
        )
        for pk, kind, at, slot, spark, actor, sentence, data in found
    ]


def newest() -> int:
    """Id of the newest event; 0 when there is none."""
    return Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
