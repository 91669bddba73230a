"""What the page says first about a slot: what serves, what changes, what went wrong, and what one can do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Lower

from cluster.badges import Badge
from cluster.models import Slot, Spark, SshState
from cluster.templatetags import show
from swaps import badges, hero_truth, replacing
from swaps.memory_told import told_of
from swaps.models import ModelDefinition, Operation, Serving, ServingState, Swap, SwapMessage
from swaps.states import Status
from swaps.story import Story, tell

FAILURE_SHOWN_FOR = timedelta(hours=24)
LOG_TAIL = 200  # in a slot's hero
PAGE_LINES = 1000  # on the page of a swap


@dataclass(frozen=True, slots=True)
class Metric:
    label: str
    value: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """Memory left on one node of a swap."""

    name: str
    available_bytes: int | None


@dataclass(frozen=True, slots=True)
class Running:
    """A swap as it is watched: its story, the log so far, and the last sequence number that log contains."""

    swap: Swap
    story: Story
    title: str
    lines: list[SwapMessage]
    after: int
    can_cancel: bool
    phase_began_at: datetime | None
    memory: list[NodeMemory]  # left on the nodes of a load that runs
    aside: str  # what stays stopped for it, of what others started, and how to start that again


@dataclass(frozen=True, slots=True)
class Hero:
    """`kind` is serving, swapping, failed, idle, starting or unknown and names the partial that shows it."""

    slot: Slot
    kind: str
    badge: Badge
    serving: Serving | None
    running: Running | None
    failure: Swap | None
    metrics: list[Metric]
    nodes: list[NodeMemory]
    outside: bool  # what serves is in no catalog
    drift: hero_truth.DriftNotice | None
    wedged: hero_truth.WedgedNotice | None
    warm: Swap | None  # the newest warm-up of what serves

    @property
    def template(self) -> str:
        return f"swaps/_hero_{self.kind}.html"

    @property
    def serving_nodes(self) -> list[NodeMemory]:
        """The nodes the model that serves is spread over; of one that others started only its head is known."""
        used = self.serving.definition.get("nodes") if self.serving else None
        return self.nodes[: 1 if self.outside else used]

    @property
    def served_as(self) -> str:
        """Blank when the title says it already."""
        ids = ", ".join(self.serving.served_ids) if self.serving else ""
        return "" if self.serving and ids == self.serving.model_label else ids

    @property
    def can_stop(self) -> bool:
        return self.kind in ("serving", "starting")

    @property
    def can_warm(self) -> bool:
        return self.kind == "serving"

    @property
    def can_swap(self) -> bool:
        return self.kind != "swapping"


def of_slot(slot: Slot, now: datetime) -> Hero:
    active = Swap.objects.active().filter(slot=slot).for_pages().first()
    serving = Serving.objects.filter(slot=slot).first()
    drift = None if active else hero_truth.drift_of(slot, serving)
    wedged = None if active else hero_truth.wedged_of(slot, serving)
    failure = None if active or drift else _recent_failure(slot, now)
    kind = _kind(serving, active, failure)
    return Hero(
        slot=slot,
        kind=kind,
        badge=_true_badge(kind, drift, wedged) or _badge(kind, serving, active),
        serving=serving,
        running=watch(active, now) if active else None,
        failure=failure,
        metrics=_metrics(serving) if serving and kind == "serving" else [],
        nodes=[NodeMemory(s.name, _memory_of(s)) for s in slot.sparks()],
        warm=_last_warm(slot, serving, now) if kind == "serving" else None,
        outside=bool(serving and not serving.model_key and serving.state == ServingState.SERVING),
        drift=drift,
        wedged=wedged,
    )


def watch(swap: Swap, now: datetime, *, lines: int = LOG_TAIL) -> Running:
    """The end of the log, and everything a page needs to follow the rest."""
    newest = swap.messages.filter(kind=SwapMessage.Kind.LOG).order_by("-seq")[:lines]
    tail = list(reversed(newest))
    story = tell(swap, now)
    current = next((phase for phase in story.phases if phase.state == "current"), None)
    return Running(
        swap=swap,
        story=story,
        title=title_of(swap),
        lines=tail,
        after=tail[-1].seq if tail else 0,
        can_cancel=swap.is_active and swap.cancel_requested_at is None,
        phase_began_at=current.started_at if current and swap.is_active else None,
        memory=[NodeMemory(*told) for told in told_of(swap).items()] if swap.is_active else [],
        aside=_aside(swap),
    )


def _aside(swap: Swap) -> str:
    """Of a failure its remedy says it already."""
    return (
        replacing.left_aside(swap) if swap.state in (Status.READY, Status.CANCELLED) and not swap.rolled_back_to else ""
    )


def title_of(swap: Swap) -> str:
    if swap.operation == Operation.STOP:
        return f"Stop {swap.from_model or swap.slot.name}"
    if swap.operation == Operation.WARM:
        return f"Warm {swap.model_label}"
    return swap.model_label or swap.model_key


def belief(slot: Slot) -> str:
    """A word for what a page believed about a slot, so that an action from a stale page can be noticed."""
    model = Serving.objects.filter(slot=slot).values_list("model_key", flat=True).first() or ""
    last = Swap.objects.filter(slot=slot).values_list("pk", flat=True).first() or 0
    return f"{last}:{model}"


def cost_of_stopping(slot: Slot, serving: Serving | None) -> list[str]:
    """What a person gives up, in sentences; empty when nothing serves."""
    used = serving.definition.get("nodes") if serving else None
    where = show.names(slot.sparks()[:used])
    if serving is None or serving.state == ServingState.UNKNOWN:
        return [f"What serves on {where} is not known at the moment. Whatever runs in this slot is stopped."]
    if serving.state == ServingState.IDLE:
        return []
    running = int(serving.metrics.get("running") or 0)
    cut = f" {running} running request{'s are' if running > 1 else ' is'} cut off." if running else ""
    if serving.state == ServingState.SERVING and not serving.model_key:
        return [f"Stops {serving.model_label}, which answers on {slot.head.name}.{cut}"]
    return [f"Stops {serving.model_label or 'the model that is starting'} on {where}.{cut}"]


def _last_warm(slot: Slot, serving: Serving | None, now: datetime) -> Swap | None:
    """Its result counts for the model that was loaded when it ended, and for a day."""
    since = max(filter(None, [serving.since if serving else None, now - FAILURE_SHOWN_FOR]))
    ended = Swap.objects.filter(slot=slot, operation=Operation.WARM, ended_at__gte=since)
    return ended.exclude(status=Status.CANCELLED).first()


def _recent_failure(slot: Slot, now: datetime) -> Swap | None:
    last = Swap.objects.filter(slot=slot).exclude(operation=Operation.WARM).first()
    if last is None or last.state not in (Status.FAILED, Status.ERRORED) or last.ended_at is None:
        return None
    return last if now - last.ended_at < FAILURE_SHOWN_FOR else None


def _kind(serving: Serving | None, active: Swap | None, failure: Swap | None) -> str:
    if active:
        return "swapping"
    if serving is None or serving.state == ServingState.UNKNOWN:
        return "unknown"
    if serving.state == ServingState.IDLE and failure:
        return "failed"
    return serving.state


def _true_badge(
    kind: str, drift: hero_truth.DriftNotice | None, wedged: hero_truth.WedgedNotice | None
) -> Badge | None:
    if wedged:
        return hero_truth.WEDGED
    return drift.badge if drift and kind in ("serving", "idle") else None


def _memory_of(spark: Spark) -> int | None:
    return spark.reading.get("mem_available_bytes") if spark.ssh_state == SshState.UP else None


def _badge(kind: str, serving: Serving | None, active: Swap | None) -> Badge:
    if active:
        return badges.of_swap(active)
    return Badge("cross", "Last swap failed", "bad") if kind == "failed" else badges.of_serving(serving)


def _metrics(serving: Serving) -> list[Metric]:
    found: dict[str, Any] = serving.metrics
    return [
        Metric("Speed", _number(found.get("tokens_per_second"), "{:.0f}"), "tokens/s"),
        Metric("Running", _number(found.get("running"), "{:.0f}"), "requests"),
        Metric("Waiting", _number(found.get("waiting"), "{:.0f}"), "requests"),
        Metric("KV cache", _number(found.get("kv_cache_used"), "{:.0%}").rstrip("%"), "% used"),
        Metric("Context", _number(serving.max_model_len, "{:,}"), "tokens"),
    ]


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def catalog_choices(slot: Slot) -> list[ModelDefinition]:
    """What a person may pick for this slot: entries that need no more Sparks than it has."""
    return list(ModelDefinition.objects.filter(nodes__lte=len(slot.sparks())).order_by(Lower("label")))
