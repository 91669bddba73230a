"""From a journal entry to what the outside hears: the facts of the event, completed from the rows it is about."""

from typing import Any

from django.conf import settings

from cluster.models import Event
from services.webhooks.types import DRIFT, OPERATION, TYPES, WEDGED, operation_of, outward
from swaps import story
from swaps.models import Swap, restored

WHO_RUNS = ("container", "image", "kind", "labels", "started_at", "started_by")


def payload(event: Event) -> tuple[str, dict[str, Any]] | None:
    """(type, data with every field its type documents); None for what stays in the house."""
    name = outward(event.kind, event.data)
    if name is None:
        return None
    fields = TYPES[name].fields
    facts = {**event.data, **_own(event), "link": f"{settings.SPARKCONTROL_URL}/"}
    if fields is OPERATION:
        facts |= _operation(event)
    elif (fields is DRIFT or fields is WEDGED) and event.slot:
        facts |= {"base_url": event.slot.base_url, "model": event.data.get("model") or None}
        facts |= {"who": _who(event), "diagnosis": _drift_diagnosis(event)}
    return name, {field: facts.get(field) for field in fields}


def _own(event: Event) -> dict[str, Any]:
    """What the row says besides its data."""
    return {
        "slot": event.slot.name if event.slot else event.data.get("slot") or None,
        "actor": event.actor,
        "sequence": event.pk,
    }


def _operation(event: Event) -> dict[str, Any]:
    swap = Swap.objects.select_related("slot__head").filter(pk=event.data.get("swap")).first()
    if swap is None:
        return {"operation": operation_of(event.data)}
    ended = event.kind.endswith(".ended")
    return {
        "operation": swap.operation,
        "model": swap.model_key or None,
        "model_label": swap.model_label or None,
        "from_model": swap.from_model or None,
        "to_model": swap.model_key or None,
        "served_ids": _served_ids(swap),
        "base_url": swap.slot.base_url,
        "nodes": [spark.name for spark in swap.slot.sparks()[: swap.nodes]],
        "actor": event.actor or swap.actor,
        "holder": event.data.get("holder") or None,
        "fence": event.data.get("fence", swap.fence),
        "rolled_back_to": (swap.rolled_back_to or None) if ended else None,
        "durations": _durations(swap, event) if ended else {},
        "diagnosis": _diagnosis(swap) if ended else None,
        "link": f"{settings.SPARKCONTROL_URL}/swaps/{swap.pk}/",
    }


def _who(event: Event) -> dict[str, Any] | None:
    told = event.data.get("who") or {}
    return {name: told[name] for name in WHO_RUNS if name in told} or None


def _drift_diagnosis(event: Event) -> dict[str, Any] | None:
    told = event.data.get("diagnosis") or {}
    return {name: told[name] for name in ("code", "sentence", "remedy", "evidence") if name in told} or None


def _served_ids(swap: Swap) -> list[str]:
    return list(restored(swap.definition).served_names()) if swap.definition else []


def _durations(swap: Swap, event: Event) -> dict[str, float]:
    told = story.tell(swap, event.at)
    phases = {str(phase.status): phase.seconds for phase in told.phases if phase.seconds is not None}
    return {**phases, "total": told.elapsed_seconds}


def _diagnosis(swap: Swap) -> dict[str, str] | None:
    if not swap.diagnosis:
        return None
    return {"code": swap.diagnosis_code, "sentence": swap.diagnosis, "remedy": swap.remedy}


def slot_of(event: Event) -> str:
    return event.slot.name if event.slot else str(event.data.get("slot") or "")
