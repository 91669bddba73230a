"""What each slot serves, read from the Sparks themselves: the belief that pages and the API show."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from cluster import contacts, events
from cluster.models import Slot, SshState
from cluster.vllm_probe import VllmReading, probe_vllm
from swaps import drifting, machine, standstill
from swaps.belief import Belief
from swaps.catalog.definition import Definition
from swaps.drifting import Testimony
from swaps.models import ModelDefinition, Serving, ServingState, Swap, stored

PROBE_EVERY = timedelta(seconds=5)
LATE_LOOKS = 2  # one late answer may be a busy web server


def claim(slot_ids: list[int]) -> list[Slot]:
    """Those whose look is due and that nobody else looks at now, each with its `serving`."""
    new = Slot.objects.filter(pk__in=slot_ids, serving=None)
    Serving.objects.bulk_create([Serving(slot=slot) for slot in new], ignore_conflicts=True)
    now = timezone.now()
    until = now + PROBE_EVERY  # to the microsecond, so it also says which ones we won
    due = Serving.objects.filter(Q(next_probe_at=None) | Q(next_probe_at__lte=now), slot_id__in=slot_ids)
    due.update(next_probe_at=until)
    won = Slot.objects.with_sparks().select_related("serving")
    return list(won.filter(pk__in=slot_ids, serving__next_probe_at=until))


def look(slot: Slot) -> None:
    """Probe the slot's vLLM and keep what was seen. `slot` as `claim` gave it."""
    before = slot.serving
    reading = probe_vllm(slot.base_url)
    if Swap.objects.active().filter(slot=slot).exists():
        return  # the driver of the swap knows better
    testimony = drifting.ask_if_in_doubt(slot, before, reading)
    answers = reading.listens is not None and (testimony is None or testimony.witness is not None)
    contacts.look_soon(slot.head, answers=answers)
    keep(slot, reading, testimony, believed=before.believed)


def keep(slot: Slot, reading: VllmReading, testimony: Testimony | None, *, believed: dict[str, Any]) -> None:
    """Store a reading; a change of what serves becomes an Event. `believed`: as it was when the look began."""
    with transaction.atomic():
        serving, _ = Serving.objects.select_for_update().get_or_create(slot=slot)
        if serving.believed != believed or Swap.objects.active().filter(slot=slot).exists():
            return  # a swap came in between: this look is of another time
        before = (serving.state, serving.served_ids)
        _fill(serving, slot, reading, testimony)
        changed = before != (serving.state, serving.served_ids)
        if changed:
            serving.since = timezone.now()
        told = drifting.update(serving, slot, testimony, ids_known=bool(reading.model_ids))
        if changed and not told:
            data = {**_data(slot, serving), "was": before[0]}
            events.record("serving.changed", _sentence(slot, serving), slot=slot, data=data)
        if not serving.believed and serving.served_ids:
            serving.believed = _belief(serving.model_key, serving.model_label, serving.served_ids).as_dict()
        standstill.update(serving, slot, reading)
        serving.save()


def mark(
    swap: Swap,
    state: ServingState,
    definition: Definition | None = None,
    ids: tuple[str, ...] = (),
    *,
    believe: bool = False,
    problem: str = "",
) -> None:
    """The driver of `swap` says what it made true; with `believe` that is what should be from now on.

    After UNKNOWN nothing is believed: the first look that succeeds says what there is. Raises LostRace.
    """
    told: dict[str, Any] = {
        "state": state,
        "model_key": definition.key if definition else "",
        "model_label": definition.label if definition else "",
        "definition": stored(definition) if definition else {},
        "served_ids": list(ids),
        "since": timezone.now(),
        "checked_at": timezone.now(),
        "problem": problem,
        "metrics": {},
        "watched": {},
        "drift": {},
        "wedged_since": None,
    }
    if state == ServingState.UNKNOWN:
        told["believed"] = {}
    elif believe:
        told["believed"] = _belief(told["model_key"], told["model_label"], ids, swap).as_dict()
    with transaction.atomic():
        machine.hold(swap)
        Serving.objects.update_or_create(slot=swap.slot, defaults=told)


def adopt(slot: Slot) -> Serving | None:
    """What is there now is what should be. None when that is not known, or is so already."""
    serving = Serving.objects.select_for_update().filter(slot=slot).first()
    if serving is None or not serving.drift or serving.state not in (ServingState.SERVING, ServingState.IDLE):
        return None
    belief = _belief(serving.model_key, serving.model_label, serving.served_ids)
    container = serving.drift.get("who", {}).get("id", "") if serving.served_ids else ""
    serving.believed = replace(belief, container=container).as_dict()
    serving.drift = {}
    serving.save(update_fields=["believed", "drift"])
    return serving


def _belief(key: str, label: str, ids: Iterable[str], swap: Swap | None = None) -> Belief:
    belief = Belief(timezone.now().isoformat(), key, label, tuple(ids))
    if swap is None:
        return belief
    return replace(belief, swap=swap.pk, boot_ids=swap.boot_ids, log_file=swap.log_file)


def _fill(serving: Serving, slot: Slot, reading: VllmReading, testimony: Testimony | None) -> None:
    late = serving.watched.get("late", 0) + 1 if reading.listens is None and not reading.health_ok else 0
    state = _state(serving, slot, reading, testimony, late)
    serving.checked_at = timezone.now()
    serving.problem = (testimony.problem if testimony else "") or reading.error
    serving.watched = {**serving.watched, "late": late}
    if state == ServingState.SERVING and late:
        return  # what was seen before stands until the next look
    serving.metrics = _metrics(serving, reading)
    serving.max_model_len = reading.max_model_len
    serving.state = state
    ids = list(reading.model_ids) if state == ServingState.SERVING else []
    if ids != serving.served_ids:
        serving.served_ids = ids
        if ids or state != ServingState.UNKNOWN:  # the last known name is worth showing
            _name(serving, reading)


def _state(serving: Serving, slot: Slot, reading: VllmReading, testimony: Testimony | None, late: int) -> ServingState:
    if reading.health_ok:
        return ServingState.SERVING
    if reading.listens is None:
        still = serving.state == ServingState.SERVING and late < LATE_LOOKS
        return ServingState.SERVING if still else ServingState.UNKNOWN
    if testimony is not None and testimony.witness is None:
        return ServingState.UNKNOWN
    if testimony is None and slot.head.ssh_state not in (SshState.UP, SshState.NEW):
        return ServingState.UNKNOWN
    return ServingState.STARTING if testimony and testimony.gone is None else ServingState.IDLE


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
        return f"What {slot.name} serves is not known: {serving.problem or slot.head.name + ' does not answer.'}"
    if serving.state == ServingState.STARTING:
        return f"A model is starting on {slot.name}, and no swap did that."
    return f"Nothing serves on {slot.name}."


def _data(slot: Slot, serving: Serving) -> dict[str, Any]:
    return {"slot": slot.name, "state": serving.state, "model": serving.model_key, "served_ids": serving.served_ids}
