"""GET /metrics: true, quick, the same in every process, and not for everybody."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cluster import events, lookouts
from cluster.models import Slot, Spark, SshState
from services.actions import make_key
from services.metrics import house, machines, phases, slots
from services.metrics.text import render
from services.webhooks import outbox
from swaps import locks
from swaps.models import ClosedSlot, LockHold, Serving, Swap, Transition, Trigger
from swaps.requester import Requester
from swaps.states import IN_ORDER, Status
from tests.factories import SwapFactory
from tests.pages import a_webhook, browser, serve, signed_in, two_sparks
from tests.prometheus_lint import Sample, parse

pytestmark = pytest.mark.django_db

NOW = timezone.now()
SECONDS = {"queued": 0.2, "preflight": 1, "stopping": 4, "launching": 8, "loading": 90, "verifying": 2}


@pytest.fixture
def slot() -> Slot:
    phases._settled = phases.PhaseTimes()
    return two_sparks()


@pytest.fixture
def told() -> Callable[[], list[Sample]]:
    def ask() -> list[Sample]:
        now = timezone.now()
        return parse(render([*slots.families(now), *machines.families(now), *house.families(now)]))

    return ask


def value(samples: list[Sample], name: str, **labels: str) -> float | None:
    found = [s.value for s in samples if s.name == f"sparkcontrol_{name}" and labels.items() <= s.labels.items()]
    assert len(found) <= 1, found
    return found[0] if found else None


def a_told_swap(slot: Slot, began: object = None) -> Swap:
    swap: Swap = SwapFactory(slot=slot, status=Status.READY, ended_at=NOW)
    at = NOW - timedelta(hours=1)
    for status in IN_ORDER:
        Transition.objects.create(swap=swap, to_status=status, at=at)
        at += timedelta(seconds=SECONDS.get(status, 0))
    return swap


def test_swaps_by_result_and_their_phases(slot: Slot, told: Callable[[], list[Sample]]) -> None:
    for _ in range(3):
        a_told_swap(slot)
    SwapFactory(slot=slot, status=Status.FAILED)
    SwapFactory(slot=slot, status=Status.QUEUED)

    samples = told()

    assert value(samples, "swaps_total", slot="main", operation="swap", result="ready") == 3
    assert value(samples, "swaps_total", slot="main", operation="swap", result="failed") == 1
    assert value(samples, "swaps_total", slot="main", operation="stop", result="failed") == 0
    assert value(samples, "swaps_queued", slot="main") == 1
    loading = {"slot": "main", "phase": "loading"}
    assert value(samples, "swap_phase_duration_seconds_count", **loading) == 3
    assert value(samples, "swap_phase_duration_seconds_sum", **loading) == 270
    assert value(samples, "swap_phase_duration_seconds_bucket", le="60", **loading) == 0
    assert value(samples, "swap_phase_duration_seconds_bucket", le="120", **loading) == 3
    assert value(samples, "swap_phase_duration_seconds_count", slot="main", phase="ready") is None


def test_phases_are_added_up_once_and_new_ones_are_never_missed(slot: Slot) -> None:
    a_told_swap(slot)
    first = phases.measured(NOW).by_phase["main", "loading"].total
    swap: Swap = SwapFactory(slot=slot, status=Status.LOADING)
    for second, status in ((60, "queued"), (59, "loading")):
        Transition.objects.create(swap=swap, to_status=status, at=NOW - timedelta(seconds=second))
    young = phases.measured(NOW).by_phase["main", "queued"]
    again = phases.measured(NOW).by_phase["main", "queued"]
    Transition.objects.create(swap=swap, to_status="failed", at=NOW - timedelta(seconds=9))

    later = phases.measured(NOW + timedelta(hours=1)).by_phase["main", "loading"].total

    assert (first, later) == (90, 140)
    assert sum(young.counts) == sum(again.counts) == 2


def test_another_database_is_counted_from_its_beginning(slot: Slot) -> None:
    a_told_swap(slot)
    phases.measured(NOW)
    Transition.objects.all().delete()
    assert phases.measured(NOW).by_phase == {}


def test_what_serves(slot: Slot, told: Callable[[], list[Sample]]) -> None:
    serve(slot)
    Serving.objects.filter(slot=slot).update(
        metrics={"running": 3, "waiting": 1, "kv_cache_used": 0.5, "generation_tokens_total": 1234},
        wedged_since=NOW,
        drift={"model": "other"},
    )
    ClosedSlot.objects.create(slot=slot, since=NOW)

    samples = told()

    assert value(samples, "slot_state", slot="main", state="serving") == 1
    assert value(samples, "slot_state", slot="main", state="idle") == 0
    assert value(samples, "vllm_requests_running", slot="main") == 3
    assert value(samples, "vllm_generation_tokens_total", slot="main") == 1234
    assert value(samples, "slot_wedged", slot="main") == value(samples, "slot_drifted", slot="main") == 1
    assert value(samples, "slot_closed", slot="main") == 1


def test_a_lock_and_who_held_it(slot: Slot, told: Callable[[], list[Sample]]) -> None:
    by = Requester("key:n8n", Trigger.API)
    grant = locks.acquire(slot, holder="n8n", purpose="", ttl_seconds=60, by=by)
    held = told()
    locks.release(slot, grant.token)
    LockHold.objects.update(acquired_at=timezone.now() - timedelta(seconds=30), ended_at=timezone.now())

    free = told()

    assert (value(held, "lock_held", slot="main"), value(free, "lock_held", slot="main")) == (1, 0)
    assert value(free, "lock_holds_day", slot="main", end="released") == 1
    assert value(free, "lock_held_day_seconds", slot="main", end="released") == pytest.approx(30, abs=1)


def test_sparks_and_only_what_is_known_of_them(slot: Slot, told: Callable[[], list[Sample]]) -> None:
    spark = slot.head
    reading = {"mem_available_bytes": 1000, "gpu_busy_percent": 50.0, "reachable_ms": 12.5, "gpu_temperature_c": 61.0}
    Spark.objects.filter(pk=spark.pk).update(ssh_state=SshState.UP, probed_at=timezone.now(), reading=reading)
    Spark.objects.exclude(pk=spark.pk).update(ssh_state=SshState.DOWN, reading=reading)

    samples = told()

    assert value(samples, "spark_gpu_busy_ratio", spark=spark.name) == 0.5
    assert value(samples, "spark_probe_first_byte_seconds", spark=spark.name) == 0.0125
    assert value(samples, "spark_gpu_power_watts", spark=spark.name) is None
    other = Spark.objects.exclude(pk=spark.pk)[0].name
    assert value(samples, "spark_up", spark=other) == 0
    assert value(samples, "spark_ssh_state", spark=other, state="down") == 1
    assert value(samples, "spark_memory_available_bytes", spark=other) is None, "an old figure looks like a new one"


def test_the_outbox_webhooks_and_workers(slot: Slot, told: Callable[[], list[Sample]]) -> None:
    a_webhook()
    lookouts.looked(["swaps"])
    events.record("swap.ended", "It ended.", slot=slot, data={"swap": a_told_swap(slot).pk, "status": "ready"})
    before = told()
    outbox.fan_out(timezone.now())

    after = told()

    assert (value(before, "outbox_events") or 0) >= 1 and value(after, "outbox_events") == 0
    assert value(after, "outbox_lag_seconds") == 0
    assert (value(after, "webhook_deliveries_waiting", webhook="openclaw") or 0) >= 1
    assert value(after, "workers") == 1
    assert (value(after, "last_look_age_seconds") or 0) < 10
    assert [s.labels["version"] for s in after if s.name == "sparkcontrol_build_info"] == ["0.1.0"]


def test_it_takes_few_queries_and_little_time_with_many_swaps(slot: Slot, told: Callable[[], list[Sample]]) -> None:
    made = Swap.objects.bulk_create(SwapFactory.build(slot=slot, status=Status.READY) for _ in range(2000))
    at = NOW - timedelta(days=1)
    Transition.objects.bulk_create(Transition(swap=s, to_status=p, at=at) for s in made for p in IN_ORDER)
    told()

    began = time.monotonic()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        told()

    assert len(queries) <= 20
    assert time.monotonic() - began < 2


def test_it_needs_the_scope_read_unless_it_is_open(slot: Slot, settings: object) -> None:
    _, text = make_key("prometheus", ["read"], by="test")
    _, other = make_key("gateway", ["gateway"], by="test")
    assert browser().get("/metrics").status_code == 401
    assert browser().get("/metrics", headers={"Authorization": f"Bearer {other}"}).status_code == 403
    assert signed_in().get("/metrics").status_code == 200
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    answer = browser().get("/metrics", headers={"Authorization": f"Bearer {text}", "Accept": accept})
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    parse(answer.content.decode())

    settings.METRICS_OPEN = True  # type: ignore[attr-defined]

    assert browser().get("/metrics").status_code == 200
