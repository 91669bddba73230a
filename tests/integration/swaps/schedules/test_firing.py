"""Our own schedules come due: once, late, refused, tried again, ended. The clock is passed in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from cluster.models import Event, Slot, Spark
from swaps import locks
from swaps.models import Serving, ServingState, Swap, Trigger, stored
from swaps.requester import Requester
from swaps.schedules import actions, firing
from swaps.schedules.arithmetic import Rule
from swaps.schedules.drafts import Draft
from swaps.schedules.rows import RunState, Schedule, ScheduleKind, ScheduleRun
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SlotFactory, SparkFactory, SwapFactory

pytestmark = pytest.mark.django_db

ANA = Requester("user:ana", Trigger.DASHBOARD)
EVENING = datetime(2026, 11, 23, 20, tzinfo=UTC)
TWO = datetime(2026, 11, 24, 2, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def slot() -> Slot:
    ModelDefinitionFactory(key="small", label="Small")
    made: Slot = SlotFactory(name="main")
    return made


def nightly(slot: Slot | None, kind: ScheduleKind = ScheduleKind.SWAP, **fields: Any) -> Schedule:
    model = "small" if kind is ScheduleKind.SWAP else ""
    rule = fields.pop("rule", Rule(cron="0 2 * * *"))
    return actions.make(Draft(kind, "Nightly", rule, slot, model, **fields), ANA, EVENING)


def told() -> list[str]:
    kinds = Event.objects.filter(kind__startswith="schedule.").order_by("id").values_list("kind", flat=True)
    return [kind.removeprefix("schedule.") for kind in kinds if kind != "schedule.made"]


def runs() -> list[tuple[datetime, str]]:
    return list(ScheduleRun.objects.order_by("fire_at").values_list("fire_at", "state"))


def test_it_does_nothing_before_its_time(slot: Slot) -> None:
    nightly(slot)
    firing.fire_due(TWO - SECOND)
    assert (runs(), told(), Swap.objects.count()) == ([], [], 0)


def test_it_asks_for_the_swap_once_in_its_own_name(slot: Slot) -> None:
    schedule = nightly(slot, options={"rollback": True})

    firing.fire_due(TWO)
    firing.fire_due(TWO + SECOND)

    swap = Swap.objects.get()
    assert (swap.model_key, swap.actor, swap.trigger, swap.rollback) == ("small", "schedule:Nightly", "schedule", True)
    assert runs() == [(TWO, RunState.RUNNING)] and told() == ["fired"]
    event = Event.objects.get(kind="schedule.fired")
    assert (event.data["swap"], event.data["schedule"], event.slot) == (swap.pk, schedule.pk, slot)
    schedule.refresh_from_db()
    assert schedule.next_fire_at == TWO + DAY


@pytest.mark.parametrize(
    ("status", "state", "kind"),
    [
        (Status.READY, RunState.DONE, "done"),
        (Status.FAILED, RunState.FAILED, "failed"),
        (Status.ERRORED, RunState.FAILED, "failed"),
        (Status.CANCELLED, RunState.FAILED, "failed"),
    ],
)
def test_a_run_ends_with_its_swap(slot: Slot, status: Status, state: RunState, kind: str) -> None:
    nightly(slot)
    firing.fire_due(TWO)
    firing.fire_due(TWO + MINUTE)
    assert runs() == [(TWO, RunState.RUNNING)]

    Swap.objects.update(status=status, ended_at=TWO, diagnosis="Out of memory.", cancelled_by="user:bob")
    firing.fire_due(TWO + 2 * MINUTE)
    firing.fire_due(TWO + 3 * MINUTE)

    assert runs() == [(TWO, state)] and told() == ["fired", kind]
    assert Event.objects.get(kind=f"schedule.{kind}").data["swap"] == Swap.objects.get().pk


def test_a_held_lock_refuses_it_in_the_words_everybody_hears(slot: Slot) -> None:
    nightly(slot)
    locks.acquire(slot, holder="openclaw", purpose="daily vol run", ttl_seconds=3600, by=ANA)

    firing.fire_due(TWO)
    firing.fire_due(TWO + MINUTE)

    assert runs() == [(TWO, RunState.REFUSED)] and told() == ["refused"]
    event = Event.objects.get(kind="schedule.refused")
    assert "openclaw" in event.sentence and "daily vol run" in event.sentence
    assert (event.data["code"], event.data["gave_up"]) == ("lock-held", True)
    assert not Swap.objects.exists()


def test_it_tries_again_until_the_lock_is_free(slot: Slot) -> None:
    nightly(slot, give_up_after_seconds=600)
    grant = locks.acquire(slot, holder="openclaw", purpose="", ttl_seconds=3600, by=ANA)

    firing.fire_due(TWO)
    firing.fire_due(TWO + SECOND)
    firing.fire_due(TWO + 20 * SECOND)
    assert runs() == [(TWO, RunState.WAITING)] and ScheduleRun.objects.get().attempts == 2
    locks.release(slot, grant.token)
    firing.fire_due(TWO + 40 * SECOND)

    assert runs() == [(TWO, RunState.RUNNING)] and told() == ["refused", "fired"]
    assert Swap.objects.count() == 1


def test_it_gives_up_when_it_was_told_to(slot: Slot) -> None:
    nightly(slot, give_up_after_seconds=60)
    locks.acquire(slot, holder="openclaw", purpose="", ttl_seconds=3600, by=ANA)

    for seconds in range(0, 120, 2):
        firing.fire_due(TWO + seconds * SECOND)

    assert runs() == [(TWO, RunState.REFUSED)] and told() == ["refused", "refused"]
    assert [e.data["gave_up"] for e in Event.objects.filter(kind="schedule.refused").order_by("id")] == [False, True]


def test_a_run_that_waits_ends_when_the_next_one_comes_due(slot: Slot) -> None:
    nightly(slot, rule=Rule(interval_seconds=60, anchor=TWO), give_up_after_seconds=3600)
    locks.acquire(slot, holder="openclaw", purpose="", ttl_seconds=3600, by=ANA)

    firing.fire_due(TWO)
    firing.fire_due(TWO + MINUTE)

    assert runs() == [(TWO, RunState.REFUSED), (TWO + MINUTE, RunState.WAITING)]


def test_a_running_swap_refuses_it_too(slot: Slot) -> None:
    nightly(slot)
    SwapFactory(slot=slot, status=Status.LOADING)

    firing.fire_due(TWO)

    assert runs() == [(TWO, RunState.REFUSED)]
    assert Event.objects.get(kind="schedule.refused").data["code"] == "swap-in-progress"


def test_what_can_never_work_is_a_failure_and_not_tried_again(slot: Slot) -> None:
    nightly(slot, give_up_after_seconds=600)
    ModelDefinitionFactory._meta.model.objects.all().delete()

    firing.fire_due(TWO)

    assert runs() == [(TWO, RunState.FAILED)] and told() == ["failed"]
    assert "no model 'small'" in ScheduleRun.objects.get().sentence


def test_a_model_that_serves_already_is_not_loaded_again(slot: Slot) -> None:
    nightly(slot)
    definition = ModelDefinitionFactory._meta.model.objects.get().as_definition()
    serving = Serving(slot=slot, state=ServingState.SERVING, model_key="small", definition=stored(definition))
    serving.save()

    firing.fire_due(TWO)
    assert runs() == [(TWO, RunState.DONE)] and told() == ["done"] and not Swap.objects.exists()

    ModelDefinitionFactory._meta.model.objects.update(args=["--max-num-seqs", "4"])
    firing.fire_due(TWO + DAY)
    assert runs()[1] == (TWO + DAY, RunState.RUNNING)


def test_the_latest_missed_run_is_made_up_for_within_its_grace(slot: Slot) -> None:
    nightly(slot, rule=Rule(interval_seconds=60, anchor=TWO), grace_seconds=300)

    firing.fire_due(TWO + 10 * MINUTE + 30 * SECOND)

    assert runs() == [(TWO + 10 * MINUTE, RunState.RUNNING)] and told() == ["skipped", "fired"]
    assert ScheduleRun.objects.get().missed == 10
    skipped = Event.objects.get(kind="schedule.skipped")
    assert (skipped.data["count"], skipped.data["first"]) == (10, TWO.isoformat())


def test_a_run_missed_by_more_than_its_grace_is_skipped_and_told(slot: Slot) -> None:
    schedule = nightly(slot, grace_seconds=300)

    firing.fire_due(TWO + 2 * DAY + HOUR)

    assert runs() == [(TWO + 2 * DAY, RunState.SKIPPED)] and told() == ["skipped"]
    assert Event.objects.get(kind="schedule.skipped").data["count"] == 3
    assert not Swap.objects.exists()
    schedule.refresh_from_db()
    assert schedule.next_fire_at == TWO + 3 * DAY


def test_a_year_of_missed_minutes_is_counted_only_so_far(slot: Slot) -> None:
    nightly(slot, rule=Rule(cron="* * * * *"))

    firing.fire_due(TWO + 365 * DAY)

    assert runs() == [(TWO + 365 * DAY, RunState.RUNNING)]
    assert Event.objects.get(kind="schedule.skipped").data["count"] >= 1000


def test_times_come_due_in_turn_and_then_no_more(slot: Slot) -> None:
    schedule = nightly(slot, ScheduleKind.HEALTH_SWEEP, rule=Rule(times=(TWO, TWO + HOUR)))

    for at in (TWO, TWO + HOUR, TWO + 2 * HOUR):
        firing.fire_due(at)

    assert [at for at, _ in runs()] == [TWO, TWO + HOUR]
    schedule.refresh_from_db()
    assert schedule.next_fire_at is None


def test_a_schedule_that_is_switched_off_does_not_fire(slot: Slot) -> None:
    nightly(slot, enabled=False)
    firing.fire_due(TWO)
    assert runs() == []


def test_a_warm_up_is_asked_for_like_by_anyone(slot: Slot) -> None:
    nightly(slot, ScheduleKind.WARM, options={"kind": "prefix", "prompt": "Once", "system": ""})
    Serving.objects.create(slot=slot, state=ServingState.SERVING, model_key="small", model_label="Small")

    firing.fire_due(TWO)

    swap = Swap.objects.get()
    assert (swap.operation, swap.options["prompt"]) == ("warm", "Once")


def test_a_sweep_makes_everything_due_and_is_done_when_all_was_looked_at(slot: Slot) -> None:
    later = timezone.now() + 30 * DAY
    SparkFactory(name="away", enabled=False)
    Spark.objects.update(next_probe_at=later, probed_at=TWO - HOUR)
    Serving.objects.create(slot=slot, next_probe_at=later, checked_at=TWO - HOUR)
    nightly(None, ScheduleKind.HEALTH_SWEEP)

    firing.fire_due(TWO)
    assert list(Spark.objects.due(timezone.now())) == [slot.head]
    assert Serving.objects.get().next_probe_at is None
    Spark.objects.filter(pk=slot.head_id).update(probed_at=TWO + SECOND, ssh_state="down")
    firing.fire_due(TWO + 2 * SECOND)
    assert runs() == [(TWO, RunState.RUNNING)]
    Serving.objects.update(checked_at=TWO + 3 * SECOND)
    firing.fire_due(TWO + 4 * SECOND)

    assert runs() == [(TWO, RunState.DONE)]
    assert f"{slot.head.name} is down" in ScheduleRun.objects.get().sentence


def test_a_sweep_that_gets_no_look_fails_and_names_who(slot: Slot) -> None:
    nightly(None, ScheduleKind.HEALTH_SWEEP)
    firing.fire_due(TWO)
    firing.fire_due(TWO + 3 * MINUTE)

    assert runs() == [(TWO, RunState.FAILED)]
    assert slot.head.name in ScheduleRun.objects.get().sentence


def test_an_error_of_ours_fails_one_run_and_not_the_others(slot: Slot) -> None:
    bad = nightly(slot, ScheduleKind.WARM, options={"kind": "first_token"})
    Schedule.objects.filter(pk=bad.pk).update(options={"no": "such option"})
    nightly(None, ScheduleKind.HEALTH_SWEEP)
    Serving.objects.create(slot=slot, state=ServingState.SERVING)

    firing.fire_due(TWO)

    assert sorted(state for _, state in runs()) == [RunState.FAILED, RunState.RUNNING]
    assert Event.objects.get(kind="schedule.failed").data["code"] == "spark-control-error"


def test_old_runs_are_forgotten(slot: Slot) -> None:
    schedule = nightly(slot, ScheduleKind.HEALTH_SWEEP)
    long_ago = TWO - 40 * DAY
    schedule.runs.create(fire_at=long_ago, state=RunState.DONE, ended_at=long_ago)

    firing.fire_due(TWO)

    assert runs() == [(TWO, RunState.RUNNING)]


def test_an_external_schedule_is_told_stale_once_and_fresh_again_after_a_refresh(slot: Slot) -> None:
    draft = Draft(ScheduleKind.EXTERNAL, "Volatility", Rule(cron="0 6 * * *"), slot, refresh_seconds=3600)
    key = Requester("key:openclaw", Trigger.API)
    schedule, _ = actions.register("openclaw", "vol", draft, key, now=EVENING)

    firing.fire_due(EVENING + 2 * HOUR - SECOND)
    assert told() == ["registered"]
    firing.fire_due(EVENING + 2 * HOUR + SECOND)
    firing.fire_due(EVENING + 3 * HOUR)
    assert told() == ["registered", "stale"]

    schedule, is_new = actions.register("openclaw", "vol", draft, key, now=EVENING + 4 * HOUR)
    assert not is_new and not schedule.is_stale(EVENING + 4 * HOUR)
    firing.fire_due(EVENING + 4 * HOUR)
    assert told() == ["registered", "stale"] and runs() == []
