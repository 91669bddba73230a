"""One scheduler as a process of its own. It does what it is told, a JSON line each, and answers with one.

Its clock comes in; the database is the one its environment names. `finish` stands in for the drivers of swaps.
"""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import django

django.setup()

from cluster.models import Event, Slot, Spark  # noqa: E402
from swaps import locks  # noqa: E402
from swaps.models import ModelDefinition, Swap, Trigger  # noqa: E402
from swaps.requester import Requester  # noqa: E402
from swaps.schedules import actions, firing  # noqa: E402
from swaps.schedules.arithmetic import Rule  # noqa: E402
from swaps.schedules.drafts import Draft  # noqa: E402
from swaps.schedules.rows import Schedule, ScheduleKind, ScheduleRun  # noqa: E402
from swaps.states import Status  # noqa: E402

ANA = Requester("user:ana", Trigger.DASHBOARD)


def make(now: datetime, title: str, kind: str, **rule: Any) -> None:
    """Each swapping schedule has a slot of its own, so that nothing but its time decides."""
    slot = None
    if kind == ScheduleKind.SWAP:
        number = Slot.objects.count()
        head = Spark.objects.create(name=f"spark-{number}", host=f"192.0.2.{number + 1}", ssh_user="nvidia")
        slot = Slot.objects.create(name=f"slot-{number}", head=head)
        ModelDefinition.objects.get_or_create(key="small", defaults={"label": "Small", "repo": "org/small"})
    actions.make(Draft(ScheduleKind(kind), title, Rule(**rule), slot, "small" if slot else ""), ANA, now)


def tick(now: datetime) -> None:
    firing.fire_due(now)


def finish(now: datetime) -> None:
    for swap in Swap.objects.active():
        Swap.objects.filter(pk=swap.pk).update(status=Status.READY, ended_at=now)
        locks.unpin(swap)


def report(_: datetime) -> dict[str, Any]:
    runs = ScheduleRun.objects.order_by("fire_at", "id").values_list("schedule__title", "fire_at", "state", "swap")
    return {
        "runs": [(title, at.isoformat(), state, swap) for title, at, state, swap in runs],
        "swaps": Swap.objects.count(),
        "events": list(Event.objects.filter(kind__startswith="schedule.").values_list("kind", flat=True)),
    }


def forget(_: datetime) -> None:
    Schedule.objects.all().delete()
    Swap.objects.all().delete()
    Event.objects.all().delete()


DO: dict[str, Callable[..., Any]] = {"make": make, "tick": tick, "finish": finish, "report": report, "forget": forget}

print("ready", flush=True)
for line in sys.stdin:
    told = json.loads(line)
    answer = DO[told.pop("do")](datetime.fromisoformat(told.pop("now")), **told)
    print(json.dumps(answer), flush=True)
