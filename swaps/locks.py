"""The verbs of the swap lock: who may change what a slot serves, for how long, and what for.

Every door calls these and nothing else writes the lock. Each verb is decided by one conditional UPDATE (lock_rows.py)
and told as an Event in the same transaction. Anything that changes what a GPU runs goes through `pin`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction

from cluster import events, nudge, people
from cluster.clock import as_utc
from cluster.models import Slot
from cluster.refusals import Conflict, Invalid, Locked, Lost, Missing, Refusal
from swaps import lock_rows, lock_rules, lock_waiting
from swaps.lock_rows import Wish
from swaps.lock_view import LockView, clock, view_of
from swaps.models import HoldEnd, LockHold, Swap, SwapLock
from swaps.requester import Requester

Sentence = Callable[[LockHold], str]

TRIES = 3  # how often the lock may change hands between our UPDATE and our look at why it found nothing


class Held(Conflict):
    """Somebody else has it; `free_in_seconds` unless they renew."""

    def __init__(self, code: str, detail: str, view: LockView) -> None:
        wait = view.retry_after_seconds
        super().__init__(code, detail, retry_after_seconds=wait, extra={"lock": view.as_document()})
        self.free_in_seconds = view.free_in_seconds


@dataclass(frozen=True, slots=True)
class Grant:
    lock: LockView
    token: str = field(repr=False)  # shown to the holder alone, stored nowhere


def acquire(
    slot: Slot,
    *,
    holder: str,
    purpose: str | None,
    ttl_seconds: int,
    token: str | None = None,
    by: Requester,
    wait_seconds: float = 0,
    has_hung_up: Callable[[], bool] = lambda: False,
) -> Grant:
    """Take the lock, or, with the holder and token of the hold, extend it under the same fence.

    `ttl_seconds` is clamped to 1..86400. `token` may be chosen by the caller, so that a lost answer is repaired by
    asking again. Raises Invalid, and Conflict with the lock when somebody else has it after `wait_seconds`. Who has
    hung up while waiting gets nothing.
    """
    _refuse_bad(lock_rules.problems_of(holder, purpose or "", token))
    extends = token is not None
    token = token or lock_rules.new_token()
    wish = Wish(holder, purpose, _ttl(ttl_seconds), lock_rules.hash_of(token), by.actor, extends)
    patience = lock_waiting.Patience(slot, wait_seconds, has_hung_up)
    while True:
        try:
            grant = Grant(_acquire(slot, wish), token)
            if patience.was_in_vain:
                _take_back(slot, grant, wish)
            return grant
        except Held as held:
            if not patience.nap(held.free_in_seconds):
                raise


def renew(slot: Slot, token: str, ttl_seconds: int | None = None) -> LockView:
    """As long again from now. Raises Lost when the hold has ended: an expired lock is never revived."""
    token_hash = lock_rules.hash_of(token)
    if not lock_rows.prolong(slot.pk, token_hash, None if ttl_seconds is None else _ttl(ttl_seconds)):
        raise _lost(slot, token_hash)
    return look(slot)


def release(slot: Slot, token: str) -> None:
    """Give it back; a swap that runs under it goes on. Again is the same as once while the lock stays free.

    Raises Lost when the hold had ended otherwise or somebody else has the lock now, Missing when nobody has it and the
    token was never its.
    """
    token_hash = lock_rules.hash_of(token)
    with transaction.atomic():
        if lock_rows.give_back(slot.pk, token_hash):
            _end_hold(slot, HoldEnd.RELEASED, lambda hold: f"{hold.holder} released the lock of {slot.name}.")
            return
    past = _past_hold(slot, token_hash)
    view = look(slot)
    if view.held or (past and past.end != HoldEnd.RELEASED):
        raise _lost(slot, token_hash)
    if past is None:
        raise Missing("lock-not-held", f"Nobody holds the lock of {slot.name}; there is nothing to release.")


def force_release(slot: Slot, *, fence: int, reason: str, cancel_swap: bool, by: Requester) -> LockView:
    """Take the lock away from its holder. `fence` is of the hold that was looked at; `reason` goes into the journal.

    For 15 s after it only `by` may take the lock, so that the former holder's calls on their way find nobody home.
    Raises Invalid, Lost (that hold is gone) and Conflict (a swap runs and `cancel_swap` is not set).
    """
    _refuse_bad(lock_rules.problems_of_reason(reason))
    for _ in range(TRIES):
        with transaction.atomic():
            cut = Swap.objects.active().filter(slot=slot).first() if cancel_swap else None
            if _force(slot, fence, reason, cut, by):
                return look(slot)
            transaction.set_rollback(True)
        refusal = _not_forced(look(slot), fence, cancel_swap)
        if refusal:
            raise refusal
    raise _changed_hands(slot)


def look(slot: Slot) -> LockView:
    """What is true now. Changes nothing, so a hold whose time ran out reads as free before anybody wrote that down."""
    return view_of(_row(slot), slot.name)


def pin(swap: Swap, *, token: str | None, by: Requester) -> None:
    """Let `swap` change its slot, and keep the lock for it until it ends. Call it in the transaction of its insert.

    Free or expired: anybody may. Held: its token is needed, else Locked. A token of a hold that ended: Lost.
    """
    slot = swap.slot
    token_hash = None if token is None else lock_rules.hash_of(token)
    for _ in range(TRIES):
        if lock_rows.pin(slot.pk, swap.pk, token_hash, by.actor):
            lock = SwapLock.objects.get(slot=slot)
            swap.fence, swap.holder, swap.hold_fence = lock.fence, lock.holder, lock.grant_fence or None
            swap.save(update_fields=["fence", "holder", "hold_fence"])
            return
        refusal = _not_pinned(slot, token, by)
        if refusal:
            raise refusal
    raise _changed_hands(slot)


def unpin(swap: Swap) -> None:
    """Call it in the transaction that ends the swap. A hold it ran under lasts at least 60 s more."""
    lock_rows.unpin(swap.pk)
    transaction.on_commit(lambda: lock_waiting.ring(swap.slot_id))


def refusal_of(slot: Slot, token: str | None, by: Requester) -> Refusal | None:
    """Why `pin` would say no now, or None. For words and dry runs: it is `pin` that decides."""
    try:
        refuse_stale(slot, token)
    except Lost as lost:
        return lost
    view = look(slot)
    if token is None and view.held:
        return _locked(view)
    if not view.held and not view.active_swap and view.delays(by.actor):
        return _locked(view, "lock-delay")
    return None


def refuse_stale(slot: Slot, token: str | None) -> None:
    """Raises Lost when `token` is of a hold that ended; says nothing about a missing one."""
    token_hash = lock_rules.hash_of(token or "")
    if token is not None and not SwapLock.objects.held_with(token_hash).filter(slot=slot).exists():
        raise _lost(slot, token_hash)


def expire_lapsed(slot: Slot | None = None) -> None:
    """End every hold whose time ran out. Safe in many processes at once: each is ended, and told, by one of them."""
    rows = SwapLock.objects.filter(slot=slot) if slot else SwapLock.objects.all()
    for lock in rows.pinned_by_ended():  # the end of a swap unpins; this is for swaps that were ended by hand
        lock_rows.unpin(lock.active_swap_id)
    for lock in rows.lapsed().select_related("slot"):
        _expire(lock)


def may_not_cancel(swap: Swap, token: str | None, by: Requester) -> Refusal | None:
    """A swap under a lock is stopped by who asked for it, by the lock's token, or with the lock taken by force."""
    lock = SwapLock.objects.filter(active_swap=swap).exclude(holder="").first()
    if lock is None or by.actor == swap.actor:
        return None
    if token is not None and lock_rules.hash_of(token) == lock.token_hash:
        return None
    return _locked(look(swap.slot))


