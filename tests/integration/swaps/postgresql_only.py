"""Run by test_locks_on_postgresql.py: what happens between two transactions that are both open."""

import threading
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef

from cluster.clock import database_now
from cluster.models import Slot
from cluster.refusals import Conflict
from swaps import actions, lock_rows, locks, machine, reconciler
from swaps.lock_rows import Wish
from swaps.models import Swap, SwapLock, Trigger
from swaps.querysets import SwapLockQuerySet
from swaps.requester import Requester
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SlotFactory
from tests.simulated_sparks import until

pytestmark = pytest.mark.django_db(transaction=True)

ANA = Requester("user:ana", Trigger.API)
BOB = Requester("key:bob", Trigger.API)


@pytest.fixture
def slot(transactional_db: None) -> Slot:
    assert connection.vendor == "postgresql"
    ModelDefinitionFactory(key="qwen")
    slot: Slot = SlotFactory(name="main")
    locks.look(slot)  # makes the row
    return slot


def take(slot: Slot, holder: str, by: Requester, ttl: int = 60) -> locks.Grant:
    return locks.acquire(slot, holder=holder, purpose="", ttl_seconds=ttl, by=by)


class Beside:
    """`call` in another thread with a connection of its own, which has to wait for a row."""

    def __init__(self, call: object) -> None:
        self.result: object = None
        self.error: BaseException | None = None
        self.call = call
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        until(self._waits, 10, "the other transaction to wait for the row")

    def _run(self) -> None:
        try:
            self.result = self.call()  # type: ignore[operator]
        except BaseException as error:  # told by the test's own thread
            self.error = error
        finally:
            connection.close()

    def _waits(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0]) or not self.thread.is_alive()

    def finish(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_who_waited_for_the_row_while_a_swap_was_accepted_is_refused(slot: Slot) -> None:
    with transaction.atomic():
        swap = actions.request_swap(slot, "qwen", ANA)
        waiting = Beside(lambda: take(slot, "bob", BOB))
    waiting.finish()

    assert isinstance(waiting.error, Conflict)
    assert waiting.error.extra["lock"]["pinned_by"] == swap.pk


def test_a_condition_on_another_table_would_have_let_them_in(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the pin is a column of the row: the row is looked at again after the wait, the other table is not."""

    def takeable(slot_id: int, wish: Wish) -> SwapLockQuerySet:
        running = Swap.objects.active().filter(slot=OuterRef("slot"))
        return SwapLock.objects.filter(~Exists(running), slot_id=slot_id, holder="")

    monkeypatch.setattr(lock_rows, "takeable", takeable)
    with transaction.atomic():
        actions.request_swap(slot, "qwen", ANA)
        waiting = Beside(lambda: take(slot, "bob", BOB))
    waiting.finish()

    assert waiting.error is None, waiting.error  # both have the slot now


def test_time_that_passed_while_waiting_for_the_row_counts(slot: Slot) -> None:
    """Django's Now() would be that of the start of the statement, and the hold would seem to have time left."""
    grant = take(slot, "ana", ANA, ttl=1)
    with transaction.atomic():
        SwapLock.objects.filter(slot=slot).update(purpose=F("purpose"))
        waiting = Beside(lambda: locks.renew(slot, grant.token))
        until(lambda: not locks.look(slot).held, 10)
    waiting.finish()

    assert waiting.error is not None and "lock-lost" in getattr(waiting.error, "code", "")
    assert not locks.look(slot).held


def test_the_end_of_a_swap_and_a_force_do_not_lock_each_other_out(slot: Slot) -> None:
    for turn in range(10):
        grant = take(slot, "ana", ANA)
        swap = actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)
        start = threading.Barrier(2)
        errors: list[BaseException] = []

        def run(call: object, start: threading.Barrier = start, errors: list[BaseException] = errors) -> None:
            try:
                start.wait(10)
                call()  # type: ignore[operator]
            except Conflict:
                pass
            except BaseException as error:  # told below
                errors.append(error)
            finally:
                connection.close()

        def end(swap: Swap = swap) -> None:
            machine.advance(swap, Status.FAILED, expect=Status.QUEUED)

        def force(fence: int = grant.lock.fence) -> None:
            locks.force_release(slot, fence=fence, reason="the end of the story", cancel_swap=True, by=ANA)

        threads = [threading.Thread(target=run, args=(call,)) for call in (end, force)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert errors == [], f"turn {turn}: {errors}"
        assert not locks.look(slot).held
        SwapLock.objects.filter(slot=slot).update(delay_until=database_now() - timedelta(seconds=1))


def test_a_row_that_is_held_does_not_keep_the_reconciler_from_the_others(slot: Slot) -> None:
    held, free = (actions.request_swap(place, "qwen", ANA) for place in (slot, SlotFactory(name="second")))
    Swap.objects.update(enqueued_at=None)
    with psycopg.connect(dsn(), autocommit=False) as somebody:
        somebody.execute("SELECT 1 FROM swaps_swap WHERE id = %s FOR UPDATE", [held.pk])
        reconciler.tick()
        somebody.rollback()

    held.refresh_from_db()
    free.refresh_from_db()
    assert held.enqueued_at is None
    assert free.enqueued_at is not None


def dsn() -> str:
    known = connection.settings_dict
    return f"postgresql://postgres@/{known['NAME']}?host={known['HOST']}"
