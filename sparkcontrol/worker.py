"""`python -m sparkcontrol.worker`: a task worker like `celery -A sparkcontrol.celery worker`, 28 MB lighter.

Celery's command line brings an interactive shell along, and its Django part loads every view to check it.
"""

import os
import sys
import warnings

from celery.exceptions import SecurityWarning

from sparkcontrol.celery import app

THREADS = 8
QUEUES = ["swaps", "probes", "default"]


def main() -> int:
    warnings.simplefilter("ignore", SecurityWarning)  # of running as root: what is queued is JSON of our own
    os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # `make lint` and CI run them
    worker = app.Worker(
        pool_cls="threads",
        concurrency=THREADS,
        queues=QUEUES,
        loglevel="WARNING",
        quiet=True,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
