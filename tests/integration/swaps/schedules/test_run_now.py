"""A schedule run by hand: in its history, and out of the way of what is planned."""

from datetime import timedelta

import pytest

from cluster.models import Event, Slot
from cluster.refusals import Conflict, Locked
from swaps import locks
from swaps.models import Swap, Trigger
from swaps.requester import Requester
from swaps.run_now import run_now
from swaps.schedules import firing
from swaps.schedules.rows import RunState, Schedule, ScheduleKind, ScheduleRun
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SlotFactory
from tests.integration.swaps.schedules.test_firing import DAY, EVENING, HOUR, MINUTE, TWO, nightly, told

pytestmark = pytest.mark.django_db

BOB = Requester("user:bob", Trigger.DASHBOARD)


@pytest.fixture
def slot() -> Slot:
    ModelDefinitionFactory(key="small", label="Small")
    made: Slot = SlotFactory(name="main")
    return made


def end_swap() -> None:
    Swap.objects.update(status=Status.READY, ended_at=TWO, lease_until=None)
    locks.expire_lapsed()


def test_it_is_a_row_of_the_history_that_ends_with_its_swap(slot: Slot) -> None:
    schedule = nightly(slot)
    run = run_now(schedule, BOB, lock_token=None, now=EVENING + HOUR)

    swap = Swap.objects.get()
    assert (run.asked_by, run.swap, run.state, swap.actor) == ("user:bob", swap, RunState.RUNNING, "user:bob")
    end_swap()
    firing.fire_due(EVENING + HOUR + MINUTE)
    run.refresh_from_db()

    assert run.state == RunState.DONE and told() == ["fired", "done"]
    event = Event.objects.get(kind="schedule.fired")
    assert (event.actor, event.data["asked_by"]) == ("user:bob", "user:bob")
    assert event.sentence == "Nightly, run by bob, began."


def test_no_planned_time_moves(slot: Slot) -> None:
    schedule = nightly(slot)
    run_now(schedule, BOB, lock_token=None, now=EVENING + HOUR)
    schedule.refresh_from_db()

    assert (schedule.next_fire_at, schedule.version) == (TWO, 1)
    end_swap()
    firing.fire_due(TWO)
    firing.fire_due(TWO + timedelta(seconds=3))
    assert list(ScheduleRun.objects.order_by("fire_at").values_list("asked_by", "fire_at")) == [
        ("user:bob", EVENING + HOUR),
        ("", TWO),
    ]
    schedule.refresh_from_db()
    assert schedule.next_fire_at == TWO + DAY


def test_in_the_moment_of_a_fire_both_happen_and_the_fire_once(slot: Slot) -> None:
    schedule = nightly(slot, ScheduleKind.HEALTH_SWEEP)
    run_now(schedule, BOB, lock_token=None, now=TWO)
    seen_twice = Schedule.objects.get()
    assert firing.fire(schedule, TWO) is not None
    assert firing.fire(seen_twice, TWO) is None

    assert sorted(ScheduleRun.objects.filter(fire_at=TWO).values_list("asked_by", flat=True)) == ["", "user:bob"]


def test_a_refusal_is_told_and_leaves_no_run(slot: Slot) -> None:
    schedule = nightly(slot)
    locks.acquire(slot, holder="openclaw", purpose="", ttl_seconds=60, by=Requester("key:openclaw", Trigger.API))
    with pytest.raises(Locked):
        run_now(schedule, BOB, lock_token=None)

    assert not ScheduleRun.objects.exists() and told() == []


def test_what_others_run_is_not_run_here(slot: Slot) -> None:
    external = Schedule.objects.create(kind=ScheduleKind.EXTERNAL, owner="cron", ref="x", title="X", registered_by="k")
    with pytest.raises(Conflict, match="run by cron"):
        run_now(external, BOB, lock_token=None)
