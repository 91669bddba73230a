"""/api/swap over real HTTP, on simulated Sparks, driven by the real machine."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connections
from django.utils import timezone

from cluster.models import Slot
from swaps import runner
from swaps.models import ModelDefinition, Swap, SwapLock
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SlotFactory, SwapFactory
from tests.integration.conftest import Api

Drive = Callable[[int], threading.Thread]


@pytest.fixture
def drive() -> Iterator[Drive]:
    """A task worker's part, beside the test."""
    threads: list[threading.Thread] = []

    def start(swap_id: int) -> threading.Thread:
        threads.append(threading.Thread(target=_drive, args=(swap_id,)))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(timeout=60)


def _drive(swap_id: int) -> None:
    runner.drive(swap_id)
    connections.close_all()


def test_a_swap_is_asked_for_followed_and_serves(
    api: Api, slot: Slot, models: dict[str, ModelDefinition], drive: Drive
) -> None:
    client = api("swap")
    asked = client.post("/api/swap", json={"model": "small"})
    assert asked.status_code == 202
    address = asked.headers["Location"]
    assert address == f"/api/swap/{asked.json()['id']}" == asked.json()["url"]
    assert asked.json()["status"] == "queued"
    assert asked.json()["actor"] == "key:program-0"

    drive(asked.json()["id"])
    answer = asked.json()
    while answer["status"] not in ("ready", "failed", "errored", "cancelled"):
        answer = client.get(address, headers={"Prefer": "wait=20"}).json()

    assert answer["status"] == "ready", answer
    assert [step["phase"] for step in answer["phases"]] == [
        "queued", "preflight", "stopping", "launching", "loading", "verifying",
    ]  # fmt: skip
    assert all(step["state"] == "done" and step["seconds"] is not None for step in answer["phases"])
    assert answer["percent"] == 100 and answer["plan"] and answer["checks"]
    serving = client.get("/api/status").json()["slots"][0]["serving"]
    assert (serving["state"], serving["model"]) == ("serving", "small")
    assert "small" in client.get(f"{address}/log").text


def test_waiting_for_the_end_is_one_call(
    api: Api, slot: Slot, models: dict[str, ModelDefinition], drive: Drive
) -> None:
    client = api("swap")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, "/api/swap", json={"model": "small", "wait": 30})
        while not Swap.objects.exists():
            time.sleep(0.02)
        drive(Swap.objects.get().pk)
        answer = waiting.result()

    assert answer.status_code == 202
    assert answer.json()["status"] == "ready"


def test_a_wait_that_is_too_short_ends_with_the_state_so_far(api: Api) -> None:
    swap = SwapFactory()
    started = time.monotonic()
    answer = api("read").get(f"/api/swap/{swap.pk}", headers={"Prefer": "respond-async, wait=1"})

    assert 0.9 < time.monotonic() - started < 5
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert answer.headers["Retry-After"] == "2"
    assert answer.json()["status"] == "queued"


def test_an_ended_swap_is_answered_at_once(api: Api) -> None:
    swap = SwapFactory(status=Status.READY, ended_at=timezone.now())
    started = time.monotonic()
    answer = api("read").get(f"/api/swap/{swap.pk}", headers={"Prefer": "wait=20"})

    assert answer.json()["status"] == "ready"
    assert time.monotonic() - started < 5


def test_of_two_requests_at_once_one_is_accepted(api: Api) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")
    clients = [api("swap") for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda client: client.post("/api/swap", json={"model": "small"}), clients))

    codes = sorted(answer.status_code for answer in answers)
    assert codes == [202, 409, 409, 409, 409, 409]
    accepted = next(answer for answer in answers if answer.status_code == 202)
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "swap-in-progress"
            assert answer.headers["Location"] == accepted.headers["Location"]
            assert answer.json()["swap"]["id"] == accepted.json()["id"]
            assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("name", ["model", "key", "model_key"])
