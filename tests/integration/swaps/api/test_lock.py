"""/api/swap/lock over real HTTP."""

import http.client
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from cluster.models import Event, Slot
from swaps import lock_waiting, locks
from swaps.models import LockHold, Swap, SwapLock, Trigger
from swaps.requester import Requester
from tests.factories import ModelDefinitionFactory, SlotFactory
from tests.integration.conftest import Api
from tests.simulated_sparks import until

LOCK = "/api/swap/lock"
FORCE = f"{LOCK}/force-release"
TOKEN = "Swap-Lock-Token"
OWN_TOKEN = "0123456789abcdef0123456789abcdef"
ANA = Requester("user:ana", Trigger.API)
SHOWN = {
    "held", "holder", "note", "purpose", "taken_by", "acquired_at", "renewed_at", "expires_at", "seconds_remaining",
    "ttl_seconds", "server_time", "fence", "slot", "held_by", "pinned_by", "active_swap", "idle_seconds", "idle_hint",
}  # fmt: skip


@pytest.fixture
def slot(transactional_db: None) -> Slot:
    ModelDefinitionFactory(key="small")
    return SlotFactory(name="main")


def taken(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(LOCK, json={"holder": "cron", **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_it_is_taken_looked_at_renewed_and_released(api: Api, slot: Slot) -> None:
    client = api("lock")
    grant = taken(client, note="nightly eval", ttl_seconds=600)
    assert set(grant) == SHOWN | {"token"}
    assert (grant["held"], grant["holder"], grant["note"], grant["purpose"]) == (
        True, "cron", "nightly eval", "nightly eval",
    )  # fmt: skip
    assert grant["expires_at"].endswith("+00:00") and grant["seconds_remaining"] == 600

    seen = client.get(LOCK).json()
    assert set(seen) == SHOWN and seen["fence"] == grant["fence"]

    renewed = client.put(LOCK, headers={TOKEN: grant["token"]})
    assert renewed.status_code == 200 and set(renewed.json()) == SHOWN
    assert renewed.json()["expires_at"] > grant["expires_at"]

    assert client.delete(LOCK, headers={TOKEN: grant["token"]}).status_code == 204
    free = client.get(LOCK).json()
    assert (free["held"], free["holder"], free["fence"]) == (False, None, grant["fence"])


def test_the_default_is_fifteen_minutes_and_purpose_is_note(api: Api, slot: Slot) -> None:
    grant = taken(api("lock"), purpose="eval")

    assert (grant["ttl_seconds"], grant["note"]) == (900, "eval")


def test_a_second_holder_gets_409_with_the_lock_and_when_to_come_back(api: Api, slot: Slot) -> None:
    taken(api("lock"), ttl_seconds=45, note="eval")
    refused = api("lock").post(LOCK, json={"holder": "agent"})

    no = refused.json()
    assert (refused.status_code, no["code"]) == (409, "lock-held")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert set(no["lock"]) == SHOWN and no["lock"]["holder"] == "cron"
    assert no["retry_after"] == int(refused.headers["Retry-After"]) in (44, 45)
    assert "cron (API key program-0) holds the lock of main for “eval”" in no["detail"]


def test_the_same_name_without_its_token_is_somebody_else(api: Api, slot: Slot) -> None:
    client = api("lock")
    taken(client)
    refused = client.post(LOCK, json={"holder": "cron"})

    assert (refused.status_code, refused.json()["code"]) == (409, "lock-held-by-you")
    assert refused.json()["lock"]["holder"] == "cron"


@pytest.mark.parametrize("where", ["body", "header"])
def test_with_its_token_it_is_extended_under_the_same_fence(api: Api, slot: Slot, where: str) -> None:
    client = api("lock")
    first = taken(client)
    body = {"token": first["token"]} if where == "body" else {}
    headers = {TOKEN: first["token"]} if where == "header" else {}
    again = client.post(LOCK, json={"holder": "cron", "ttl_seconds": 60, **body}, headers=headers).json()

    assert (again["fence"], again["token"], again["ttl_seconds"]) == (first["fence"], first["token"], 60)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "holder"),
        ({"holder": ""}, "holder"),
        ({"holder": 7}, "holder"),
        ({"holder": "a\u202eb"}, "holder"),
        ({"holder": "x" * 81}, "holder"),
        ({"holder": "cron", "note": "a\tb"}, "purpose"),
        ({"holder": "cron", "note": "x", "purpose": "y"}, "purpose"),
        ({"holder": "cron", "token": "short"}, "token"),
        ({"holder": "cron", "ttl_seconds": "60"}, "ttl_seconds"),
        ({"holder": "cron", "wait": 31}, "wait"),
        ({"holder": "cron", "wait": -1}, "wait"),
        ({"holder": "cron", "hodler": "x"}, "hodler"),
    ],
)
def test_what_is_malformed_names_its_field(api: Api, slot: Slot, body: dict[str, Any], field: str) -> None:
    refused = api("lock").post(LOCK, json=body)

    assert refused.status_code == 400, refused.text
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert not locks.look(slot).held


