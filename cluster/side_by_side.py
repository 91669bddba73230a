"""Many machines at once, a thread for each: all of them together take as long as the slowest.

These threads are not Celery's, so a machine that stands still holds none of those that drive swaps.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from django.db import connections

AT_ONCE = 256  # in this process; who comes later waits until another one is done

log = logging.getLogger(__name__)
_room = threading.BoundedSemaphore(AT_ONCE)


def start(looks: Mapping[str, Callable[[], object]]) -> list[threading.Thread]:
    """Begin all looks, each under the name of its machine; answers without waiting for them.

    A look should wait for its machine before it asks the database: a pool has fewer connections than there are
    threads here, and a thread keeps its own until it ends.
    """
    threads = [
        threading.Thread(target=_do, args=(name, look), name=f"look-{name}", daemon=True)
        for name, look in looks.items()
    ]
    for thread in threads:
        _room.acquire()
        thread.start()
    return threads


def _do(name: str, look: Callable[[], object]) -> None:
    try:
        look()
    except Exception:
        log.exception("The look at %s failed; it is looked at again.", name)
    finally:
        connections.close_all()
        _room.release()
