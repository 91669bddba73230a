"""A database that goes away for seconds under a driver: the one place where its return is waited for.

The driver goes on like any driver who takes a swap over: under a higher fence and from the rows, so that whatever was
half done or half written when the database went away is looked at afresh.
"""

import logging
import time

from django.db import connection

from cluster.outages import DATABASE_AWAY
from swaps.claims import outdate
from swaps.drive import drain
from swaps.models import Swap

OUTLAST_SECONDS = 10.0
PAUSE_SECONDS = 0.5

log = logging.getLogger(__name__)


def ours_again(swap: Swap) -> Swap | None:
    """The swap as its row is now, when we may go on driving it.

    None when somebody else drives it, when it has ended, or when the database stays away: then the reconciler finds
    the swap once its lease has run out.
    """
    ends_at = time.monotonic() + OUTLAST_SECONDS
    while not drain.is_set():
        connection.close()  # it may be the connection that broke
        try:
            swap.fence = outdate(swap)
            return Swap.objects.select_related("slot__head").get(pk=swap.pk)
        except LookupError:
            log.info("swap %s is driven by another process now, or has ended", swap.pk)
            return None
        except DATABASE_AWAY:
            if time.monotonic() > ends_at:
                log.warning("swap %s is left to the reconciler: the database stays away", swap.pk)
                return None
        drain.wait(PAUSE_SECONDS)
    return None
