"""The statements that decide. Each verb of the lock is one conditional UPDATE of one row; nothing is read before it.

Reading first and writing then lost mutual exclusion in every measured run, on both databases. A condition on another
table would, too: PostgreSQL looks again at the row it waited for, but not at the other table.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Greatest

from cluster.clock import database_now
from swaps.lock_view import GRACE_SECONDS
from swaps.models import SwapLock
from swaps.querysets import SwapLockQuerySet, unlocked_for

DELAY_AFTER_FORCE = timedelta(seconds=15)
INSTANT = timedelta(microseconds=1)
FREE: dict[str, Any] = {
    "holder": "",
    "purpose": "",
    "token_hash": "",
    "taken_by": "",
    "grant_fence": 0,
    "swap_count": 0,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """A checked request for the lock. `purpose` None: blank, or when it extends the hold, as it was.

    `extends`: the caller brought the token, so it may be that of the hold.
    """

    holder: str
    purpose: str | None
    ttl: timedelta
    token_hash: str
    actor: str
    extends: bool


def takeable(slot_id: int, wish: Wish) -> SwapLockQuerySet:
    """The row, when `wish` may have it: free, or held with the same holder and token."""
    rows = SwapLock.objects.filter(slot_id=slot_id)
    if not wish.extends:
        return rows.free_for(wish.actor)
    in_time = Q(expires_at__gt=database_now()) | Q(active_swap__isnull=False)
    return rows.filter((_own(wish) & in_time) | unlocked_for(wish.actor))


def take(slot_id: int, wish: Wish) -> bool:
    """A new hold when the lock is free; more time when holder and token are those of the hold. A new hold has a new
    fence. A hold that lapsed is neither: `expire` ends it first, so that it is told and never revived."""

    def kept(column: str, new: Any) -> Any:
        return Case(When(_own(wish), then=F(column)), default=new) if wish.extends else new

    now = database_now()
    taken = takeable(slot_id, wish).update(
        fence=kept("fence", F("fence") + 1),
        grant_fence=kept("grant_fence", F("fence") + 1),
        holder=wish.holder,
        purpose=kept("purpose", Value("")) if wish.purpose is None else wish.purpose,
        token_hash=wish.token_hash,
        taken_by=kept("taken_by", Value(wish.actor)),
        ttl=wish.ttl,
        acquired_at=kept("acquired_at", now),
        renewed_at=now,
        expires_at=now + wish.ttl,
        swap_count=kept("swap_count", Value(0)),
    )
    return taken == 1


def _own(wish: Wish) -> Q:
    """No clock in it: where it decides between old and new values it must say the same for every column."""
    return Q(holder=wish.holder, token_hash=wish.token_hash)


def prolong(slot_id: int, token_hash: str, ttl: timedelta | None) -> bool:
    """As long again as it was taken for, or `ttl`, from now."""
    mine = SwapLock.objects.held_with(token_hash).filter(slot_id=slot_id)
    time: dict[str, Any] = {"expires_at": database_now() + F("ttl")}
    if ttl is not None:
        time = {"expires_at": database_now() + ttl, "ttl": ttl}
    return mine.update(renewed_at=database_now(), **time) == 1


def give_back(slot_id: int, token_hash: str) -> bool:
    return SwapLock.objects.held_with(token_hash).filter(slot_id=slot_id).update(**FREE) == 1


def take_back(slot_id: int, token_hash: str, granted_at: datetime) -> bool:
    """Only while nobody has extended it since: a token of one's own may have been asked with again meanwhile."""
    untouched = SwapLock.objects.held_with(token_hash).filter(renewed_at__lt=granted_at + INSTANT, active_swap=None)
    return untouched.filter(slot_id=slot_id).update(**FREE) == 1


def expire(lock_id: int) -> bool:
    """`expires_at` stays: it says when the hold ended."""
    return SwapLock.objects.lapsed().filter(pk=lock_id).update(**FREE) == 1


def force(slot_id: int, fence: int, actor: str, cut: int | None) -> bool:
    """Only the hold that was looked at, and only with the swap `cut`, which is being cancelled, or none under it."""
    seen = SwapLock.objects.held().filter(slot_id=slot_id, grant_fence=fence, active_swap=cut)
    delay = {"delay_until": database_now() + DELAY_AFTER_FORCE, "delay_for": actor}
    return seen.update(fence=F("fence") + 1, **delay, **FREE) == 1


def pin(slot_id: int, swap_id: int, token_hash: str | None, actor: str) -> bool:
    """With a token its holder's lock, without one a lock that nobody holds."""
    unpinned = SwapLock.objects.filter(slot_id=slot_id, active_swap=None)
    mine = unpinned.free_for(actor) if token_hash is None else unpinned.held_with(token_hash)
    return mine.update(active_swap=swap_id, swap_count=F("swap_count") + 1) == 1


def unpin(swap_id: int | None) -> bool:
    """The swap has ended. A hold it ran under gets time to go on."""
    grace = Greatest(F("expires_at"), database_now() + timedelta(seconds=GRACE_SECONDS))
    until = Case(When(holder="", then=F("expires_at")), default=grace)
    return SwapLock.objects.filter(active_swap=swap_id).update(active_swap=None, expires_at=until) == 1
