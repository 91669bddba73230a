"""The lock of a slot as pages show it: one pill each on top, and what this person may do about it."""

from dataclasses import dataclass

from django.http import HttpRequest

from cluster.badges import Badge
from cluster.models import Slot
from cluster.pages import actor_of, may
from swaps import held_tokens, locks
from swaps.lock_view import LockView, view_of
from swaps.models import SwapLock


@dataclass(frozen=True, slots=True)
class Pill:
    """`kind` is free, held, pinned or delayed. `blocks`: this person's Swap and Stop would be refused."""

    view: LockView
    title: str  # blank while there is only one slot
    kind: str
    badge: Badge
    is_mine: bool
    is_my_name: bool  # taken by this person, but in another session
    blocks: bool
    can_take: bool
    can_force: bool

    @property
    def template(self) -> str:
        return f"swaps/_pill_{self.kind}.html"

    @property
    def belief(self) -> str:
        """What a page knew about the lock, so that a stale one is noticed."""
        return str(self.view.fence if self.view.held else 0)

    @property
    def refusal(self) -> str:
        return self.view.refusal_sentence()


_BADGES = {
    "free": Badge("unlock", "GPU free", "good"),
    "held": Badge("lock", "Held", "warn"),
    "pinned": Badge("clock", "GPU busy", "info"),
    "delayed": Badge("clock", "GPU kept back", "warn"),
}
_MINE = Badge("lock", "Yours", "info")


def of_all(request: HttpRequest) -> list[Pill]:
    """One per slot, with two queries whatever their number."""
    rows = SwapLock.objects.with_server_time().select_related("active_swap", "slot")
    known = {row.slot_id: view_of(row, row.slot.name) for row in rows}
    slots = list(Slot.objects.order_by("-is_default", "name"))
    several = len(slots) > 1
    return [_pill(request, known.get(slot.pk) or locks.look(slot), slot, named=several) for slot in slots]


def of_slot(request: HttpRequest, slot: Slot) -> Pill:
    return _pill(request, locks.look(slot), slot, named=False)


def token_for(request: HttpRequest, slot: Slot) -> str | None:
    """What this person's request for a change of `slot` is accompanied by."""
    return held_tokens.token_of(request.session, locks.look(slot))


def _pill(request: HttpRequest, view: LockView, slot: Slot, *, named: bool) -> Pill:
    actor = actor_of(request)
    mine = held_tokens.is_mine(request.session, view)
    kind = _kind(view, actor)
    return Pill(
        view=view,
        title=(slot.label or slot.name) if named else "",
        kind=kind,
        badge=_MINE if mine else _BADGES[kind],
        is_mine=mine,
        is_my_name=view.held and not mine and view.taken_by == actor,
        blocks=kind in ("held", "delayed") and not mine,
        can_take=may(request, "lock") and (mine or kind == "free"),
        can_force=may(request, "lock:force") and view.held and not mine,
    )


def _kind(view: LockView, actor: str) -> str:
    if view.held:
        return "held"
    if view.active_swap:
        return "pinned"
    return "delayed" if view.delays(actor) else "free"
