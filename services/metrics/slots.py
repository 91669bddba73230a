"""Slots in figures: what serves, what changes, who holds the lock."""

from datetime import datetime, timedelta

from django.db.models import Count, DurationField, ExpressionWrapper, F, Sum

from cluster.models import Slot
from services.metrics import phases
from services.metrics.text import Family
from swaps.models import LockHold, Operation, Serving, ServingState, Swap, SwapLock
from swaps.states import TERMINAL, Status

DAY = timedelta(days=1)


def families(now: datetime) -> list[Family]:
    return [*_swaps(now), *_serving(now), *_locks(now)]


def _swaps(now: datetime) -> list[Family]:
    total = Family("sparkcontrol_swaps_total", "counter", "Swaps, stops and warm-ups that ended, by how.")
    running = Family("sparkcontrol_swaps_running", "gauge", "Swaps that run at this moment, queued ones not included.")
    queued = Family("sparkcontrol_swaps_queued", "gauge", "Swaps that were accepted and that no worker drives yet.")
    count = {(slot, op, status): 0 for slot in _names() for op in Operation.values for status in TERMINAL}
    active = {(slot, waits): 0 for slot in _names() for waits in (True, False)}
    rows = Swap.objects.order_by().values_list("slot__name", "operation", "status").annotate(number=Count("pk"))
    for slot, operation, status, number in rows:
        if status in TERMINAL:
            count[slot, operation, Status(status)] = number
        else:
            active[slot, status == Status.QUEUED] += number
    for (slot, operation, status), number in sorted(count.items()):
        total.add(number, slot=slot, operation=operation, result=status)
    for (slot, waits), number in sorted(active.items()):
        (queued if waits else running).add(number, slot=slot)
    return [total, running, queued, _phases(now)]


def _phases(now: datetime) -> Family:
    took = Family("sparkcontrol_swap_phase_duration_seconds", "histogram", "How long the phases of swaps took.")
    for (slot, phase), buckets in sorted(phases.measured(now).by_phase.items()):
        took.add_histogram(phases.BOUNDS, buckets.counts, round(buckets.total, 6), slot=slot, phase=phase)
    return took


def _names() -> list[str]:
    return list(Slot.objects.values_list("name", flat=True))


def _serving(now: datetime) -> list[Family]:
    state = Family("sparkcontrol_slot_state", "gauge", "1 for what is true of the slot: serving, idle, ...")
    model = Family("sparkcontrol_slot_model_info", "gauge", "1, with the catalog key of what serves in the label.")
    age = Family("sparkcontrol_slot_probe_age_seconds", "gauge", "Time since vLLM was last asked.")
    wedged = Family("sparkcontrol_slot_wedged", "gauge", "1 when the model is up, is asked, and makes no tokens.")
    drifted = Family("sparkcontrol_slot_drifted", "gauge", "1 when something else serves than the last swap left.")
    closed = Family("sparkcontrol_slot_closed", "gauge", "1 when it takes no swaps because of a restore.")
    figures = _vllm_families()
    for row in Serving.objects.select_related("slot__closed").order_by("slot__name"):
        slot = row.slot.name
        state.one_of(ServingState.values, row.state, slot=slot)
        age.add(_seconds(now, row.checked_at), slot=slot)
        wedged.add(float(row.wedged_since is not None), slot=slot)
        drifted.add(float(bool(row.drift)), slot=slot)
        closed.add(float(hasattr(row.slot, "closed")), slot=slot)
        if row.state == ServingState.SERVING:
            model.add(1, slot=slot, model=row.model_key, served=", ".join(row.served_ids))
            for key, family in figures.items():
                family.add(row.metrics.get(key), slot=slot)
    return [state, model, age, wedged, drifted, closed, *figures.values()]


def _vllm_families() -> dict[str, Family]:
    return {
        "running": Family("sparkcontrol_vllm_requests_running", "gauge", "Requests that vLLM works on."),
        "waiting": Family("sparkcontrol_vllm_requests_waiting", "gauge", "Requests that wait in vLLM."),
        "kv_cache_used": Family("sparkcontrol_vllm_kv_cache_used_ratio", "gauge", "KV cache in use, 0 to 1."),
        "generation_tokens_total": Family(
            "sparkcontrol_vllm_generation_tokens_total", "counter", "Tokens made since vLLM started."
        ),
    }


def _locks(now: datetime) -> list[Family]:
    held = Family("sparkcontrol_lock_held", "gauge", "1 while somebody holds the slot's lock.")
    age = Family("sparkcontrol_lock_hold_age_seconds", "gauge", "How long the lock has been held by who holds it now.")
    fence = Family("sparkcontrol_lock_fence", "gauge", "The slot's fence, which only grows.")
    for row in SwapLock.objects.select_related("slot").order_by("slot__name"):
        taken = row.holder != ""
        held.add(float(taken), slot=row.slot.name)
        age.add(_seconds(now, row.acquired_at) if taken else 0, slot=row.slot.name)
        fence.add(row.fence, slot=row.slot.name)
    return [held, age, fence, *_holds(now)]


def _holds(now: datetime) -> list[Family]:
    """Of a day, as gauges: old holds are forgotten, and a counter must never fall."""
    number = Family("sparkcontrol_lock_holds_day", "gauge", "Holds that ended in the last 24 hours, by how.")
    took = Family("sparkcontrol_lock_held_day_seconds", "gauge", "How long they lasted together.")
    lasted = ExpressionWrapper(F("ended_at") - F("acquired_at"), output_field=DurationField())
    recent = LockHold.objects.filter(ended_at__gt=now - DAY).order_by()
    rows = recent.values_list("lock__slot__name", "end").annotate(number=Count("pk"), lasted=Sum(lasted))
    for slot, end, count, sum_of in sorted(rows):
        number.add(count, slot=slot, end=end)
        took.add(sum_of.total_seconds(), slot=slot, end=end)
    return [number, took]


def _seconds(now: datetime, since: datetime | None) -> float | None:
    return None if since is None else max(0.0, round((now - since).total_seconds(), 3))
