"""Run by test_locks_on_postgresql.py: drivers and a database that is short of connections, or goes away under them."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.test import Client

from cluster.models import Slot
from swaps import claims, runner
from swaps.drive import Drive
from swaps.models import Swap
from swaps.site import site_of
from swaps.states import Status
from tests.factories import SlotFactory, SwapFactory, UserFactory
from tests.simulated_sparks import until

pytestmark = pytest.mark.django_db(transaction=True)

DRIVERS = 8


@pytest.fixture(autouse=True)
def on_postgresql(transactional_db: None) -> None:
    assert connection.vendor == "postgresql"


@pytest.fixture
def journeys() -> list[Swap]:
    return [SwapFactory(slot=SlotFactory()) for _ in range(DRIVERS)]


def test_the_hearts_of_eight_drivers_beat_though_each_driver_holds_a_connection(journeys: list[Swap]) -> None:
    """A pool of 10: with a connection kept for each heart as well, six would never beat."""
    assert settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"] == 10
    ended, all_there = threading.Event(), threading.Barrier(DRIVERS + 1)

    def run(swap_id: int) -> None:
        swap = claims.claim(swap_id, f"driver {swap_id}")
        assert swap is not None
        with Drive(swap, site_of(swap.slot)):
            Swap.objects.get(pk=swap_id)  # from here on this thread holds a connection, as a driver does
            all_there.wait(30)
            ended.wait(60)
        connection.close()

    threads = [threading.Thread(target=run, args=[swap.pk]) for swap in journeys]
    connection.close()
    for thread in threads:
        thread.start()
    all_there.wait(30)
    leases = {swap.pk: swap.lease_until for swap in Swap.objects.all()}
    try:
        for _ in range(3):  # three beats of every heart
            until(partial(_all_later, leases), 10, "every heart beats")
            leases = dict(Swap.objects.values_list("pk", "lease_until"))
    finally:
        ended.set()
        for thread in threads:
            thread.join(20)


def _all_later(leases: Mapping[int, object]) -> bool:
    return not Swap.objects.filter(pk__in=leases, lease_until__in=list(leases.values())).exists()


@pytest.fixture
def slot() -> Slot:
    slot: Slot = SlotFactory()
    return slot


def test_a_driver_whose_connection_is_cut_goes_on_under_a_higher_fence(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    fences: list[int] = []

    def begin(drive: Drive) -> None:
        fences.append(drive.swap.fence)
        if len(fences) == 1:
            _cut()
        drive.advance(Status.CANCELLED)

    monkeypatch.setitem(runner.STEPS, Status.QUEUED, begin)
    swap = SwapFactory(slot=slot)
    runner.drive(swap.pk)
    swap.refresh_from_db()
    assert swap.status == Status.CANCELLED
    assert len(fences) == 2 and fences[0] < fences[1]
    assert swap.attempts == 1


def test_a_driver_whose_swap_was_taken_over_meanwhile_stops_quietly(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def begin(drive: Drive) -> None:
        begun.append(drive.swap.fence)
        Swap.objects.update(lease_until=drive.swap.accepted_at - timedelta(seconds=1))
        assert claims.claim(drive.swap.pk, "another") is not None
        _cut()

    monkeypatch.setitem(runner.STEPS, Status.QUEUED, begin)
    swap = SwapFactory(slot=slot)
    runner.drive(swap.pk)
    swap.refresh_from_db()
    assert (swap.owner, swap.status, len(begun)) == ("another", Status.QUEUED, 1)


def _cut() -> None:
    """The server ends this thread's connection, as it does at a restart."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_page_that_meets_a_held_row_says_so_within_seconds(slot: Slot) -> None:
    settings.STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise looks at it
    person = Client()
    person.force_login(UserFactory(is_superuser=True))
    person.get(f"/slots/{slot.name}/lock")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            connection.cursor().execute("SELECT 1 FROM swaps_swaplock FOR UPDATE")
            held.set()
            done.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    person.raise_request_exception = False
    answer = person.post(
        f"/slots/{slot.name}/lock/take", {"purpose": "a run", "minutes": "5"}, headers={"Accept": "text/html"}
    )
    done.set()
    holder.join(20)
    assert answer.status_code == 503, answer.content
    assert answer["Retry-After"]
    assert b"being restarted" in answer.content


def test_a_statement_has_a_time_limit() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("30s",)
        cursor.execute("SET statement_timeout = '50ms'")
        with pytest.raises(OperationalError):
            cursor.execute("SELECT pg_sleep(5)")
    connection.close()