def _ttl(seconds: int) -> timedelta:
    return timedelta(seconds=lock_rules.clamp_ttl(seconds))


def _row(slot: Slot) -> SwapLock:
    """With the database's time and the swap that pins it."""
    rows = SwapLock.objects.with_server_time().select_related("active_swap").filter(slot=slot)
    lock = rows.first()
    if lock is None:
        SwapLock.objects.get_or_create(slot=slot)
        lock = rows.get()
    return lock


def _acquire(slot: Slot, wish: Wish) -> LockView:
    """A refusal may rest on a look, which spares a crowd the wait for the row; a grant never does."""
    for _ in range(TRIES):
        lock = _row(slot)
        view = view_of(lock, slot.name)
        own = view.held and (lock.holder, lock.token_hash) == (wish.holder, wish.token_hash)
        if not own and (view.held or view.active_swap or view.delays(wish.actor)):
            raise _held(view, wish)
        if not view.held and (lock.holder or lock.active_swap_id):
            expire_lapsed(slot)
        with transaction.atomic():
            if lock_rows.take(slot.pk, wish):
                lock = _row(slot)
                if not wish.extends or not lock.holds.filter(fence=lock.grant_fence, ended_at=None).exists():
                    _begin_hold(slot, lock)
                return view_of(lock, slot.name)
    raise _changed_hands(slot)