def test_renewing_and_releasing_need_a_token_that_is_still_good(api: Api, slot: Slot) -> None:
    client = api("lock")
    for method in ("PUT", "DELETE"):
        missing = client.request(method, LOCK)
        assert (missing.status_code, missing.json()["code"]) == (428, "token-missing")
    assert client.delete(LOCK, headers={TOKEN: OWN_TOKEN}).json()["code"] == "lock-not-held"
    assert client.delete(LOCK, headers={TOKEN: OWN_TOKEN}).status_code == 404

    taken(client)
    for method in ("PUT", "DELETE"):
        lost = client.request(method, LOCK, headers={TOKEN: OWN_TOKEN})
        assert (lost.status_code, lost.json()["code"]) == (412, "lock-lost")
        assert lost.json()["lock"]["holder"] == "cron"


@pytest.mark.parametrize("where", ["header", "body", "query"])
def test_a_release_finds_its_token_where_clients_put_it(api: Api, slot: Slot, where: str) -> None:
    client = api("lock")
    token = taken(client)["token"]
    given: dict[str, dict[str, Any]] = {
        "header": {"headers": {TOKEN: token}},
        "body": {"json": {"token": token}},
        "query": {"params": {"token": token}},
    }

    assert client.request("DELETE", LOCK, **given[where]).status_code == 204
    assert client.request("DELETE", LOCK, **given[where]).status_code == 204  # a lost answer may be asked for again


def test_a_lock_is_of_one_slot(api: Api, slot: Slot) -> None:
    SlotFactory(name="second", is_default=False)
    client = api("lock")
    grant = taken(client, slot="second")

    assert client.get(LOCK).json()["held"] is False
    assert client.get(LOCK, params={"slot": "second"}).json()["held"] is True
    assert client.put(LOCK, json={"slot": "second", "token": grant["token"]}).status_code == 200
    gone = client.delete(LOCK, params={"slot": "second"}, headers={TOKEN: grant["token"]})
    assert gone.status_code == 204
    assert client.post(LOCK, json={"holder": "cron", "slot": "nowhere"}).json()["code"] == "unknown-slot"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_takes_the_scope_lock(api: Api, slot: Slot, method: str) -> None:
    for scopes in (("read",), ("swap",)):
        assert api(*scopes).request(method, LOCK, json={"holder": "cron"}).json()["code"] == "scope-missing"


# Enforcement


def test_every_call_that_changes_the_slot_asks_for_the_token(api: Api, slot: Slot) -> None:
    holder, other = api("lock", "swap"), api("swap")
    past = other.post("/api/swap", json={"model": "small"}).json()["id"]
    Swap.objects.update(status="failed")
    grant = taken(holder, note="eval")

    for path in ("/api/swap", "/api/slots/main/stop", f"/api/swap/{past}/retry"):
        body = {"model": "small"} if path == "/api/swap" else {}
        refused = other.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (423, "lock-held"), refused.text
        assert refused.json()["lock"]["holder"] == "cron" and refused.headers["Retry-After"]
        stale = other.post(path, json={**body, "lock_token": OWN_TOKEN})
        assert (stale.status_code, stale.json()["code"]) == (412, "lock-lost")
    assert Swap.objects.count() == 1

    accepted = other.post("/api/swap", json={"model": "small"}, headers={TOKEN: grant["token"]})
    assert accepted.status_code == 202
    assert accepted.json()["lock"] == {"holder": "cron", "fence": grant["fence"]}
    pinned = holder.get(LOCK).json()
    assert (pinned["held"], pinned["pinned_by"]) == (True, accepted.json()["id"])


def test_the_same_words_everywhere(api: Api, slot: Slot) -> None:
    taken(api("lock"), note="eval", ttl_seconds=86_400)
    words = locks.look(slot).refusal_sentence().split("(in")[0]
    swap = api("swap").post("/api/swap", json={"model": "small"}).json()["detail"]
    lock = api("lock").post(LOCK, json={"holder": "agent"}).json()["detail"]

    assert swap.split("(in")[0] == lock.split("(in")[0] == words


