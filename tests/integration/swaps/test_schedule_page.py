"""Pages of schedules: both sides of them, made with a look at the next runs, paused, run and deleted."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Slot
from swaps import locks
from swaps.models import Operation, Swap, Trigger
from swaps.requester import Requester
from swaps.schedules.rows import RunState, Schedule, ScheduleRun
from swaps.states import Status
from tests.pages import a_schedule, a_swap, catalog, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

FORM = {
    "kind": "swap",
    "slot": "main",
    "model": "gemma",
    "rollback": "on",
    "how": "cron",
    "cron": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "grace_minutes": "5",
}


@pytest.fixture
def slot() -> Slot:
    made = two_sparks()
    catalog("qwen", "gemma")
    serve(made, "qwen")
    return made


@pytest.fixture
def client(slot: Slot) -> Client:
    return signed_in()


def fields(response: Any) -> dict[str, str]:
    """What the review sends on: hidden inputs and hidden text areas."""
    page = response.content.decode()
    found = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    return found | dict(re.findall(r'<textarea name="([^"]+)" hidden[^>]*>([^<]*)</textarea>', page))


def make(client: Client, address: str = "/schedules/new", **more: str) -> Any:
    """Through the look at the next runs to the save."""
    reviewed = client.post(address, FORM | more)
    assert reviewed.status_code == 200, text_of(reviewed)
    return client.post(address, fields(reviewed) | {"step": "save"})


def test_an_empty_page_says_how_schedules_get_here(client: Client) -> None:
    text = text_of(client.get("/schedules/"))
    assert "Spark Control can swap, warm and look by itself" in text
    assert "PUT /api/schedules/OWNER/ID" in text
    assert "Schedules come here when one is made" in text_of(client.get("/"))


def test_it_shows_the_next_five_runs_before_anything_is_saved(client: Client) -> None:
    response = client.post("/schedules/new", FORM)
    text = text_of(response)
    assert len(re.findall(r"\d\d:30 CES?T", text)) == 5
    assert "Save the schedule" in text
    assert not Schedule.objects.exists()


def test_it_saves_what_was_looked_at(client: Client) -> None:
    response = make(client)
    schedule = Schedule.objects.get()
    assert response.headers["Location"] == f"/schedules/{schedule.pk}/"
    assert (schedule.title, schedule.cron, schedule.timezone) == (
        "Swap to gemma on main",
        "30 2 * * *",
        "Europe/Berlin",
    )
    assert (schedule.options, schedule.registered_by, schedule.grace_seconds) == ({"rollback": True}, "user:ana", 300)


def test_an_interval_and_given_times_are_ways_as_well(client: Client) -> None:
    make(client, how="interval", every="6", unit="3600")
    make(client, how="times", times="2040-11-30 02:00\n2040-12-01T02:00:00+00:00", kind="health_sweep")
    beat, times = Schedule.objects.all()
    assert (beat.interval_seconds, beat.cron, times.title) == (6 * 3600, "", "Health sweep")
    assert times.times == ["2040-11-30T01:00:00+00:00", "2040-12-01T02:00:00+00:00"]


def test_a_warm_up_keeps_its_texts(client: Client) -> None:
    make(client, kind="warm", warm_kind="prefix", system="You are a poet.", prompt="Sing.")
    assert Schedule.objects.get().options == {"kind": "prefix", "prompt": "Sing.", "system": "You are a poet."}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"cron": "61 * * * *"}, "The minute &#x27;61&#x27; cannot be read"),
        ({"timezone": "Berlin"}, "Did you mean Europe/Berlin?"),
        ({"how": "times", "times": "tomorrow"}, "is no time; write it such as"),
        ({"how": "interval", "every": ""}, "Say how often."),
        ({"model": ""}, "Name the model to swap to"),
        ({"kind": "warm", "warm_kind": "prefix"}, "Give the text that later requests begin with"),
    ],
)
def test_what_is_wrong_is_said_at_the_field_and_nothing_is_saved(
    client: Client, wrong: dict[str, str], words: str
) -> None:
    response = client.post("/schedules/new", FORM | wrong)
    assert response.status_code == 400
    assert words in response.content.decode()
    assert not Schedule.objects.exists()


def test_the_next_runs_follow_the_form_while_it_is_filled(client: Client) -> None:
    good = client.get("/partials/schedules/preview", {"how": "cron", "cron": "@daily", "timezone": "UTC"})
    assert good.content.decode().count(", 00:00 UTC</time>") == 5
    bad = client.get("/partials/schedules/preview", {"how": "cron", "cron": "x", "timezone": "UTC"})
    assert "A cron line has five fields" in text_of(bad)


def in_hours(hours: float) -> str:
    return f"{timezone.localtime() + timedelta(hours=hours):%Y-%m-%d %H:%M}"


def previews(client: Client, schedule: Schedule | None = None, **form: str) -> list[str]:
    """What is said beside the form while it is filled, and before it is saved."""
    given = FORM | {"how": "times", "timezone": "UTC"} | form
    beside = client.get("/partials/schedules/preview", given | ({"schedule": str(schedule.pk)} if schedule else {}))
    before = client.post(f"/schedules/{schedule.pk}/edit" if schedule else "/schedules/new", given)
    return [text_of(beside), text_of(before)]


def test_the_preview_tells_an_overlap(client: Client, slot: Slot) -> None:
    a_schedule(slot, title="Report", cron="", times=[(timezone.now() + timedelta(hours=3)).isoformat()])
    for text in previews(client, times=in_hours(3)):
        assert text.count("Conflict at") == 1 and "overlaps" in text and "on main (" in text
    for text in previews(client, times=in_hours(9)):
        assert "Nothing planned for the next seven days is in its way." in text


def test_the_preview_tells_a_lock_that_would_refuse_it(client: Client, slot: Slot) -> None:
    by = Requester("key:openclaw", Trigger.API)
    locks.acquire(slot, holder="openclaw", purpose="vol", ttl_seconds=7200, by=by)
    for text in previews(client, times=in_hours(1)):
        assert "would be refused: openclaw holds main until" in text


def test_the_preview_tells_whose_model_it_would_take_away(client: Client, slot: Slot) -> None:
    six = [(timezone.now() + timedelta(hours=6)).isoformat()]
    theirs = {"kind": "external", "owner": "n8n", "ref": "a", "title": "Digest", "model": "qwen"}
    a_schedule(slot, cron="", times=six, **theirs)
    for text in previews(client, times=in_hours(3)):
        assert "Digest needs qwen, but Swap to gemma on main at" in text and "swaps to gemma before." in text


def test_a_schedule_that_is_edited_is_not_in_its_own_way(client: Client, slot: Slot) -> None:
    mine = a_schedule(slot, cron="", times=[(timezone.now() + timedelta(hours=3)).isoformat()])
    for text in previews(client, mine, times=in_hours(3)):
        assert "Nothing planned for the next seven days is in its way." in text


def test_only_who_may_schedule_and_swap_makes_one(slot: Slot) -> None:
    schedule = a_schedule(slot)
    plain = signed_in(username="bob", is_staff=False, is_superuser=False)
    assert "Night model" in text_of(plain.get("/schedules/"))
    assert "Edit" not in text_of(plain.get(f"/schedules/{schedule.pk}/"))
    for address in ("new", f"{schedule.pk}/edit", f"{schedule.pk}/delete"):
        assert plain.get(f"/schedules/{address}").status_code == 403, address
    assert plain.post(f"/schedules/{schedule.pk}/pause").status_code == 403


def test_an_edit_from_a_stale_page_is_refused(client: Client, slot: Slot) -> None:
    schedule = a_schedule(slot)
    address = f"/schedules/{schedule.pk}/edit"
    reviewed = fields(client.post(address, FORM | {"version": "1"}))
    Schedule.objects.update(version=2)
    response = client.post(address, reviewed | {"step": "save"}, follow=True)
    assert "Somebody changed Night model since you read it" in text_of(response)
    assert Schedule.objects.get().model == "qwen"


def test_it_is_paused_and_goes_on(client: Client, slot: Slot) -> None:
    schedule = a_schedule(slot)
    client.post(f"/schedules/{schedule.pk}/pause", {"version": 1})
    assert "Paused" in text_of(client.get(f"/schedules/{schedule.pk}/"))
    client.post(f"/schedules/{schedule.pk}/pause", {"version": 2, "enabled": "yes"})
    schedule.refresh_from_db()
    assert (schedule.enabled, schedule.cron, schedule.model) == (True, "30 2 * * *", "qwen")


def test_running_it_now_is_the_persons_own_swap_and_needs_a_yes(client: Client, slot: Slot) -> None:
    schedule = a_schedule(slot, model="gemma")
    page = client.get(f"/schedules/{schedule.pk}/run")
    assert "Stops The qwen on spark-1." in text_of(page)
    client.post(f"/schedules/{schedule.pk}/run", fields(page))
    swap = Swap.objects.get()
    assert (swap.model_key, swap.actor, swap.operation) == ("gemma", "user:ana", Operation.SWAP)
    assert "run by ana Running" in text_of(client.get(f"/schedules/{schedule.pk}/"))


def test_running_it_now_respects_somebody_elses_lock(client: Client, slot: Slot) -> None:
    schedule = a_schedule(slot, model="gemma")
    locks.acquire(slot, holder="openclaw", purpose="vol", ttl_seconds=60, by=Requester("key:openclaw", Trigger.API))
    page = client.get(f"/schedules/{schedule.pk}/run")
    response = client.post(f"/schedules/{schedule.pk}/run", fields(page))
    assert response.status_code == 423
    assert "openclaw (API key) holds the lock of main" in text_of(response)


def test_a_sweep_looks_at_once(client: Client) -> None:
    schedule = a_schedule(None, kind="health_sweep", model="", title="Look")
    response = client.post(f"/schedules/{schedule.pk}/run", follow=True)
    assert "Looking at 2 Sparks" in text_of(response)


def test_deleting_asks_and_a_stale_question_is_asked_again(client: Client, slot: Slot) -> None:
    schedule = a_schedule(slot)
    address = f"/schedules/{schedule.pk}/delete"
    given = fields(client.get(address))
    Schedule.objects.update(version=2)
    assert client.post(address, given).status_code == 412
    client.post(address, fields(client.get(address)))
    assert not Schedule.objects.exists()


def test_what_others_registered_is_shown_with_owner_and_age_and_not_edited(client: Client, slot: Slot) -> None:
    old = timezone.now() - timedelta(days=3)
    a_schedule(slot, kind="external", owner="openclaw", ref="daily", title="Daily vol", refreshed_at=old, stale_at=old)
    text = text_of(client.get("/schedules/"))
    assert "Stale" in text
    page = text_of(client.get("/schedules/openclaw/daily/"))
    assert "openclaw last told it 3 d ago and has missed two refreshes" in page
    assert "Run now…" not in page
    edit = client.get(f"/schedules/{Schedule.objects.get().pk}/edit", follow=True)
    assert "is only shown here; openclaw changes it" in text_of(edit)


def test_the_history_tells_each_run_and_links_its_swap(client: Client, slot: Slot) -> None:
    schedule = a_schedule(slot)
    swap = a_swap(slot, Status.READY)
    now = timezone.now()
    ScheduleRun.objects.create(
        schedule=schedule, fire_at=now, state=RunState.DONE, swap=swap, ended_at=now, sentence="It serves."
    )
    ScheduleRun.objects.create(
        schedule=schedule, fire_at=now - timedelta(days=1), state=RunState.REFUSED, ended_at=now, sentence="Held."
    )
    text = text_of(client.get(f"/schedules/{schedule.pk}/"))
    for words in ("Done", "It serves.", f"#{swap.pk}", "Refused", "Held."):
        assert words in text
    assert "Done" in text_of(client.get("/schedules/"))
