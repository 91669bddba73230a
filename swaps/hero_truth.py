"""What a slot's page says when the truth is another one than it should be, and what can be done about it."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from cluster.badges import Badge
from cluster.models import Slot
from swaps import relaunching
from swaps.belief import Kind
from swaps.models import ModelDefinition, Serving, ServingState

_BADGES = {
    Kind.CRASHED: Badge("cross", "Crashed", "bad"),
    Kind.STOPPED: Badge("alert", "Stopped outside", "warn"),
    Kind.RESTARTED: Badge("alert", "Spark restarted", "warn"),
}
_CHANGED = Badge("alert", "Changed outside", "warn")
_ADOPT_NOTHING = "Leave it so"
WEDGED = Badge("alert", "No tokens", "bad")


@dataclass(frozen=True, slots=True)
class DriftNotice:
    """`back` is what leads to what should be; blank when the model is not in the catalog any more."""

    since: datetime
    heading: str
    sentence: str
    remedy: str
    evidence: str
    tone: str
    badge: Badge
    back: str
    back_address: str
    back_model: str
    adopt: str
    choice: str  # what the two buttons do


@dataclass(frozen=True, slots=True)
class WedgedNotice:
    since: datetime
    asked: str
    automatic: str  # about launching it again by itself
    model: str  # key; blank when it cannot be launched again


def drift_of(slot: Slot, serving: Serving | None) -> DriftNotice | None:
    if serving is None or not serving.drift:
        return None
    drift, kind = serving.drift, Kind(serving.drift["kind"])
    told = drift["diagnosis"] or {}
    back, address, model = _way_back(slot, serving, kind)
    return DriftNotice(
        since=datetime.fromisoformat(drift["since"]),
        heading=_heading(kind, drift["node"]),
        sentence=drift["sentence"],
        remedy=told.get("remedy", ""),
        evidence=told.get("evidence", ""),
        tone="bad" if kind is Kind.CRASHED else "warn",
        badge=_BADGES.get(kind, _CHANGED),
        back=back,
        back_address=address,
        back_model=model,
        adopt=_ADOPT_NOTHING if serving.state == ServingState.IDLE else "Adopt",
        choice=_choice(serving, back),
    )


def _heading(kind: Kind, node: str) -> str:
    """Followed by "at 14:02"."""
    if kind is Kind.CRASHED:
        return "Crashed"
    return f"Lost with a restart of {node}" if kind is Kind.RESTARTED else "Changed outside Spark Control"


def _way_back(slot: Slot, serving: Serving, kind: Kind) -> tuple[str, str, str]:
    believed = serving.drift["believed"]
    if not believed["served_ids"]:
        return "Stop it…", reverse("slot-stop", args=[slot.name]), ""
    key = believed["model"]
    if not key or not ModelDefinition.objects.filter(key=key).exists():
        return "", "", ""
    again = serving.state == ServingState.IDLE and kind is not Kind.STOPPED
    return "Start it again…" if again else "Swap back…", reverse("swap-new"), key


def _choice(serving: Serving, back: str) -> str:
    """The button that asks nothing touches nothing, and that has to be seen before it is pressed."""
    if serving.state == ServingState.IDLE:
        return f"“{_ADOPT_NOTHING}” accepts that nothing serves here."
    first = f"“{back.rstrip('…')}” asks first. " if back else ""
    return f"{first}“Adopt” stops nothing: what serves now is what should, from now on."


def wedged_of(slot: Slot, serving: Serving | None) -> WedgedNotice | None:
    if serving is None or serving.wedged_since is None or serving.state != ServingState.SERVING:
        return None
    running, waiting = (int(serving.metrics.get(name) or 0) for name in ("running", "waiting"))
    known = serving.model_key and ModelDefinition.objects.filter(key=serving.model_key).exists()
    automatic = relaunching.obstacle(slot, serving) or "It is being launched again by itself."
    return WedgedNotice(
        since=serving.wedged_since,
        asked=f"{running} running and {waiting} waiting requests" if waiting else _requests(running),
        automatic=automatic,
        model=serving.model_key if known else "",
    )


def _requests(running: int) -> str:
    return "1 running request" if running == 1 else f"{running} running requests"