def test_during_the_holders_swap_others_hear_of_the_lock_first(api: Api, slot: Slot) -> None:
    holder = api("lock", "swap")
    token = taken(holder)["token"]
    mine = holder.post("/api/swap", json={"model": "small", "lock_token": token}).json()["id"]

    assert api("swap").post("/api/swap", json={"model": "small"}).status_code == 423
    twice = holder.post("/api/swap", json={"model": "small", "lock_token": token})
    assert (twice.status_code, twice.json()["code"]) == (409, "swap-in-progress")
    assert api("swap").post(f"/api/swap/{mine}/cancel").status_code == 423
    assert api("swap").post(f"/api/swap/{mine}/cancel", json={"lock_token": token}).status_code == 202


def test_force_release_has_a_scope_a_reason_and_a_fence(api: Api, slot: Slot) -> None:
    grant = taken(api("lock"))
    body = {"fence": grant["fence"], "reason": "its script hangs since noon"}
    assert api("lock").post(FORCE, json=body).json()["code"] == "scope-missing"
    admin = api("lock:force")
    assert admin.post(FORCE, json={"fence": grant["fence"]}).status_code == 400
    assert admin.post(FORCE, json={**body, "reason": "because"}).json()["errors"][0]["field"] == "reason"
    assert admin.post(FORCE, json={**body, "fence": grant["fence"] + 1}).status_code == 412

    freed = admin.post(FORCE, json=body)
    assert freed.status_code == 200 and freed.json()["held"] is False and freed.json()["fence"] > grant["fence"]
    told = Event.objects.get(kind="lock.forced")
    assert told.data["reason"] == body["reason"] and told.actor.startswith("key:program-")
    delayed = api("lock").post(LOCK, json={"holder": "cron"})
    assert (delayed.status_code, delayed.json()["code"]) == (409, "lock-delay")
    assert admin.post(LOCK, json={"holder": "admin"}).status_code == 200


def test_force_release_during_a_swap_wants_to_be_told_so(api: Api, slot: Slot) -> None:
    holder, admin = api("lock", "swap"), api("lock:force")
    grant = taken(holder)
    swap = holder.post("/api/swap", json={"model": "small", "lock_token": grant["token"]}).json()
    body = {"fence": grant["fence"], "reason": "the demo starts now"}

    refused = admin.post(FORCE, json=body)
    assert (refused.status_code, refused.headers["Location"]) == (409, swap["url"])
    assert admin.post(FORCE, json={**body, "cancel_swap": True}).status_code == 200
    assert holder.get(swap["url"]).json()["cancel_requested_at"]


# Waiting


def test_a_waiting_caller_gets_it_when_it_is_released(api: Api, slot: Slot) -> None:
    holder, waiter = api("lock"), api("lock")
    token = taken(holder)["token"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter.post, LOCK, json={"holder": "agent", "wait": 20})
        time.sleep(1)
        assert not waiting.done()
        released_at = time.monotonic()
        holder.delete(LOCK, headers={TOKEN: token})
        answer = waiting.result(timeout=20)

    assert answer.status_code == 200 and answer.json()["holder"] == "agent"
    assert time.monotonic() - released_at < 2


def test_a_waiting_caller_gets_it_when_it_expires(api: Api, slot: Slot) -> None:
    taken(api("lock"), ttl_seconds=2)
    asked_at = time.monotonic()
    answer = api("lock").post(LOCK, json={"holder": "agent", "wait": 20})

    assert answer.status_code == 200
    assert 1 < time.monotonic() - asked_at < 4


def test_a_wait_that_ends_in_vain_says_who_has_it(api: Api, slot: Slot) -> None:
    taken(api("lock"))
    asked_at = time.monotonic()
    answer = api("lock").post(LOCK, json={"holder": "agent", "wait": 1})

    assert (answer.status_code, answer.json()["lock"]["holder"]) == (409, "cron")
    assert 0.9 < time.monotonic() - asked_at < 3


def test_a_waiting_caller_who_hangs_up_gets_nothing(api: Api, slot: Slot, web: str) -> None:
    """Otherwise the lock would go to somebody who never learns of it."""
    holder = api("lock")
    token = taken(holder)["token"]
    key = api("lock").headers["Authorization"]
    caller = http.client.HTTPConnection(urlsplit(web).netloc, timeout=30)
    body = b'{"holder": "gone", "wait": 20}'
    caller.request("POST", LOCK, body, {"Authorization": key, "Content-Type": "application/json"})
    time.sleep(1)
    caller.close()
    time.sleep(0.5)

    holder.delete(LOCK, headers={TOKEN: token})

    time.sleep(2)
    assert not locks.look(slot).held


