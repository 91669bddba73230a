"""One full status sweep after the other through the product's own queue, told by the rows. For `bench.scale`.

Runs in the product's environment. Everything is made due at once and the reconciler rings, as it does every 2 s; the
task workers of the product do the rest. Prints one JSON object a sweep.
"""

import json
import sys
import time
from datetime import datetime, timedelta

import django
from django.utils import timezone

django.setup()  # before the models

from cluster.models import Spark  # noqa: E402
from cluster.readings import HostReading  # noqa: E402
from swaps import reconciler  # noqa: E402
from swaps.models import Serving  # noqa: E402

LIMIT_SECONDS = 120.0
LOOK_SECONDS = 0.05
PAUSE_SECONDS = 1.0


def main() -> None:
    """how many sweeps"""
    for _ in range(int(sys.argv[1])):
        print(json.dumps(sweep()), flush=True)
        time.sleep(PAUSE_SECONDS)


def sweep() -> dict[str, float]:
    """Seconds: from the first probe's begin to the last row written, the slowest probe's own, until the last Spark but
    one was written, and the wait before.
    """
    Spark.objects.update(next_probe_at=None)
    Serving.objects.update(next_probe_at=None)
    rung_at = timezone.now()
    reconciler.ring_for_probes()
    wait_for_all(rung_at)
    probes = sorted(probe for spark in Spark.objects.all() if (probe := probe_of(spark)))
    began = min(at - took for at, took in probes)
    looks = [at for at in Serving.objects.values_list("checked_at", flat=True) if at]
    ended = max(probes[-1][0], *looks)
    return {
        "sweep": (ended - began).total_seconds(),
        "slowest": max(took.total_seconds() for _, took in probes),
        "but_one": (probes[-2][0] - began).total_seconds(),
        "wait": (began - rung_at).total_seconds(),
    }


def wait_for_all(since: datetime) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while Spark.objects.exclude(probed_at__gt=since).exists() or Serving.objects.exclude(checked_at__gt=since).exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"The sweep did not end within {LIMIT_SECONDS:g} s.")
        time.sleep(LOOK_SECONDS)


def probe_of(spark: Spark) -> tuple[datetime, timedelta] | None:
    """When the row was written and how long the probe took."""
    took = HostReading.from_dict(spark.reading).took_ms
    return (spark.probed_at, timedelta(milliseconds=took)) if spark.probed_at and took else None


if __name__ == "__main__":
    main()
