"""The catalog as a list: what each entry needs, how long it usually loads, how its last swap ended."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from statistics import median

from django.db.models import Max, Q
from django.db.models.functions import Lower

from cluster.badges import Badge
from cluster.templatetags import show
from swaps import badges
from swaps.models import ModelDefinition, Operation, Serving, ServingState, Swap
from swaps.states import Status
from swaps.story import PAST_LOADS

_LOADS_READ = 1000  # newest ready swaps of all models together


@dataclass(frozen=True, slots=True)
class ModelRow:
    model: ModelDefinition
    serving_on: list[str]
    usual_seconds: float | None
    loads: int
    last: Swap | None
    last_badge: Badge | None

    @property
    def source(self) -> str:
        return self.model.repo or self.model.local_path

    @property
    def usual_words(self) -> str:
        if self.usual_seconds is None:
            return "How long it takes is not known yet."
        basis = f"from {self.loads} load{'s' if self.loads > 1 else ''}" if self.loads else "by the catalog"
        return f"Usually ready after {show.seconds(self.usual_seconds)}, {basis}."


def rows(query: str = "") -> list[ModelRow]:
    """Catalog entries whose label, key or source contains `query`; four queries whatever the size."""
    found = ModelDefinition.objects.order_by(Lower("label"))
    if query:
        wanted = [Q(**{f"{field}__icontains": query}) for field in ("label", "key", "repo", "local_path")]
        found = found.filter(reduce(or_, wanted))
    return for_models(list(found))


def for_models(models: Sequence[ModelDefinition]) -> list[ModelRow]:
    loads = usual_loads()
    last = _last_swaps()
    serving = _serving()
    return [_row(model, loads.get((model.key, model.nodes), []), last.get(model.key), serving) for model in models]


def _row(model: ModelDefinition, loads: list[float], last: Swap | None, serving: dict[str, list[str]]) -> ModelRow:
    usual = median(loads) if loads else model.expected_load_seconds
    badge = badges.of_swap(last) if last else None
    return ModelRow(model, serving.get(model.key, []), usual, len(loads), last, badge)


def usual_loads() -> dict[tuple[str, int], list[float]]:
    """Seconds of the newest loads that reached ready, per model key and number of Sparks."""
    ready = Swap.objects.filter(status=Status.READY, operation=Operation.SWAP)
    times = ready.exclude(started_at=None).exclude(ended_at=None).order_by("-id")
    loads: dict[tuple[str, int], list[float]] = {}
    for key, nodes, started, ended in times.values_list("model_key", "nodes", "started_at", "ended_at")[:_LOADS_READ]:
        known = loads.setdefault((key, nodes), [])
        if started and ended and len(known) < PAST_LOADS:
            known.append((ended - started).total_seconds())
    return loads


def _last_swaps() -> dict[str, Swap]:
    newest = Swap.objects.filter(operation=Operation.SWAP).order_by().values("model_key").annotate(newest=Max("pk"))
    return {swap.model_key: swap for swap in Swap.objects.filter(pk__in=newest.values("newest"))}


def _serving() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    serving = Serving.objects.filter(state=ServingState.SERVING).exclude(model_key="")
    for key, slot in serving.values_list("model_key", "slot__name"):
        found.setdefault(key, []).append(slot)
    return found


def argument_lines(words: Iterable[str]) -> list[str]:
    """One line per option with its values, quoted as a shell would need them."""
    lines: list[list[str]] = []
    for word in words:
        if word.startswith("-") or not lines:
            lines.append([word])
        else:
            lines[-1].append(word)
    return [shlex.join(line) for line in lines]
