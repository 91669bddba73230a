"""The only writer of Swap.status, and of the story a viewer hears. Everything here is fenced compare-and-set."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from cluster import events, nudge, people
from swaps import locks
from swaps.models import Operation, Swap, SwapMessage, Transition
from swaps.states import TERMINAL, Status, may_move, phase_label

Entry = tuple[str, dict[str, Any]]  # (SwapMessage kind, data)

NAMES = {Operation.SWAP: "Swap", Operation.STOP: "Stop", Operation.WARM: "Warm-up"}
ENDS = {
    (Operation.SWAP, Status.READY): "Swap ready",
    (Operation.STOP, Status.READY): "Stopped",
    (Operation.WARM, Status.READY): "Warm-up done",
}


class LostRace(Exception):
    """Another process owns this swap now, or moved it first. The only right answer is to stop quietly."""


def accept(swap: Swap) -> None:
    """Write the first page of a new swap's story. Call it in the transaction that inserts the swap."""
    Transition.objects.create(swap=swap, to_status=Status.QUEUED, at=timezone.now())
    tell(swap, [_phase(Status.QUEUED, "")])
    _record(
        swap, "accepted", f"{people.named(swap.actor)} asked for {_aim(swap)} on {swap.slot.name}.", actor=swap.actor
    )


def advance(swap: Swap, to: Status, *, expect: Status, detail: str = "", **fields: Any) -> None:
    """Move the swap from `expect` to `to`, journalled, in one transaction. Raises LostRace."""
    if not may_move(expect, to):
        raise ValueError(f"a swap cannot move from {expect} to {to}")
    with transaction.atomic():
        if to in TERMINAL:
            fields |= {"ended_at": timezone.now(), "lease_until": None, "owner": ""}
        moved = Swap.objects.filter(pk=swap.pk, status=expect, fence=swap.fence).update(status=to, **fields)
        if moved != 1:
            raise LostRace  # a newer driver took over, or somebody else already made this move
        Transition.objects.create(swap=swap, from_status=expect, to_status=to, at=timezone.now(), detail=detail)
        swap.refresh_from_db()
        tell(swap, [_end(swap) if to in TERMINAL else _phase(to, detail)])
        _announce(swap, detail)


def hold(swap: Swap) -> None:
    """Nobody takes the swap over until the transaction at hand ends. Raises LostRace when somebody has."""
    if not Swap.objects.active().select_for_update().filter(pk=swap.pk, fence=swap.fence).exists():
        raise LostRace


def tell(swap: Swap, entries: Sequence[Entry], **fields: Any) -> None:
    """Append messages to the swap's story, with `fields` of the swap in the same transaction. Raises LostRace."""
    with transaction.atomic():
        told = Swap.objects.filter(pk=swap.pk, fence=swap.fence).update(last_seq=F("last_seq") + len(entries), **fields)
        if told != 1:
            raise LostRace  # our fence is old: what we have to say is no longer this swap's story
        swap.refresh_from_db(fields=["last_seq", *fields])
        first = swap.last_seq - len(entries) + 1
        now = timezone.now()
        SwapMessage.objects.bulk_create(
            SwapMessage(swap=swap, seq=first + i, kind=kind, at=now, data=data)
            for i, (kind, data) in enumerate(entries)
        )
        topic = f"swap:{swap.pk}"
        transaction.on_commit(lambda: nudge.send(topic))


def _announce(swap: Swap, detail: str) -> None:
    status = swap.state
    if status not in TERMINAL:
        sentence = f"{_begun(_aim(swap))} on {swap.slot.name}: {phase_label(status).lower()}."
        _record(swap, "phase", sentence)
        return
    locks.unpin(swap)
    _record(swap, "ended", _ending(swap, detail), actor=swap.actor)


def _ending(swap: Swap, detail: str) -> str:
    words = {
        Status.READY: "is done.",
        Status.CANCELLED: f"was cancelled by {_canceller(swap)}.",
        Status.FAILED: f"failed. {swap.diagnosis}",
        Status.ERRORED: "ended with an error in Spark Control.",
    }[swap.state]
    verb = "runs" if swap.replaced else "serves"  # what others started may be anything
    back = f" {swap.rolled_back_to} {verb} again." if swap.rolled_back_to else ""
    return f"{_begun(_aim(swap))} on {swap.slot.name} {words}{back}{' ' + detail if detail else ''}".strip()


def _canceller(swap: Swap) -> str:
    return people.named(swap.cancelled_by) if swap.cancelled_by else "nobody known"


def _aim(swap: Swap) -> str:
    if swap.operation == Operation.WARM:
        return f"the warm-up of {swap.model_label}"
    return f"the swap to {swap.model_label}" if swap.model_key else "the stop"


def _begun(words: str) -> str:
    """As a sentence begins; names keep their letters."""
    return words[0].upper() + words[1:]


def _record(swap: Swap, what: str, sentence: str, actor: str = "") -> None:
    """Warm-ups are told under a name of their own: who re-points to a new model listens for swaps."""
    kind = f"{'warm' if swap.operation == Operation.WARM else 'swap'}.{what}"
    data = {
        "swap": swap.pk,
        "operation": swap.operation,
        "slot": swap.slot.name,
        "status": swap.status,
        "model": swap.model_key,
        "from_model": swap.from_model,
        "holder": swap.holder,
        "fence": swap.fence,
    }
    events.record(kind, sentence, slot=swap.slot, actor=actor, data=data)


def _phase(status: Status, detail: str) -> Entry:
    data = {"phase": str(status), "label": phase_label(status), "detail": detail}
    return SwapMessage.Kind.PHASE, data


def _end(swap: Swap) -> Entry:
    """`words` for whoever watches: a stop that worked is not "ready"."""
    diagnosis = None
    if swap.diagnosis:
        diagnosis = {"code": swap.diagnosis_code, "sentence": swap.diagnosis, "remedy": swap.remedy}
    words = ENDS.get((Operation(swap.operation), swap.state)) or f"{NAMES[Operation(swap.operation)]} {swap.status}"
    return SwapMessage.Kind.END, {"status": swap.status, "words": words, "diagnosis": diagnosis}
