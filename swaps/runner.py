"""Drives one swap from wherever it stands to its end. Any process may pick it up at any step."""

import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from cluster import log_context
from cluster.encryption import EncryptionError
from cluster.outages import DATABASE_AWAY
from swaps import claims, machine, outlasting, reopening, replacing, serving, steps, warm
from swaps.drive import Drive, drain
from swaps.failures import TOO_MANY_DRIVERS, CancelRequested, Cause, Draining, StepFailed
from swaps.machine import LostRace
from swaps.models import ServingState, Swap
from swaps.site import site_of
from swaps.states import BEFORE_STOP, TERMINAL, Status

__all__ = ["drain", "drive"]

log = logging.getLogger(__name__)
ROLLBACK_LIMIT = timedelta(hours=1)

STEPS: dict[Status, Callable[[Drive], None]] = {
    Status.QUEUED: steps.begin,
    Status.PREFLIGHT: steps.check,
    Status.STOPPING: steps.stop,
    Status.LAUNCHING: steps.launch,
    Status.LOADING: steps.load,
    Status.VERIFYING: steps.load,
    Status.ROLLING_BACK: steps.roll_back,
    Status.WARMING: warm.run,
}


def drive(swap_id: int) -> None:
    """Claim the swap and drive it to its end. Returns quietly when somebody else has it."""
    try:
        swap = claims.claim(swap_id, owner())
    except DATABASE_AWAY as error:
        log.warning("swap %s waits for the database: %s", swap_id, error)
        return
    while swap is not None:
        with log_context.about(swap=swap.pk, slot=swap.slot.name):
            swap = _drive(swap)


def _drive(swap: Swap) -> Swap | None:
    """To its end, or as far as this process may. The swap again when it goes on after the database was away."""
    try:
        # What asked for a rollback, a cancellation perhaps, does not end it: also not when the next driver reads of it.
        with Drive(swap, site_of(swap.slot), heeds_cancel=swap.state is not Status.ROLLING_BACK) as journey:
            _go(journey)
    except LostRace:
        log.info("swap %s is driven by another process now", swap.pk)
    except Draining:
        with suppress(*DATABASE_AWAY):  # else the next driver waits for the lease
            claims.let_go(swap)
    except DATABASE_AWAY as error:
        log.warning("swap %s lost the database: %s", swap.pk, error)
        return outlasting.ours_again(swap)
    except EncryptionError as error:
        _give_up(swap, Status.FAILED, Cause("secret-unreadable", str(error), "Then start the swap again."))
    except Exception:
        log.exception("swap %s cannot even be ended in order", swap.pk)
        _give_up(swap, Status.ERRORED, _our_bug())
    return None


def _give_up(swap: Swap, end: Status, cause: Cause) -> None:
    """End it without a look at the Sparks: else it would be tried for ever, and nobody told."""
    with suppress(LostRace, *DATABASE_AWAY), transaction.atomic():
        swap.refresh_from_db(fields=["status"])  # not the fence: it is ours, or we may not write
        if swap.state not in BEFORE_STOP:
            serving.mark(swap, ServingState.UNKNOWN, problem=cause.sentence)
        machine.advance(swap, end, expect=swap.state, **_told(cause))


def owner() -> str:
    """Who this driver is, for people who look at a stuck swap."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:80]


def _go(journey: Drive) -> None:
    while journey.swap.state not in TERMINAL:
        try:
            journey.pulse()
            _refuse_killer(journey.swap)
            STEPS[journey.swap.state](journey)
        except CancelRequested:
            _end(journey, Status.CANCELLED, None)
        except StepFailed as failure:
            _end(journey, Status.FAILED, failure.cause)
            reopening.close_when_behind(journey.swap.slot, failure.cause.code)
        except (LostRace, Draining, *DATABASE_AWAY):
            raise
        except Exception:
            log.exception("swap %s hit a bug", journey.swap.pk)
            _end(journey, Status.ERRORED, _our_bug())


def _refuse_killer(swap: Swap) -> None:
    """A swap that ends its drivers would otherwise do so until its deadline, and all other swaps with them."""
    if swap.attempts > claims.MAX_DRIVERS:
        raise StepFailed(TOO_MANY_DRIVERS)


def _end(journey: Drive, end: Status, cause: Cause | None) -> None:
    """Leave the Sparks clean, bring the old model back when that was asked for, and end."""
    swap = journey.swap
    journey.heeds_cancel = False  # tidying up is not cancelled
    told = _told(cause)
    if swap.state is Status.ROLLING_BACK:
        _end_rollback(journey, end, cause)
    elif swap.state in BEFORE_STOP:
        journey.advance(end, **told)
    else:
        steps.clean(journey)
        if end is not Status.ERRORED and _comes_back(swap, end):
            until = timezone.now() + ROLLBACK_LIMIT
            journey.advance(Status.ROLLING_BACK, detail=swap.from_model, deadline_at=until, attempts=1, **told)
        else:
            told["remedy"] = f"{told.get('remedy', '')} {replacing.left_aside(swap)}".strip()
            journey.advance(end, **told)


def _comes_back(swap: Swap, end: Status) -> bool:
    """Does what ran before run again after this end?"""
    return replacing.comes_back(swap, end) if swap.replaced else swap.rollback and bool(swap.from_definition)


def _end_rollback(journey: Drive, end: Status, cause: Cause | None) -> None:
    """The old model did not come back either; the first cause stays the swap's diagnosis."""
    swap = journey.swap
    if not swap.replaced:  # what was put back is not ours to clean
        steps.clean(journey)
    why = f"{swap.from_model or 'What ran before'} could not be brought back: {cause.sentence}" if cause else ""
    first_end = Status.CANCELLED if swap.cancel_requested_at and not swap.diagnosis else Status.FAILED
    end = Status.ERRORED if end is Status.ERRORED else first_end
    journey.advance(end, detail=why, remedy=f"{swap.remedy} {why}".strip())


def _told(cause: Cause | None) -> dict[str, str]:
    if cause is None:
        return {}
    return {
        "diagnosis_code": cause.code,
        "diagnosis": cause.sentence,
        "remedy": cause.remedy,
        "evidence": cause.evidence,
    }


def _our_bug() -> Cause:
    text = traceback.format_exc().replace(f"{settings.BASE_DIR}/", "")
    return Cause(
        "spark-control-error",
        "Spark Control itself made an error while it drove this swap.",
        "Look at what serves now, ask again, and report the traceback below.",
        text[-4000:],
    )
