"""/api/schedules, /api/schedule and /api/plan over HTTP."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from cluster.models import Event, Slot
from services.actions import make_key
from swaps import locks
from swaps.models import Serving, ServingState, Trigger
from swaps.requester import Requester
from swaps.schedules import firing
from swaps.schedules.rows import Schedule
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SlotFactory, SwapFactory
from tests.integration.conftest import Api

NIGHTLY = {"kind": "swap", "model": "small", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
VOL = {"title": "Volatility run", "cron": "0 6 * * 1-5", "model": "small", "expected_duration_seconds": 900}
ADDRESS = "/api/schedules/openclaw/daily-vol"


@pytest.fixture
def slot(transactional_db: None) -> Slot:
    ModelDefinitionFactory(key="small", label="Small")
    ModelDefinitionFactory(key="big", label="Big", nodes=2)
    made: Slot = SlotFactory(name="main")
    return made


def test_ours_is_made_with_the_next_five_runs_and_changed_and_removed_by_its_version(api: Api, slot: Slot) -> None:
    client = api("schedule", "swap")
    made = client.post("/api/schedules", json=NIGHTLY)
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["title"], told["slot"], told["words"]) == (
        "Swap to small on main",
        "main",
        "At 02:30 every day, Europe/Berlin",
    )
    runs = [datetime.fromisoformat(at) for at in told["next_fires"]]
    assert len(runs) == 5 and runs == sorted(runs) and runs[0] > timezone.now()
    assert (made.headers["Location"], made.headers["ETag"]) == (told["url"], '"1"')

    later = {**NIGHTLY, "cron": "45 3 * * *", "enabled": False}
    assert client.put(told["url"], json=later).status_code == 428
    assert client.put(told["url"], json=later, headers={"If-Match": '"9"'}).status_code == 412
    changed = client.put(told["url"], json=later, headers={"If-Match": '"1"'})
    assert (changed.json()["cron"], changed.json()["next_fires"], changed.headers["ETag"]) == ("45 3 * * *", [], '"2"')

    assert client.delete(told["url"]).status_code == 428
    assert client.delete(told["url"], headers={"If-Match": '"2"'}).status_code == 204
    assert client.get(told["url"]).json()["code"] == "unknown-schedule"
    kinds = Event.objects.filter(kind__startswith="schedule.").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["schedule.made", "schedule.changed", "schedule.removed"]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"cron": "61 * * * *"}, "cron", "0 to 59"),
        ({"cron": "0 0 30 2 *"}, "cron", "has a day 30"),
        ({"cron": ""}, "cron", "Say when"),
        ({"interval_seconds": 60}, "interval_seconds", "only one of"),
        ({"cron": "", "interval_seconds": 5}, "interval_seconds", "at least 60"),
        ({"cron": "", "interval_seconds": -1}, "interval_seconds", "at least 60"),
        ({"cron": "", "interval_seconds": 10**30}, "interval_seconds", "at most"),
        ({"timezone": "Berlin"}, "timezone", "Europe/Berlin"),
        ({"cron": "", "times": ["yesterday"]}, "times", "is no time"),
        ({"cron": "", "times": ["2020-01-01T00:00:00Z"]}, "times", "past"),
        ({"model": "smal"}, "model", "Did you mean small"),
        ({"model": ""}, "model", "Name the model"),
        ({"model": "big"}, "model", "needs 2 Sparks"),
        ({"grace_seconds": 5}, "grace_seconds", ""),
        ({"give_up_after_seconds": 10**9}, "give_up_after_seconds", "seconds"),
        ({"expected_duration_seconds": 10**9}, "expected_duration_seconds", "seconds"),
        ({"kind": "restart"}, "kind", ""),
        ({"kind": "external"}, "kind", ""),
        ({"kind": "warm", "warm_kind": "prefix"}, "prompt", "later requests begin with"),
        ({"titel": "x"}, "titel", "did you mean title"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_wrong_is_named_with_its_remedy(
    api: Api, slot: Slot, change: dict[str, Any], field: str, words: str
) -> None:
    answer = api("schedule", "swap").post("/api/schedules", json={**NIGHTLY, **change})
    assert answer.status_code == 400, answer.text
    errors = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert words in errors[field]
    assert not Schedule.objects.exists()


def test_making_ours_needs_the_right_to_do_now_what_it_does_later(api: Api, slot: Slot) -> None:
    assert api("schedule").post("/api/schedules", json=NIGHTLY).json()["code"] == "scope-missing"
    assert api("swap").post("/api/schedules", json=NIGHTLY).status_code == 403
    assert api("read").get("/api/schedules").status_code == 200


def test_an_external_one_is_registered_again_and_again_by_the_same_call(api: Api, slot: Slot) -> None:
    client = api("schedule")

    first, second = client.put(ADDRESS, json=VOL), client.put(ADDRESS, json=VOL)

    assert (first.status_code, second.status_code) == (201, 200), second.text
    assert (first.json()["owner"], first.json()["ref"], first.json()["slot"]) == ("openclaw", "daily-vol", "main")
    assert (second.json()["version"], second.json()["id"]) == (1, first.json()["id"])
    assert second.json()["refreshed_at"] > first.json()["refreshed_at"]
    assert not second.json()["stale"]
    changed = client.put(ADDRESS, json={**VOL, "slot": None})
    assert (changed.json()["version"], changed.json()["slot"]) == (2, None)
    kinds = Event.objects.filter(kind__startswith="schedule.").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["schedule.registered", "schedule.changed"]
    assert client.delete(ADDRESS).status_code == 204
    assert client.get(ADDRESS).status_code == 404


def test_registering_an_interval_again_does_not_move_it(api: Api, slot: Slot) -> None:
    client = api("schedule")
    body = {"title": "Scrape", "interval_seconds": 3600}
    first = client.put(ADDRESS, json=body).json()
    assert client.put(ADDRESS, json=body).json()["next_fires"] == first["next_fires"]


def test_only_who_registered_it_or_an_administrator_may_change_it(api: Api, slot: Slot) -> None:
    owner, stranger, person, admin = api("schedule"), api("schedule"), api("schedule", "swap"), api("admin")
    made = owner.put(ADDRESS, json=VOL).json()

    refused = stranger.put(ADDRESS, json={**VOL, "title": "Mine now"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not-your-schedule")
    assert "program-0 (API key) registered" in refused.json()["detail"]
    assert stranger.put("/api/schedules/openclaw/another", json=VOL).status_code == 403
    assert stranger.delete(ADDRESS).status_code == 403
    assert stranger.delete("/api/schedule/daily-vol").status_code == 403
    by_number = f"/api/schedules/{made['id']}"
    assert person.put(by_number, json=NIGHTLY, headers={"If-Match": "*"}).json()["code"] == "external-schedule"
    assert person.delete(by_number, headers={"If-Match": "*"}).json()["code"] == "external-schedule"
    assert Schedule.objects.get().title == "Volatility run"
    assert admin.put(ADDRESS, json={**VOL, "title": "Corrected"}).json()["title"] == "Corrected"
    assert owner.put(ADDRESS, json=VOL).status_code == 200
    assert admin.delete(ADDRESS).status_code == 204


def test_the_owner_of_a_second_key_of_the_same_name_is_the_same_owner(web: str, slot: Slot) -> None:
    for _ in range(2):
        _, text = make_key("openclaw", ["schedule"], by="test")
        answer = httpx.put(f"{web}{ADDRESS}", json=VOL, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "address", ["/api/schedules/9lives/x", "/api/schedules/open%20claw/x", "/api/schedules/a/%2E%2Ex"]
)
def test_bad_names_are_refused(api: Api, slot: Slot, address: str) -> None:
    answer = api("schedule").put(address, json=VOL)
    assert answer.status_code == 400, answer.text
    assert {error["field"] for error in answer.json()["errors"]} <= {"owner", "id"}


def test_the_registry_of_the_existing_product_answers(api: Api, slot: Slot) -> None:
    client = api("schedule")

    made = client.post("/api/schedule", json={"id": "daily vol!", "name": "Daily vol", "cron": "0 6 * * *", "x": 1})
    again = client.post("/api/schedule", json={"id": "dailyvol", "name": "Daily vol", "cron": "0 6 * * *"})
    unnamed = client.post("/api/schedule", json={"next_run": "2027-01-01T06:00:00", "tz": "Europe/Berlin"})

    assert (made.status_code, made.json()["ref"], made.json()["owner"]) == (201, "dailyvol", "program-0")
    assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])
    assert unnamed.status_code == 201 and unnamed.json()["times"] == ["2027-01-01T05:00:00+00:00"]
    assert len(unnamed.json()["ref"]) == 16
    listed = client.get("/api/schedule").json()["schedules"]
    assert [row["title"] for row in listed] == ["Daily vol", unnamed.json()["ref"]]
    assert client.delete(f"/api/schedule/{unnamed.json()['ref']}").status_code == 204
    assert client.delete("/api/schedule/dailyvol").status_code == 204
    assert client.delete("/api/schedule/dailyvol").status_code == 404


def test_the_list_can_be_narrowed(api: Api, slot: Slot) -> None:
    client = api("schedule", "swap")
    client.post("/api/schedules", json=NIGHTLY)
    client.post("/api/schedules", json={"kind": "health_sweep", "interval_seconds": 3600})
    client.put(ADDRESS, json=VOL)

    def kinds(query: str) -> list[str]:
        return [row["kind"] for row in client.get(f"/api/schedules?{query}").json()["results"]]

    assert kinds("") == ["swap", "health_sweep", "external"]
    assert kinds("kind=swap") == ["swap"]
    assert kinds("owner=openclaw") == ["external"]
    assert kinds("slot=main") == ["swap", "external"]
    assert client.get("/api/schedules?kind=tea").status_code == 400


def test_runs_tell_what_became_of_each(api: Api, slot: Slot) -> None:
    client = api("schedule", "swap")
    schedule = client.post("/api/schedules", json=NIGHTLY).json()
    SwapFactory(slot=slot, status=Status.LOADING)

    firing.fire_due(datetime.fromisoformat(schedule["next_fires"][0]))

    (run,) = client.get(f"{schedule['url']}/runs").json()["results"]
    assert (run["fire_at"], run["state"], run["swap"]) == (schedule["next_fires"][0], "refused", None)
    assert run["sentence"].startswith("ana is changing main")


def test_the_plan_has_both_sides_the_lock_and_what_clashes(api: Api, slot: Slot) -> None:
    client = api("schedule", "swap")
    Serving.objects.create(slot=slot, state=ServingState.SERVING, model_key="small")
    ana = Requester("user:ana", Trigger.DASHBOARD)
    locks.acquire(slot, holder="ana", purpose="Trying a prompt", ttl_seconds=3600, by=ana)
    soon = (timezone.now() + timedelta(minutes=30)).isoformat()
    swap = {"kind": "swap", "model": "small", "times": [soon], "expected_duration_seconds": 300}
    client.post("/api/schedules", json=swap)
    client.put(ADDRESS, json={"title": "Volatility run", "times": [soon], "model": "big", "slot": "main"})

    plan = client.get("/api/plan?hours=24&slot=main").json()

    told = {entry["title"]: entry for entry in plan["entries"]}
    assert set(told) == {"Trying a prompt", "Swap to small on main", "Volatility run"}
    assert (told["Trying a prompt"]["kind"], told["Trying a prompt"]["owner"]) == ("lock", "ana")
    codes = {title: {conflict["code"] for conflict in entry["conflicts"]} for title, entry in told.items()}
    assert codes["Swap to small on main"] == {"inside-lock", "overlap"}
    assert codes["Volatility run"] == {"overlap", "model-not-there"}
    assert plan["conflicts"] == 2 and plan["truncated"] == []


def test_the_plan_shows_a_running_swap_until_it_is_expected_to_end(api: Api, slot: Slot) -> None:
    SwapFactory(slot=slot, status=Status.LOADING, model_label="Qwen")
    (entry,) = api("read").get("/api/plan").json()["entries"]
    assert (entry["kind"], entry["source"], entry["title"], entry["owner"]) == ("swap", "swap", "Swap Qwen", "user:ana")
    assert entry["ends_at"] > timezone.now().isoformat()


def test_the_plan_says_what_it_does_not_show(api: Api, slot: Slot) -> None:
    client = api("schedule")
    client.put(ADDRESS, json={"title": "Every minute", "interval_seconds": 60, "expected_duration_seconds": 10})
    plan = client.get("/api/plan").json()
    assert plan["truncated"] == ["Every minute"] and len(plan["entries"]) == 300


@pytest.mark.parametrize("query", ["hours=0", "hours=169", "hours=x"])
def test_a_bad_span_is_refused(api: Api, slot: Slot, query: str) -> None:
    assert api("read").get(f"/api/plan?{query}").status_code == 400
    assert api("read").get("/api/plan?slot=nowhere").status_code == 404
