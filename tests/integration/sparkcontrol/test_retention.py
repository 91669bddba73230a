"""Old rows go, in small pieces; what somebody still needs stays."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from cluster import chores, events
from cluster.chores import Chore
from cluster.models import Event, Reading, Slot
from services.models import Attempt, Delivery, OutgoingMessage
from services.webhooks import outbox
from sparkcontrol import retention
from swaps import locks
from swaps.models import LockHold, Swap, SwapMessage, Trigger
from swaps.requester import Requester
from swaps.states import Status
from tests.factories import SlotFactory, SparkFactory, SwapFactory
from tests.pages import a_webhook

pytestmark = pytest.mark.django_db(transaction=True)

NOW = timezone.now()


@pytest.fixture
def slot() -> Slot:
    return SlotFactory(name="main")


def tidy_up(now: Any = NOW, turns: int = 100) -> None:
    for _ in range(turns):
        Chore.objects.update(due_at=now)
        retention.tick(now)
        if Chore.objects.get(name=retention.CHORE).due_at > now:
            return
    raise AssertionError("it does not come to an end")


def a_swap(slot: Slot, ended_days_ago: int, lines: int = 3) -> Swap:
    swap: Swap = SwapFactory(slot=slot, status=Status.READY, ended_at=NOW - timedelta(days=ended_days_ago))
    rows = [SwapMessage(swap=swap, seq=1, kind="phase", at=NOW, data={"phase": "queued"})]
    rows += [SwapMessage(swap=swap, seq=2 + n, kind="log", at=NOW, data={"text": "x"}) for n in range(lines)]
    SwapMessage.objects.bulk_create(rows)
    return swap


def test_log_lines_of_old_swaps_go_but_not_those_of_the_last_twenty(slot: Slot) -> None:
    old = [a_swap(slot, 60) for _ in range(22)]
    only = a_swap(SlotFactory(name="second"), 60)

    tidy_up()

    kinds = [sorted(swap.messages.values_list("kind", flat=True)) for swap in (*old, only)]
    assert kinds[:2] == [["phase"], ["phase"]], "the story stays"
    assert all(len(kept) == 4 for kept in kinds[2:])


def test_log_lines_of_a_swap_that_ended_lately_stay(slot: Slot) -> None:
    swaps = [a_swap(slot, 29) for _ in range(25)]
    tidy_up()
    assert SwapMessage.objects.filter(kind="log").count() == 3 * len(swaps)


def test_events_that_a_webhook_still_needs_stay_and_so_does_the_newest(slot: Slot) -> None:
    a_webhook(url="http://10.0.0.1/hook")
    gone, waits, unseen, newest = (
        events.record("swap.ended", "x", slot=slot, data={"swap": a_swap(slot, 1).pk, "status": "ready"})
        for _ in range(4)
    )
    outbox.fan_out(NOW)
    Event.objects.filter(pk=unseen.pk).update(fanned_out_at=None)
    Delivery.objects.exclude(message__event=waits).update(status="delivered")
    Attempt.objects.create(delivery=Delivery.objects.get(message__event=gone), at=NOW, milliseconds=1)
    Event.objects.update(at=NOW - timedelta(days=91))

    tidy_up()

    assert list(Event.objects.order_by("pk").values_list("pk", flat=True)) == [waits.pk, unseen.pk, newest.pk]
    assert not OutgoingMessage.objects.filter(event_id=gone.pk).exists() and not Attempt.objects.exists()


def test_readings_deliveries_holds_and_sessions(slot: Slot) -> None:
    spark = SparkFactory()
    for hours in (1, 23, 25, 1000):
        Reading.objects.create(spark=spark, at=NOW - timedelta(hours=hours))
    for days in (1, 400):
        grant = locks.acquire(slot, holder="n8n", purpose="", ttl_seconds=60, by=Requester("key:n8n", Trigger.API))
        locks.release(slot, grant.token)
        LockHold.objects.filter(fence=grant.lock.fence).update(ended_at=NOW - timedelta(days=days))
    locks.acquire(slot, holder="n8n", purpose="", ttl_seconds=60, by=Requester("key:n8n", Trigger.API))
    for name, days in (("old", -1), ("live", 1)):
        Session.objects.create(session_key=name, session_data="", expire_date=NOW + timedelta(days=days))

    tidy_up()

    assert Reading.objects.count() == 2
    assert LockHold.objects.count() == 2
    assert [session.session_key for session in Session.objects.all()] == ["live"]


def test_zero_days_keep_it_for_ever(slot: Slot, settings: Any) -> None:
    settings.KEEP_DAYS = {**settings.KEEP_DAYS, "readings": None}
    Reading.objects.create(spark=SparkFactory(), at=NOW - timedelta(days=3650))
    tidy_up()
    assert Reading.objects.exists()


def test_only_one_of_many_processes_does_it() -> None:
    def ask(_: int) -> bool:
        try:
            return chores.claim("retention", NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as crowd:
        assert sum(crowd.map(ask, range(6))) == 1
    assert not chores.claim("retention", NOW + timedelta(seconds=59))
    assert chores.claim("retention", NOW + timedelta(seconds=61)), "whoever had it died"


def test_a_hundred_thousand_old_rows_hold_no_writer_up(slot: Slot) -> None:
    spark = SparkFactory()
    at = NOW - timedelta(days=30)
    Reading.objects.bulk_create((Reading(spark=spark, at=at) for _ in range(100_000)), batch_size=5000)
    waited: list[float] = []
    ended = threading.Event()

    def write() -> None:
        try:
            while not ended.wait(0.02):
                began = time.monotonic()
                Reading.objects.create(spark=spark, at=NOW)
                waited.append(time.monotonic() - began)
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    longest = 0.0
    for _ in range(100):
        Chore.objects.update(due_at=NOW)
        began = time.monotonic()
        retention.tick(NOW)
        longest = max(longest, time.monotonic() - began)
        if Chore.objects.get().due_at > NOW:
            break
    ended.set()
    writer.join()

    assert not Reading.objects.filter(at=at).exists()
    assert longest < 10, "a slice is a second's work; the worker's other looks wait for it"
    assert waited and max(waited) < 5
