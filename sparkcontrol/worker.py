"""`python -m sparkcontrol.worker`: a task worker like `celery -A sparkcontrol.celery worker`, 28 MB lighter.

Celery's command line brings an interactive shell along, and its Django part loads every view to check it. Any number
of workers may run, on any machines that reach the database, Redis and the Sparks.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

import django
from celery.exceptions import SecurityWarning

from sparkcontrol import starting
from sparkcontrol.celery import app

THREADS = 8
QUEUES = ("swaps", "probes", "default")


def main(argv: Sequence[str]) -> int:
    asked = parser().parse_args(argv)
    warnings.simplefilter("ignore", SecurityWarning)  # of running as root: what is queued is JSON of our own
    # Each thread may need a connection while its swap's heartbeat needs another; the rest is for looking around.
    os.environ.setdefault("DATABASE_POOL_SIZE", str(2 * asked.threads + 6))
    os.environ.setdefault("DATABASE_LOCK_TIMEOUT", "10")  # nobody waits for an answer, but a lease lasts 15 s
    os.environ.setdefault("DATABASE_STATEMENT_TIMEOUT", "60")
    os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # ours run below, all of Django's in CI
    django.setup(set_prefix=False)
    starting.refuse_mistakes()
    worker = app.Worker(
        pool_cls="threads",
        concurrency=asked.threads,
        queues=asked.queues,
        loglevel="WARNING",
        quiet=True,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="python -m sparkcontrol.worker", description="Drive swaps and probe Sparks.")
    words.add_argument("--queues", type=queues, default=list(QUEUES), help=f"default: {','.join(QUEUES)}")
    words.add_argument("--threads", type=threads, default=THREADS, help=f"swaps and probes at once; default: {THREADS}")
    return words


def queues(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or set(names) - set(QUEUES):
        raise argparse.ArgumentTypeError(f"write some of {','.join(QUEUES)}")
    return names


def threads(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError("write a number from 1 to 64")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