def _take_back(slot: Slot, grant: Grant, wish: Wish) -> None:
    """They hung up in the moment of the grant. Otherwise it would be held by somebody who never learns of it."""
    granted_at = grant.lock.renewed_at
    with transaction.atomic():
        if granted_at and lock_rows.take_back(slot.pk, wish.token_hash, granted_at):
            _end_hold(slot, HoldEnd.RELEASED, lambda hold: f"{hold.holder} hung up before getting {slot.name}'s lock.")


def _force(slot: Slot, fence: int, reason: str, cut: Swap | None, by: Requester) -> bool:
    """The swap first: the end of a swap locks these rows in this order, too."""
    if cut:
        Swap.objects.ask_to_cancel(cut.pk, by.actor)
        transaction.on_commit(lambda: nudge.send(f"swap:{cut.pk}"))
    if not lock_rows.force(slot.pk, fence, by.actor, cut.pk if cut else None):
        return False

    def sentence(hold: LockHold) -> str:
        return f"{people.named(by.actor)} took the lock of {slot.name} from {hold.holder}: {reason}"

    extra = {"reason": reason, "cancelled_swap": cut.pk if cut else None}
    _end_hold(slot, HoldEnd.FORCED, sentence, actor=by.actor, **extra)
    return True


def _begin_hold(slot: Slot, lock: SwapLock) -> None:
    """The first page of a hold's history."""
    copied = {name: getattr(lock, name) for name in ("holder", "purpose", "token_hash", "taken_by", "acquired_at")}
    hold = lock.holds.create(fence=lock.grant_fence, **copied)
    what_for = f" for “{hold.purpose}”" if hold.purpose else ""
    sentence = f"{hold.holder} took the lock of {slot.name}{what_for} until {clock(lock.expires_at)}."
    _tell("lock.acquired", sentence, slot, hold, expires_at=as_utc(lock.expires_at))


def _end_hold(slot: Slot, end: HoldEnd, sentence: Sentence, actor: str | None = None, **extra: Any) -> None:
    """The last page. The row of the lock is ours until the commit, so its open hold is the one that just ended."""
    lock = SwapLock.objects.with_server_time().get(slot=slot)
    hold = lock.holds.get(ended_at=None)
    hold.end = end
    hold.ended_at = lock.expires_at if end == HoldEnd.EXPIRED else lock.server_now
    hold.save(update_fields=["end", "ended_at"])
    _tell(f"lock.{end}", sentence(hold), slot, hold, actor=actor, **extra)
    transaction.on_commit(lambda: lock_waiting.ring(slot.pk))


