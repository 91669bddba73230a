"""What the lock promises, as checks that can be run against any implementation of its statements.

test_lock_promises.py runs them on ours, and on ours with one statement spoiled: then one of them must fail.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.db import connection

from cluster.models import Slot
from cluster.refusals import Lost, Refusal
from swaps import locks
from swaps.models import LockHold, SwapLock, Trigger
from swaps.requester import Requester
from tests.lock_race.history import Held, violations

ANA = Requester("user:ana", Trigger.API)
THREADS, HOLDS, SECONDS = 8, 40, 20

Check = Callable[[Slot], None]


def take(slot: Slot, holder: str = "ana", ttl: int = 60) -> locks.Grant:
    return locks.acquire(slot, holder=holder, purpose="", ttl_seconds=ttl, by=ANA)


def outlive(slot: Slot) -> None:
    """The time of the hold is over."""
    row = SwapLock.objects.with_server_time().get(slot=slot)
    SwapLock.objects.filter(pk=row.pk).update(expires_at=row.server_now - timedelta(seconds=1))


def one_holder_at_a_time(slot: Slot) -> None:
    """Threads take, keep for a moment and release; every third hold runs out of time instead."""
    seen: list[Held] = []
    broken: list[BaseException] = []
    start = threading.Barrier(THREADS)
    end = time.monotonic() + SECONDS

    def contend(number: int) -> None:
        try:
            start.wait(10)
            while len(seen) < HOLDS and time.monotonic() < end:
                _hold_once(slot, f"thread-{number}", seen)
        except BaseException as error:
            broken.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not broken, broken[0]
    assert len(seen) >= HOLDS
    assert violations(seen) == []


def _hold_once(slot: Slot, holder: str, seen: list[Held]) -> None:
    try:
        grant = take(slot, holder)
    except Refusal:
        time.sleep(0.002)
        return
    since = grant.lock.acquired_at
    assert since is not None
    try:
        seen.append(Held(grant.lock.fence, holder, since, locks.renew(slot, grant.token).server_time))
        if grant.lock.fence % 3 == 0:
            outlive(slot)
        else:
            locks.release(slot, grant.token)
    except Refusal:  # a grant all the same, if only for a moment
        seen.append(Held(grant.lock.fence, holder, since, since))


def nobody_revives_an_expired_hold(slot: Slot) -> None:
    grant = take(slot)
    outlive(slot)
    _must_be_lost(lambda: locks.renew(slot, grant.token))
    assert not locks.look(slot).held


def only_the_token_releases(slot: Slot) -> None:
    grant = take(slot)
    _must_be_lost(lambda: locks.release(slot, "x" * 40))
    assert locks.look(slot).holder == "ana"
    locks.release(slot, grant.token)
    assert not locks.look(slot).held


def a_stale_token_releases_nobody_else(slot: Slot) -> None:
    stale = take(slot)
    outlive(slot)
    take(slot, "bob")
    _must_be_lost(lambda: locks.release(slot, stale.token))
    assert locks.look(slot).holder == "bob"


def the_fence_only_grows(slot: Slot) -> None:
    """Over a release, an expiry and a force."""
    fences = []
    for end in ("release", "expiry", "force", "release"):
        grant = take(slot)
        fences.append(grant.lock.fence)
        if end == "release":
            locks.release(slot, grant.token)
        elif end == "expiry":
            outlive(slot)
        else:
            freed = locks.force_release(
                slot, fence=grant.lock.fence, reason="to see the fence", cancel_swap=False, by=ANA
            )
            fences.append(freed.fence)
    assert fences == sorted(set(fences)), fences
    kept = list(LockHold.objects.filter(lock__slot=slot).order_by("id").values_list("fence", flat=True))
    assert kept == sorted(set(kept)), kept


def _must_be_lost(call: Callable[[], object]) -> None:
    try:
        call()
    except Lost:
        return
    raise AssertionError("a token that is good no more was accepted")


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        one_holder_at_a_time,
        nobody_revives_an_expired_hold,
        only_the_token_releases,
        a_stale_token_releases_nobody_else,
        the_fence_only_grows,
    )
}
