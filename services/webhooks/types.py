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
    "fence": "of this hold; grows with every grant",
    "acquired_at": "moment",
    "expires_at": "moment it would run out, told when it is acquired; null otherwise",
    "ended_at": "moment; null when it is acquired",
    "reason": "why it was taken away; null unless forced",
    "sequence": "number of the event; grows",
    "link": "page of the overview",
}
SCHEDULE = {
    **SLOT,
    "schedule": "number of the schedule",
    "title": "the same, for people",
    "kind": "what it does",
    "owner": "who registered it; null or blank for Spark Control's own",
    "ref": "the owner's own id for it; null or blank when none",
    "model": "key of the model it concerns; null or blank when none",
    "run": "number of the run; null when the event concerns none",
    "fire_at": "moment the run was planned for; null when the event concerns none",
    "asked_by": "who ran it by hand; null when it came due",
    "swap": "number of the swap it started; null when none",
    "code": "why it was refused or failed, for programs; null otherwise",
    "gave_up": "true when a refused run is not tried again; null otherwise",
    "count": "how many runs were skipped; null otherwise",
    "first": "moment of the first skipped run; null otherwise",
    "last": "moment of the last skipped run; null otherwise",
    **WHO,
    "sequence": "number of the event; grows",
    "link": "page of the overview",
}
SERVES = {
    **SLOT,
    "state": "serving or idle",
    "model": "key of the catalog entry that serves now; null when none or not in the catalog",
    "served_ids": "ids vLLM answers to",
    "base_url": "where applications reach vLLM, without a trailing slash",
}
DRIFT = {
    **SERVES,
    "kind": "other-model, started, replaced, stopped, crashed or restarted; null when there is no drift any more",
    "since": "moment of the first difference; null when there is no drift any more",
    "node": "name of the Spark it happened on; null when there is no drift any more",
    "believed": "model, model_label, served_ids and swap of what should serve; null when there is no drift any more",
    "who": "container, image, kind, labels, started_at and started_by of what runs instead; null when not known",
    "exit_code": "of vLLM, when it was the container's main process and ended; null otherwise",
    "diagnosis": "null, or code, sentence, remedy and evidence of a model that ended by itself",
    **WHO,
    "sequence": "number of the event; grows",
    "link": "page of the overview",
}
WEDGED = {
    **SERVES,
    "running": "requests in work",
    "waiting": "requests that wait",
    "wedged_since": "moment of the last token; null once they move again",
    "sequence": "number of the event; grows",
    "link": "page of the overview",
}
REBOOT = {
    "spark": "name of the Spark",
    "boot_id_before": "of the run that ended",
    "boot_id": "of the one that runs now",
    "last_seen_at": "moment of the last answer before; null when it is not known",
    "restarted_at": "moment the Spark came up, by its own uptime",
    "sequence": "number of the event; grows",
    "link": "page of the overview",
}
SIGN_IN = {
    "username": "the person whose password is guessed; null when there is nobody of that name",
    "address": "where the guesses come from",
    "retry_after_seconds": "how long nobody may sign in from there, under that name",
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
        EventType("model.crashed", "the model ended by itself", "Model crashed", "error", DRIFT),
        EventType("model.back", "what serves is again what should", "Model back", "info", DRIFT),
        EventType("model.adopted", "somebody accepted what serves", "Model adopted", "info", DRIFT),
        EventType("model.wedged", "a model is up and asked, and makes no token", "Model wedged", "error", WEDGED),
        EventType("model.unwedged", "its tokens move again", "Model moves again", "info", WEDGED),
        EventType("spark.rebooted", "a Spark restarted", "Spark restarted", "warning", REBOOT),
        EventType("schedule.fired", "a run began", "Schedule ran", "info", SCHEDULE),
        EventType("schedule.done", "what a run began is done", "Scheduled run done", "info", SCHEDULE),
        EventType("schedule.refused", "a run was refused", "Scheduled run refused", "warning", SCHEDULE),
        EventType("schedule.failed", "a run failed", "Scheduled run failed", "error", SCHEDULE),
        EventType("schedule.skipped", "runs were missed", "Scheduled runs missed", "warning", SCHEDULE),
        EventType("schedule.stale", "a scheduler stopped refreshing its entry", "Schedule stale", "warning", SCHEDULE),
        EventType("schedule.registered", "an external schedule came", "Schedule registered", "info", SCHEDULE),
        EventType("schedule.made", "a schedule was made", "Schedule made", "info", SCHEDULE),
        EventType("schedule.changed", "a schedule was changed", "Schedule changed", "info", SCHEDULE),
        EventType("schedule.removed", "a schedule was removed", "Schedule removed", "info", SCHEDULE),
        EventType("signin.throttled", "somebody guesses passwords", "Sign-in paused", "warning", SIGN_IN),
        EventType("endpoint.disabled", "a webhook endpoint was switched off", "Webhook off", "error", ENDPOINT),
        EventType("ping", "a test somebody asked for", "Test", "info", ENDPOINT),
    )
}
ENDS = {"ready": "complete", "failed": "failed", "errored": "failed", "cancelled": "cancelled"}
PROJECT_NAMES = {"swap.complete": "swap_complete", "swap.failed": "swap_failed"}  # as the older product spells them


def outward(kind: str, data: Mapping[str, Any]) -> str | None:
    """The type a journal entry goes out as; None for what stays in the house."""
    prefix, _, word = kind.partition(".")
    if prefix in ("swap", "warm") and word in ("accepted", "ended"):
        end = ENDS.get(str(data.get("status")), "failed") if word == "ended" else word
        name = f"{operation_of(data)}.{end}"
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
