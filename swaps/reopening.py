"""After a restore: a slot stays closed until our fence is above that of each of its Sparks. Likewise when a Spark
refuses our fence: then the database is behind for another reason.

The Sparks remember the highest fence they have seen, and refuse what is lower. A database of yesterday knows a lower
one, and may hand out fences a second time. So every Spark is asked before the first swap, and ours goes above.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from cluster import events, log_context
from cluster.encryption import EncryptionError
from cluster.models import Slot
from cluster.refusals import Unavailable
from swaps import launching
from swaps.failures import StepFailed
from swaps.launcher import node_commands
from swaps.models import ClosedSlot, SwapLock
from swaps.site import Site, site_of

TRY_EVERY = timedelta(seconds=10)
CLAIM = timedelta(seconds=60)  # longer than a look at all Sparks of a slot takes
RETRY_AFTER_SECONDS = 10
READ_SECONDS = 15.0
BEHIND = "stale-fence"  # how a swap fails then
# Fences and ids handed out after the backup are not known here; a step this wide passes over them.
LEAP = 1_000_000

log = logging.getLogger(__name__)


class FencesUnknown(Exception):
    """A Spark did not tell its fence. `str()` is a sentence with the remedy."""


def refuse_closed(slot: Slot) -> None:
    """Raises Unavailable while the slot's Sparks have not all told their fences since a restore."""
    closed = ClosedSlot.objects.filter(slot=slot).first()
    if closed is None:
        return
    why = closed.problem or "They are being asked at this moment."
    sentence = (
        f"The Sparks of {slot.name} may know more than this database, which was restored from a backup or is not the "
        f"only one that uses them; it takes no swaps until each of them has told its fence. {why}"
    )
    raise Unavailable("restored-reconciling", sentence, retry_after_seconds=RETRY_AFTER_SECONDS)


def close_when_behind(slot: Slot, code: str) -> None:
    """A Spark refused our fence although nobody else drives: it knows a higher one than this database."""
    if code == BEHIND:
        ClosedSlot.objects.get_or_create(slot=slot, defaults={"since": timezone.now()})


def due() -> list[int]:
    """Closed slots to look at now, each won by one process for a minute."""
    now = timezone.now()
    waiting = ClosedSlot.objects.filter(Q(next_try_at=None) | Q(next_try_at__lte=now))
    ids = list(waiting.values_list("slot_id", flat=True))
    return [slot_id for slot_id in ids if waiting.filter(slot_id=slot_id).update(next_try_at=now + CLAIM)]


def reopen(slot_id: int) -> None:
    """Ask every Spark of the slot for its fence; open the slot, or note why it stays closed."""
    slot = Slot.objects.with_sparks().filter(pk=slot_id, closed__isnull=False).first()
    if slot is None:
        return
    with log_context.about(slot=slot.name):
        _reopen(slot)


def _reopen(slot: Slot) -> None:
    try:
        site = site_of(slot)
        fence = _raise_ours(slot, _highest(site))
        launching.raise_fence(site, fence)
    except (FencesUnknown, EncryptionError) as trouble:
        _stay_closed(slot, str(trouble))
    except StepFailed as trouble:
        _stay_closed(slot, f"{trouble.cause.sentence} {trouble.cause.remedy}")
    else:
        _open(slot, fence)


def _highest(site: Site) -> int:
    """Of the fences the Sparks remember. Raises FencesUnknown."""
    command = node_commands.read_fence(site.slot.name)
    results = site.on_each(site.names, lambda node: site.on(node, command, timeout=READ_SECONDS))
    silent = [node for node, result in results.items() if not (result.ok and result.stdout.strip().isdecimal())]
    if silent:
        first = results[silent[0]]
        raise FencesUnknown(
            f"{' and '.join(silent)} did not answer: {first.reason or first.text.strip() or 'nothing'} It is asked "
            "again every 10 seconds; see that it is up, or take it out of the slot on the settings page."
        )
    return max(int(result.stdout) for result in results.values())


def _raise_ours(slot: Slot, seen: int) -> int:
    SwapLock.objects.get_or_create(slot=slot)
    SwapLock.objects.filter(slot=slot).update(fence=Greatest(F("fence"), seen) + 1)
    return SwapLock.objects.get(slot=slot).fence


def _stay_closed(slot: Slot, sentence: str) -> None:
    log.warning("slot %s stays closed after the restore: %s", slot.name, sentence)
    ClosedSlot.objects.filter(slot=slot).update(problem=sentence, next_try_at=timezone.now() + TRY_EVERY)


def _open(slot: Slot, fence: int) -> None:
    with transaction.atomic():
        deleted, _ = ClosedSlot.objects.filter(slot=slot).delete()
        if deleted:  # else another process has opened and told it
            sentence = f"{slot.name} takes swaps again: its fence, {fence}, is above those of its Sparks."
            events.record("slot.reopened", sentence, slot=slot, data={"slot": slot.name, "fence": fence})
