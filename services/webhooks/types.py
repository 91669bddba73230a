"""What we tell the outside: every event type with the shape of its data, and which journal entry becomes which. Pure.

docs/webhooks.md and GET /api/webhooks/types are readings of this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SLOT = {"slot": "name of the slot; null when it concerns none"}
WHO = {"actor": "who did it, such as user:ana or key:openclaw; blank when nobody in particular did"}
OPERATION = {
    "swap": "number of the swap",
    **SLOT,
    "operation": "swap, or another operation of the same life, such as stop",
    "model": "key of the model it was to bring; null when none",
    "model_label": "the same, for people",
    "from_model": "key of what served when it was accepted; null when nothing of the catalog did",
    "to_model": "what `model` says",
    "served_ids": "ids applications use as `model`, first the one to prefer",
    "base_url": "where applications reach vLLM, without a trailing slash",
    "nodes": "names of the Sparks, head first",
    **WHO,
    "holder": "who held the swap lock for it; null when nobody did",
    "fence": "grows with every driver of the slot; of two stories the higher one is newer",
    "sequence": "number of the event; grows",
    "status": "of the swap: queued, ready, failed, errored or cancelled",
    "rolled_back_to": "key of the model that was brought back; null when none was",
    "durations": "seconds by phase, and `total`",
    "diagnosis": "null, or code, sentence and remedy",
    "link": "page of the swap",
}
LOCK = {
    **SLOT,
    "holder": "label the holder gave",
    "purpose": "what the holder said it is for; blank when nothing",
    **WHO,
    "fence": "grows with every grant",
    "acquired_at": "moment",
    "expires_at": "moment; null when it is over",
    "reason": "why it was taken away; null unless forced",
    "previous_holder": "who had it before a force; null otherwise",
    "sequence": "number of the event; grows",
    "link": "page of the slot",
}
SCHEDULE = {
    **SLOT,
    "schedule": "id of the schedule",
    "owner": "who registered it; null for Spark Control's own",
    "label": "the same, for people",
    "action": "what it does; null when an external scheduler keeps that to itself",
    "model": "key of the model it concerns; null when none",
    "due_at": "moment it was planned for; null when the event concerns no run",
    "swap": "number of the swap it started; null when none",
    "reason": "why it did not run; null otherwise",
    **WHO,
    "sequence": "number of the event; grows",
    "link": "page of the schedules",
}
DRIFT = {
    **SLOT,
    "state": "serving or idle",
    "model": "key of the catalog entry that serves now; null when none or not in the catalog",
    "served_ids": "ids vLLM answers to",
    "base_url": "where applications reach vLLM, without a trailing slash",
    "sequence": "number of the event; grows",
    "link": "page of the overview",
}
ENDPOINT = {
    **SLOT,
    "endpoint": "number of the webhook endpoint",
    "name": "its name",
    "reason": "a sentence",
    **WHO,
    "sequence": "number of the event; grows",
    "link": "page of the webhooks",
}


@dataclass(frozen=True, slots=True)
class EventType:
    """`severity` is info, warning or error. `fields` are the names of `data`, each with its meaning."""

    name: str
    meaning: str
    title: str
    severity: str
    fields: Mapping[str, str]


TYPES: dict[str, EventType] = {
    t.name: t
    for t in (
        EventType("swap_complete", "a swap is done: the new model answers", "Model ready", "info", OPERATION),
        EventType("swap_failed", "a swap failed", "Swap failed", "error", OPERATION),
        EventType("swap.accepted", "a swap was asked for", "Swap accepted", "info", OPERATION),
        EventType("swap.cancelled", "a swap was cancelled", "Swap cancelled", "warning", OPERATION),
        EventType("stop.accepted", "a stop was asked for", "Stop accepted", "info", OPERATION),
        EventType("stop.complete", "a slot was stopped: nothing serves there", "Stopped", "info", OPERATION),
        EventType("stop.failed", "a stop failed", "Stop failed", "error", OPERATION),
        EventType("stop.cancelled", "a stop was cancelled", "Stop cancelled", "warning", OPERATION),
        EventType("warm.accepted", "a warm-up was asked for", "Warm-up accepted", "info", OPERATION),
        EventType("warm.complete", "a model was warmed up", "Warmed up", "info", OPERATION),
        EventType("warm.failed", "a warm-up failed", "Warm-up failed", "error", OPERATION),
        EventType("warm.cancelled", "a warm-up was cancelled", "Warm-up cancelled", "warning", OPERATION),
        EventType("lock.acquired", "somebody took the swap lock", "GPU reserved", "info", LOCK),
        EventType("lock.released", "the holder gave the swap lock back", "GPU free", "info", LOCK),
        EventType("lock.expired", "the swap lock ran out", "Reservation ran out", "warning", LOCK),
        EventType("lock.forced", "the swap lock was taken away", "Reservation taken away", "warning", LOCK),
        EventType("model.drifted", "what serves changed without a swap", "Model drifted", "warning", DRIFT),
        EventType("schedule.fired", "a schedule ran", "Schedule ran", "info", SCHEDULE),
        EventType("schedule.missed", "a run did not happen", "Scheduled run missed", "warning", SCHEDULE),
        EventType("schedule.failed", "a run was refused or failed", "Scheduled run failed", "error", SCHEDULE),
        EventType("schedule.stale", "a scheduler stopped refreshing its entry", "Schedule stale", "warning", SCHEDULE),
        EventType("schedule.changed", "a schedule was made or changed", "Schedule changed", "info", SCHEDULE),
        EventType("schedule.removed", "a schedule was removed", "Schedule removed", "info", SCHEDULE),
        EventType("endpoint.disabled", "a webhook endpoint was switched off", "Webhook off", "error", ENDPOINT),
        EventType("ping", "a test somebody asked for", "Test", "info", ENDPOINT),
    )
}
ENDS = {"ready": "complete", "failed": "failed", "errored": "failed", "cancelled": "cancelled"}
PROJECT_NAMES = {"swap.complete": "swap_complete", "swap.failed": "swap_failed"}  # as the older product spells them


def outward(kind: str, data: Mapping[str, Any]) -> str | None:
    """The type a journal entry goes out as; None for what stays in the house."""
    if kind in ("swap.accepted", "swap.ended"):
        word = "accepted" if kind == "swap.accepted" else ENDS.get(str(data.get("status")), "failed")
        name = f"{operation_of(data)}.{word}"
    elif kind == "serving.changed":
        # Not knowing is no drift: the Spark does not answer, which is another story.
        name = "model.drifted" if data.get("state") in ("serving", "idle") else ""
    else:
        name = kind
    name = PROJECT_NAMES.get(name, name)
    return name if name in TYPES else None


def operation_of(data: Mapping[str, Any]) -> str:
    return str(data.get("operation") or ("swap" if data.get("model") else "stop"))


def wanted(name: str, patterns: list[str]) -> bool:
    """No patterns want everything; `lock.*` wants all types that begin with `lock.`."""
    return not patterns or any(_fits(name, pattern) for pattern in patterns)


def unknown_patterns(patterns: list[str]) -> list[str]:
    return [pattern for pattern in patterns if not any(_fits(name, pattern) for name in TYPES)]


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith(".*") else name == pattern