def test_old_names_of_model_are_taken(api: Api, name: str) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")

    assert api("swap").post("/api/swap", json={name: "small", "slot": "main"}).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid-request"),
        ({"model": "small", "key": "other"}, 400, "invalid-request"),
        ({"model": 7}, 400, "invalid-request"),
        ({"model": "small", "rollback": "yes"}, 400, "invalid-request"),
        ({"model": "small", "wait": 31}, 400, "invalid-request"),
        ({"model": "small", "wait": True}, 400, "invalid-request"),
        ({"model": "small", "deadline_seconds": 1}, 400, "invalid"),
        ({"model": "small", "modle": "x"}, 400, "invalid-request"),
        ({"model": "smal"}, 404, "unknown-model"),
        ({"model": "small", "slot": "nowhere"}, 404, "unknown-slot"),
        ({"model": "small", "lock_token": "slk_x"}, 412, "lock-lost"),
        ({"model": "two-sparks"}, 422, "preflight-refused"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_one_meaning(
    api: Api, body: dict[str, Any], status: int, code: str
) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")
    ModelDefinitionFactory(key="two-sparks", nodes=2, args=["-tp", "2"])
    answer = api("swap").post("/api/swap", json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert isinstance(answer.json()["detail"], str) and answer.json()["detail"]
    assert not Swap.objects.exists()


def test_close_names_are_told(api: Api) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="qwen3-coder")

    assert "qwen3-coder" in api("swap").post("/api/swap", json={"model": "qwen3-codr"}).json()["detail"]


def test_a_dry_run_changes_nothing(api: Api, slot: Slot, models: dict[str, ModelDefinition]) -> None:
    client = api("swap")
    dry = client.post("/api/swap", json={"model": "small", "dry_run": True})
    checked = client.post("/api/swap/small/validate", json={"slot": "main"})

    assert dry.status_code == checked.status_code == 200
    assert dry.json()["ok"] is True and dry.json()["plan"]
    assert {check["state"] for check in dry.json()["checks"]} <= {"ok", "warning"}
    assert dry.json()["checks"] == checked.json()["checks"]
    assert not Swap.objects.exists()


def test_a_running_swap_is_cancelled_once_and_can_be_tried_again(api: Api) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")
    client = api("swap")
    address = client.post("/api/swap", json={"model": "small"}).headers["Location"]

    assert client.post(f"{address}/retry").json()["code"] == "swap-in-progress"
    cancelled = client.post(f"{address}/cancel")
    assert cancelled.status_code == 202 and cancelled.json()["cancel_requested_at"]

    Swap.objects.update(status=Status.CANCELLED, ended_at=timezone.now())
    assert client.post(f"{address}/cancel").json()["code"] == "swap-ended"
    again = client.post(f"{address}/retry")
    assert again.status_code == 202
    assert again.headers["Location"] != address
    assert f"/api/swap/{again.json()['retry_of']}" == address


def test_the_address_of_the_lock_is_not_taken_for_a_swap(api: Api) -> None:
    swap = SwapFactory(slot=SlotFactory(name="main"))
    SwapLock.objects.create(slot=swap.slot, active_swap=swap)
    for path in ("/api/swap/lock", "/api/swap/lock/", "/api/swap/lock?slot=main"):
        lock = api("read").get(path).json()
        assert (lock["held"], lock["slot"], lock["pinned_by"]) == (False, "main", swap.pk)
    assert api("read").get("/api/swap/lock?slot=none").json()["code"] == "unknown-slot"


def test_history_is_filtered(api: Api) -> None:
    slot = SlotFactory(name="main")
    ended = timezone.now()
    old = SwapFactory(slot=slot, status=Status.READY, model_key="a", actor="user:ana", ended_at=ended)
    new = SwapFactory(slot=slot, status=Status.FAILED, model_key="b", actor="key:cron", ended_at=ended)
    client = api("read")

    def ids(query: str) -> list[int]:
        return [swap["id"] for swap in client.get(f"/api/swap?{query}").json()["results"]]

    assert ids("") == [new.pk, old.pk]
    assert ids("status=ready") == ids("model=a") == ids("actor=user:ana") == [old.pk]
    assert ids("slot=other") == []
    assert client.get("/api/swap?status=done").status_code == 400


def test_a_slot_is_stopped(api: Api) -> None:
    SlotFactory(name="main")
    answer = api("swap").post("/api/slots/main/stop")

    assert answer.status_code == 202
    assert answer.json()["operation"] == "stop"


def test_a_slot_is_made_changed_and_kept_while_a_swap_runs(api: Api) -> None:
    head = SlotFactory(name="main").head
    client = api("config")
    made = client.put("/api/slots/second", json={"head": head.name, "port": 8889})
    assert made.status_code == 201 and made.json()["base_url"].endswith(":8889")
    assert client.put("/api/slots/second", json={"head": head.name}).json()["port"] == 8888
    assert [slot["name"] for slot in client.get("/api/slots").json()["results"]] == ["main", "second"]

    SwapFactory(slot=Slot.objects.get(name="second"))
    assert client.put("/api/slots/second", json={"head": head.name}).json()["code"] == "swap-in-progress"


def test_the_story_of_a_long_gone_swap_is_still_told(api: Api) -> None:
    swap = SwapFactory(status=Status.FAILED, ended_at=timezone.now() + timedelta(seconds=5))
    document = api("read").get(f"/api/swap/{swap.pk}").json()

    assert document["phase"] == "failed" and document["eta_seconds"] is None


def test_a_cron_without_origin_may_ask_and_another_page_may_not(api: Api) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")
    client = api("swap")

    foreign = client.post("/api/swap", json={"model": "small"}, headers={"Origin": "http://other.lan"})
    assert foreign.status_code == 403
    assert client.post("/api/swap", json={"model": "small"}).status_code == 202


def test_nobody_without_a_key_starts_anything(web: str) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")

    assert httpx.post(f"{web}/api/swap", json={"model": "small"}).status_code == 401
    assert not Swap.objects.exists()
