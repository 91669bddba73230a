"""What each slot serves, read from the Sparks themselves: the belief that pages and the API show."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from cluster import events
from cluster.models import Slot
from cluster.vllm_probe import VllmReading, probe_vllm
from swaps.catalog.definition import Definition
from swaps.models import ModelDefinition, Serving, ServingState, Swap, stored

PROBE_EVERY = timedelta(seconds=5)


def look(slot_id: int) -> None:
    """Probe the slot's vLLM and keep what was seen. Two calls at once cost one probe."""
    now = timezone.now()
    Serving.objects.get_or_create(slot_id=slot_id)
    due = Serving.objects.filter(Q(next_probe_at=None) | Q(next_probe_at__lte=now), slot_id=slot_id)
    if not due.update(next_probe_at=now + PROBE_EVERY):
        return  # somebody else asks at this moment
    slot = Slot.objects.with_sparks().get(pk=slot_id)
    reading = probe_vllm(slot.base_url)
    if Swap.objects.active().filter(slot=slot).exists():
        return  # the driver of the swap knows better
    keep(slot, reading)


def keep(slot: Slot, reading: VllmReading) -> None:
    """Store a reading; a change of what serves becomes an Event."""
    with transaction.atomic():
        serving, _ = Serving.objects.select_for_update().get_or_create(slot=slot)
        before = (serving.state, serving.served_ids)
        _fill(serving, slot, reading)
        if before != (serving.state, serving.served_ids):
            serving.since = timezone.now()
            data = {**_data(slot, serving), "was": before[0]}
            events.record("serving.changed", _sentence(slot, serving), slot=slot, data=data)
        serving.save()


def mark(slot: Slot, state: ServingState, definition: Definition | None = None, ids: tuple[str, ...] = ()) -> None:
    """The driver of a swap says what it made true."""
    Serving.objects.update_or_create(
        slot=slot,
        defaults={
            "state": state,
            "model_key": definition.key if definition else "",
            "model_label": definition.label if definition else "",
            "definition": stored(definition) if definition else {},
            "served_ids": list(ids),
            "since": timezone.now(),
            "checked_at": timezone.now(),
            "problem": "",
            "metrics": {},
        },
    )


def _fill(serving: Serving, slot: Slot, reading: VllmReading) -> None:
    serving.checked_at = timezone.now()
    serving.problem = reading.error or ""
    serving.metrics = _metrics(serving, reading)
    serving.max_model_len = reading.max_model_len
    if not reading.health_ok:
        serving.state = ServingState.UNKNOWN if slot.head.ssh_state == "down" else ServingState.IDLE
        ids: list[str] = []
    else:
        serving.state = ServingState.SERVING
        ids = list(reading.model_ids)
    if ids != serving.served_ids:
        serving.served_ids = ids
        _name(serving, reading)


def _name(serving: Serving, reading: VllmReading) -> None:
    """Which catalog entry this is; one that fits by name only is still shown by its served id."""
    known = _matching(reading)
    serving.model_key = known.key if known else ""
    serving.model_label = known.label if known else ", ".join(serving.served_ids)
    serving.definition = stored(known.as_definition()) if known else {}


def _matching(reading: VllmReading) -> ModelDefinition | None:
    served, roots = set(reading.model_ids), set(reading.roots)
    for entry in ModelDefinition.objects.order_by("pk"):
        names = set(entry.as_definition().served_names())
        if names & served and (entry.repo or entry.local_path) in roots:
            return entry
    return None


def _metrics(serving: Serving, reading: VllmReading) -> dict[str, Any]:
    total = reading.generation_tokens_total
    metrics = {
        "running": reading.running,
        "waiting": reading.waiting,
        "kv_cache_used": reading.kv_cache_used,
        "generation_tokens_total": total,
        "at": timezone.now().timestamp(),
    }
    before, then = serving.metrics.get("generation_tokens_total"), serving.metrics.get("at")
    if total is not None and before is not None and then and total >= before:
        metrics["tokens_per_second"] = round((total - before) / max(0.001, metrics["at"] - then), 1)
    return metrics


def _sentence(slot: Slot, serving: Serving) -> str:
    if serving.state == ServingState.SERVING:
        return f"{slot.name} serves {serving.model_label}."
    if serving.state == ServingState.UNKNOWN:
        return f"What {slot.name} serves is not known: {slot.head.name} does not answer."
    return f"Nothing serves on {slot.name}."


def _data(slot: Slot, serving: Serving) -> dict[str, Any]:
    return {"slot": slot.name, "state": serving.state, "model": serving.model_key, "served_ids": serving.served_ids}
