"""Events as people read them: newest first, with an icon and a tone."""

from dataclasses import dataclass
from datetime import datetime

from cluster import people
from cluster.models import Event, Spark

SHOWN = 9
# Phases are told by the running swap itself; twelve of them would push everything else off the list.
LEFT_OUT = ("swap.phase", "warm.phase")
ROUTINE = ("schedule.fired", "schedule.done")
_LOOKS = {
    "swap.accepted": ("swaps", "info"),
    "swap.ended": ("swaps", "mute"),
    "warm.accepted": ("flame", "info"),
    "warm.ended": ("flame", "mute"),
    "lock.acquired": ("lock", "info"),
    "lock.released": ("unlock", "mute"),
    "lock.expired": ("unlock", "warn"),
    "lock.forced": ("alert", "warn"),
    "schedule.refused": ("alert", "warn"),
    "schedule.failed": ("cross", "bad"),
    "schedule.skipped": ("alert", "warn"),
    "schedule.stale": ("alert", "warn"),
    "endpoint.disabled": ("alert", "bad"),
    "signin.throttled": ("alert", "warn"),
    "serving.changed": ("models", "mute"),
    "spark.up": ("check", "good"),
    "spark.down": ("cross", "bad"),
    "spark.quarantined": ("alert", "bad"),
    "spark.rebooted": ("alert", "warn"),
    "model.drifted": ("alert", "warn"),
    "model.crashed": ("cross", "bad"),
    "model.back": ("check", "good"),
    "model.adopted": ("check", "mute"),
    "model.wedged": ("alert", "bad"),
    "model.unwedged": ("check", "good"),
    "host_key.pinned": ("key", "mute"),
    "container.set_aside": ("stop", "info"),
    "containers.restored": ("undo", "good"),
}
_ENDS = {
    "ready": ("check", "good"),
    "failed": ("cross", "bad"),
    "errored": ("alert", "bad"),
    "cancelled": ("slash", "mute"),
}
_KINDS = {
    "spark": ("sparks", "mute"),
    "slot": ("settings", "mute"),
    "model": ("models", "mute"),
    "key": ("key", "mute"),
    "schedule": ("calendar", "mute"),
    "webhook": ("webhook", "mute"),
    "ping": ("send", "mute"),
}


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    sentence: str
    icon: str
    tone: str


def newest(spark: Spark | None = None) -> list[Line]:
    # The first start adds a dozen models; that is no news to a person.
    found = Event.objects.exclude(kind__in=LEFT_OUT).exclude(kind="model.added", actor__startswith="command:")
    found = found.exclude(kind__in=ROUTINE, data__kind="health_sweep")  # every few minutes, and nothing to tell
    if spark:
        found = found.filter(spark=spark)
    return [Line(event.at, _sentence(event), *_look(event)) for event in found.order_by("-id")[:SHOWN]]


def _sentence(event: Event) -> str:
    """The oldest sentences name actors as programs know them (user:ana)."""
    return event.sentence.replace(event.actor, people.named(event.actor)) if event.actor else event.sentence


def _look(event: Event) -> tuple[str, str]:
    if event.kind in ("swap.ended", "warm.ended"):
        return _ENDS.get(str(event.data.get("status")), ("swaps", "mute"))
    return _LOOKS.get(event.kind) or _KINDS.get(event.kind.partition(".")[0], ("dot", "mute"))
