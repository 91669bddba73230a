"""A wedged model in the rows: since when, told once, and told again when its tokens move."""

from datetime import UTC, datetime

from django.utils import timezone

from cluster import events
from cluster.models import Slot, SshState
from cluster.readings import VllmReading
from cluster.templatetags import show
from swaps.models import Serving, ServingState
from swaps.wedged import Still, is_wedged, observe


def update(serving: Serving, slot: Slot, reading: VllmReading) -> None:
    """Call it in the transaction that stores the look; `serving` has the state of this look."""
    if serving.state == ServingState.SERVING and not reading.health_ok:
        return  # one late answer tells nothing about tokens
    still = observe(Still.read(serving.watched.get("still")), reading, timezone.now().timestamp())
    serving.watched = {**serving.watched, "still": still.as_dict() if still else None}
    wedged = serving.state == ServingState.SERVING and is_wedged(still, _gpu_busy(serving, slot))
    if still and wedged and serving.wedged_since is None:
        serving.wedged_since = datetime.fromtimestamp(still.since, UTC)
        _tell(serving, slot, "model.wedged", _wedged(serving, slot, reading, still))
    elif serving.wedged_since and (still is None or still.looks == 1):
        since, serving.wedged_since = serving.wedged_since, None
        if serving.state == ServingState.SERVING:
            lasted = show.seconds((timezone.now() - since).total_seconds())
            _tell(serving, slot, "model.unwedged", f"{serving.model_label} on {slot.name} moves again after {lasted}.")


def _wedged(serving: Serving, slot: Slot, reading: VllmReading, still: Still) -> str:
    lasted = show.seconds(still.at - still.since)
    asked = f"{reading.running or 0} running and {reading.waiting or 0} waiting requests"
    return f"{serving.model_label} on {slot.name} is up, but has made no token for {lasted} with {asked}."


def _gpu_busy(serving: Serving, slot: Slot) -> float | None:
    """Of the busiest node; None when one does not tell."""
    sparks = slot.sparks()[: serving.definition.get("nodes")]
    told = [spark.reading.get("gpu_busy_percent") for spark in sparks if spark.ssh_state == SshState.UP]
    known = [float(percent) for percent in told if percent is not None]
    return max(known) if known and len(known) == len(sparks) else None


def _tell(serving: Serving, slot: Slot, kind: str, sentence: str) -> None:
    data = {
        "slot": slot.name,
        "state": serving.state,
        "model": serving.model_key,
        "served_ids": serving.served_ids,
        "running": serving.metrics.get("running"),
        "waiting": serving.metrics.get("waiting"),
        "wedged_since": serving.wedged_since.isoformat() if serving.wedged_since else None,
    }
    events.record(kind, sentence, slot=slot, data=data)
