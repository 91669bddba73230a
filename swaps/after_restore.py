"""What a restored database believes of the past, put right before anything acts on it."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from cluster import events
from cluster.models import Event, Slot, Spark, SshState
from swaps import lock_rows, machine
from swaps.models import ClosedSlot, HoldEnd, LockHold, Serving, ServingState, Swap, SwapLock
from swaps.reopening import LEAP
from swaps.states import Status

CODE = "restored"


def settle(made_at: datetime, now: datetime) -> None:
    """Close every slot, end what ran when the backup was made, and believe nothing of the Sparks. One transaction."""
    with transaction.atomic():
        _close_slots(now)
        _end_holds(now)
        for swap in Swap.objects.active().select_related("slot"):
            _end(swap, made_at)
        _know_nothing()
        sentence = f"The database was restored from a backup of {made_at:%Y-%m-%d %H:%M} UTC."
        events.record("database.restored", sentence, data={"made_at": made_at.isoformat(), "leap": LEAP})
        # What the backup knew was told in its time, and how its swaps really ended is not known here.
        Event.objects.not_fanned_out().exclude(kind="database.restored").update(fanned_out_at=now)


def _close_slots(now: datetime) -> None:
    for slot in Slot.objects.all():
        ClosedSlot.objects.update_or_create(slot=slot, defaults={"since": now, "problem": "", "next_try_at": None})
        SwapLock.objects.get_or_create(slot=slot)
    SwapLock.objects.update(fence=F("fence") + LEAP)


def _end_holds(now: datetime) -> None:
    """Whoever held a lock then has lost it: what they did since is not known here."""
    SwapLock.objects.exclude(holder="").update(**lock_rows.FREE, expires_at=now)
    LockHold.objects.filter(ended_at=None).update(ended_at=now, end=HoldEnd.EXPIRED)


def _end(swap: Swap, made_at: datetime) -> None:
    machine.advance(
        swap,
        Status.FAILED,
        expect=swap.state,
        diagnosis_code=CODE,
        diagnosis=f"The database was restored from a backup of {made_at:%Y-%m-%d %H:%M} UTC, when this swap ran.",
        remedy="See on the overview what the slot serves now, and ask again if it is not what you want.",
    )


def _know_nothing() -> None:
    """Nor what should serve: a swap that is not known any more may have changed it."""
    Spark.objects.exclude(ssh_state=SshState.QUARANTINED).update(ssh_state=SshState.NEW, next_probe_at=None)
    Serving.objects.update(
        state=ServingState.UNKNOWN,
        next_probe_at=None,
        metrics={},
        believed={},
        drift={},
        watched={},
        wedged_since=None,
    )
