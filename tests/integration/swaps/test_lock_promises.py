"""The checks of the lock pass on the lock, and fail on a lock that is spoiled in one verb."""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from cluster.clock import database_now
from cluster.models import Slot
from swaps import lock_rows, locks
from swaps.lock_rows import FREE, Wish
from swaps.lock_view import LockView
from swaps.models import LockHold, SwapLock
from tests.factories import SlotFactory
from tests.integration.swaps.lock_checks import CHECKS, Check

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def slot(transactional_db: None) -> Slot:
    return SlotFactory(name="main")


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
def test_the_lock_keeps_its_promises(slot: Slot, check: Check) -> None:
    check(slot)


# What a careful person might have written instead


def reads_then_writes(slot: Slot, wish: Wish) -> LockView:
    """The row is looked at, found free, and, a busy machine's moment later, saved."""
    SwapLock.objects.get_or_create(slot=slot)
    locks.expire_lapsed(slot)
    row = SwapLock.objects.with_server_time().get(slot=slot)
    if row.holder:
        raise locks.Held("lock-held", "It is held.", locks.look(slot))
    time.sleep(random.uniform(0, 0.01))
    now = row.server_now
    row.fence, row.grant_fence = row.fence + 1, row.fence + 1
    row.holder, row.token_hash, row.taken_by = wish.holder, wish.token_hash, wish.actor
    row.acquired_at, row.renewed_at, row.ttl, row.expires_at = now, now, wish.ttl, now + wish.ttl
    with transaction.atomic():
        row.save()
        if not LockHold.objects.filter(lock=row, fence=row.grant_fence).exists():
            locks._begin_hold(slot, row)
    return locks.look(slot)


def revives(slot_id: int, token_hash: str, ttl: timedelta | None) -> bool:
    """Forgets to ask whether the time is over."""
    mine = SwapLock.objects.filter(slot_id=slot_id, token_hash=token_hash)
    return mine.update(expires_at=database_now() + F("ttl")) == 1


def releases_without_token(slot_id: int, token_hash: str) -> bool:
    return SwapLock.objects.held().filter(slot_id=slot_id).update(**FREE) == 1


def resets_the_fence(slot_id: int, token_hash: str) -> bool:
    """Tidies up more than it should: what deleting the row would do."""
    mine = SwapLock.objects.held_with(token_hash).filter(slot_id=slot_id)
    return mine.update(**FREE, fence=0) == 1


SPOILED: list[tuple[Any, str, Callable[..., Any], set[str]]] = [
    (locks, "_acquire", reads_then_writes, {"one_holder_at_a_time"}),
    (lock_rows, "prolong", revives, {"nobody_revives_an_expired_hold"}),
    (lock_rows, "give_back", releases_without_token, {"only_the_token_releases", "a_stale_token_releases_nobody_else"}),
    (lock_rows, "give_back", resets_the_fence, {"the_fence_only_grows", "one_holder_at_a_time"}),
]


@pytest.mark.parametrize(("room", "verb", "spoiled", "noticed"), SPOILED, ids=[case[2].__name__ for case in SPOILED])
def test_the_checks_notice_a_spoiled_verb(
    slot: Slot, monkeypatch: pytest.MonkeyPatch, room: Any, verb: str, spoiled: Callable[..., Any], noticed: set[str]
) -> None:
    """Those that should, and the others go on as if nothing had happened."""
    monkeypatch.setattr(room, verb, spoiled)

    assert failing(slot) == noticed


def failing(slot: Slot) -> set[str]:
    """Names of the checks that fail, each on a slot of its own."""
    found = set()
    for name, check in CHECKS.items():
        own = SlotFactory(name=name.replace("_", "-"), is_default=False, head=slot.head)
        try:
            check(own)
        except Exception:
            found.add(name)
    return found