def test_whenever_a_waiting_caller_hangs_up_it_gets_nothing(api: Api, slot: Slot, web: str) -> None:
    """Also between two looks, when nothing that waits in the server can be interrupted; and those who stay get it."""
    holder, key = api("lock"), api("lock").headers["Authorization"]
    headers = {"Authorization": key, "Content-Type": "application/json"}
    token = taken(holder)["token"]
    callers = [http.client.HTTPConnection(urlsplit(web).netloc, timeout=30) for _ in range(8)]
    for number, caller in enumerate(callers):
        caller.request("POST", LOCK, f'{{"holder": "gone-{number}", "wait": 20}}'.encode(), headers)
    time.sleep(1.5)
    for _ in range(3):  # each bell wakes them all for up to a quarter of a second, in which they are no one's to cancel
        lock_waiting.ring(slot.pk)
        Event.objects.create(kind="lock.released", slot=slot, sentence="a bell", actor="test")
    for caller in callers:
        time.sleep(0.03)
        caller.close()
    time.sleep(0.3)
    holder.delete(LOCK, headers={TOKEN: token})
    stays = api("lock").post(LOCK, json={"holder": "stays", "wait": 10})

    assert stays.status_code == 200
    assert [hold.holder for hold in LockHold.objects.order_by("id")] == ["cron", "stays"]


def hangs_up(slot: Slot, token: str, meanwhile: Callable[[], object]) -> Callable[[], bool]:
    """A caller who waits, gets the lock that is released then, and is gone before it can be told."""
    said: list[bool] = []

    def has_hung_up() -> bool:
        if not said:
            locks.release(slot, token)
        if len(said) == 2:
            meanwhile()
        said.append(len(said) >= 2)
        return said[-1]

    return has_hung_up


def test_who_hangs_up_in_the_moment_of_the_grant_gets_nothing(slot: Slot) -> None:
    first = locks.acquire(slot, holder="cron", purpose="", ttl_seconds=600, by=ANA)
    gone = hangs_up(slot, first.token, lambda: None)
    locks.acquire(slot, holder="gone", purpose="", ttl_seconds=600, by=ANA, wait_seconds=20, has_hung_up=gone)

    assert not locks.look(slot).held
    assert Event.objects.latest("id").sentence == "gone hung up before getting main's lock."


def test_who_asked_again_with_its_own_token_keeps_what_it_got(slot: Slot) -> None:
    """Its first call broke off, its second has the answer."""
    first = locks.acquire(slot, holder="cron", purpose="", ttl_seconds=600, by=ANA)
    again = partial(locks.acquire, slot, holder="agent", purpose="", ttl_seconds=600, token=OWN_TOKEN, by=ANA)
    answers: list[locks.Grant] = []

    def ask_again() -> None:
        time.sleep(0.01)  # the clock of SQLite counts milliseconds
        answers.append(again())

    gone = hangs_up(slot, first.token, ask_again)
    again(wait_seconds=20, has_hung_up=gone)

    assert locks.look(slot).holder == "agent" and answers[0].token == OWN_TOKEN


def test_waiting_holds_no_connection_to_the_database(api: Api, slot: Slot) -> None:
    """A hundred waiters would otherwise be a hundred connections."""
    locks.acquire(slot, holder="ana", purpose="", ttl_seconds=600, by=ANA)
    with ThreadPoolExecutor(20) as pool:
        clients = [api("lock") for _ in range(20)]
        waiting = [pool.submit(client.post, LOCK, json={"holder": "w", "wait": 3}) for client in clients]
        time.sleep(1.5)
        SwapLock.objects.filter(slot=slot).update(purpose="still writable")
        assert until(lambda: api("read").get(LOCK).status_code == 200, 5)
        codes = {answer.result(timeout=30).status_code for answer in waiting}

    assert codes == {409}


def test_fifty_equal_calls_at_once_are_one_hold(api: Api, slot: Slot) -> None:
    clients = [api("lock") for _ in range(10)]

    def ask(number: int) -> httpx.Response:
        return clients[number % 10].post(LOCK, json={"holder": "cron", "token": OWN_TOKEN})

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(ask, range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["fence"] for answer in answers}) == 1
    assert Event.objects.filter(kind="lock.acquired").count() == 1
