"""Refusing at once what the preflight would refuse a moment later, by what the last look at the Sparks saw."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils import timezone

from cluster.models import Slot, Spark
from cluster.refusals import Unprocessable
from swaps.checks import Check
from swaps.launcher.outsiders import Box, is_launchers
from swaps.models import Swap
from swaps.outsider_checks import CODE, outsider_checks

FRESH = timedelta(seconds=30)
LOOK_TAKES = timedelta(seconds=10)  # at most, from what it saw to when it was stored


def refuse_outsiders(slot: Slot) -> None:
    """Raises Unprocessable when a container of somebody else's runs under the slot's container name.

    Only a fresh look counts, begun after the slot's last swap. Whatever it cannot tell is left to the preflight.
    """
    checks = [check for spark in slot.sparks() if _counts(slot, spark) for check in _checks(slot, spark)]
    if checks:
        sentence = " ".join(f"{check.sentence} {check.remedy}" for check in checks)
        raise Unprocessable(CODE, sentence, extra={"checks": [check.as_dict() for check in checks]})


def _counts(slot: Slot, spark: Spark) -> bool:
    if spark.probed_at is None or spark.probed_at < timezone.now() - FRESH:
        return False
    begun = spark.probed_at - LOOK_TAKES
    return not Swap.objects.filter(slot=slot, ended_at__gt=begun).exists()


def _checks(slot: Slot, spark: Spark) -> Iterator[Check]:
    boxes = [_box(seen) for seen in spark.reading.get("containers", ()) if seen.get("running")]
    found = outsider_checks(spark.name, boxes, slot.container_name, None, consent=False)
    return (check for check in found if check.code == CODE)


def _box(seen: dict[str, Any]) -> Box:
    """A reading knows no ports and no restart policy."""
    ours, by_launcher = "sparkcontrol.swap" in seen.get("labels", {}), is_launchers(seen.get("command", ""))
    return Box("", seen["name"], seen.get("image", ""), True, ours, by_launcher, frozenset(), "no", False)