def _tell(kind: str, sentence: str, slot: Slot, hold: LockHold, actor: str | None = None, **extra: Any) -> None:
    data = {
        "slot": slot.name,
        "holder": hold.holder,
        "purpose": hold.purpose,
        "fence": hold.fence,
        "acquired_at": as_utc(hold.acquired_at),
        "ended_at": as_utc(hold.ended_at),
        **extra,
    }
    events.record(kind, sentence, slot=slot, actor=hold.taken_by if actor is None else actor, data=data)


def _expire(lock: SwapLock) -> None:
    slot = lock.slot
    with transaction.atomic():
        if lock_rows.expire(lock.pk):
            _end_hold(slot, HoldEnd.EXPIRED, lambda hold: f"{hold.holder}'s lock of {slot.name} ran out.", actor="")


def _not_pinned(slot: Slot, token: str | None, by: Requester) -> Refusal | None:
    """None when what was in the way is gone now: no row yet, or a hold that had lapsed."""
    SwapLock.objects.get_or_create(slot=slot)
    expire_lapsed(slot)
    return refusal_of(slot, token, by)


def _held(view: LockView, wish: Wish) -> Held:
    code, sentence = "lock-held", view.refusal_sentence()
    if view.held and view.holder == wish.holder:
        code = "lock-held-by-you"
        sentence = f"{sentence} To extend it send the token that came with it; the name alone is not enough."
    elif not view.held and not view.active_swap:
        code = "lock-delay"
    return Held(code, sentence, view)


def _locked(view: LockView, code: str = "lock-held") -> Locked:
    extra = {"lock": view.as_document()}
    return Locked(code, view.refusal_sentence(), retry_after_seconds=view.retry_after_seconds, extra=extra)


def _lost(slot: Slot, token_hash: str) -> Lost:
    """Whoever holds a token of a hold that ended learns how it ended and who has the lock now."""
    expire_lapsed(slot)
    view = look(slot)
    past = _past_hold(slot, token_hash)
    ended = f"Your hold of the lock of {slot.name} has ended"
    if past and past.ended_at:
        ended = f"{ended} ({HoldEnd(past.end).label} at {clock(past.ended_at)})"
    elif past is None:
        ended = f"This token does not open the lock of {slot.name}"
    now = view.refusal_sentence() if view.held else "Nobody holds it now."
    sentence = f"{ended}. {now} Stop what relied on it, and take the lock anew before you go on."
    return Lost("lock-lost", sentence, extra={"lock": view.as_document()})


def _not_forced(view: LockView, fence: int, cancel_swap: bool) -> Refusal | None:
    """None when a swap of the same hold began or ended meanwhile, so that another try is worth it."""
    extra = {"lock": view.as_document()}
    if view.held and view.fence == fence and (cancel_swap or not view.active_swap):
        return None
    if view.held and view.fence == fence:
        sentence = f"{view.refusal_sentence()} To cut its swap off as well, send cancel_swap."
        return Conflict("swap-in-progress", sentence, location=f"/api/swap/{view.pinned_by}", extra=extra)
    now = view.refusal_sentence()
    return Lost("lock-lost", f"The hold with fence {fence} is gone already. {now}", extra=extra)


def _changed_hands(slot: Slot) -> Held:
    return Held("lock-held", f"The lock of {slot.name} changed hands while you asked; ask again.", look(slot))


def _past_hold(slot: Slot, token_hash: str) -> LockHold | None:
    return LockHold.objects.filter(lock__slot=slot, token_hash=token_hash).first()


def _refuse_bad(problems: list[lock_rules.Problem]) -> None:
    if problems:
        errors = [{"field": name, "message": message} for name, message in problems]
        raise Invalid("invalid", " ".join(f"{name}: {message}" for name, message in problems), errors=errors)
