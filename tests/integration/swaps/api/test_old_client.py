"""The sequence existing crons run, with nothing but what they know: the standard library and the documented calls.

acquire, swap with the token, poll, release; 409 and 423 are obeyed. Its names and numbers are those of
reference/upstream-api.md 1.2 and 1.3; where that page knows no shape, every spelling worth taking is tried.
"""

import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections

from cluster.models import Slot
from services.webhooks import actions
from swaps import runner
from swaps.models import ModelDefinition, Swap
from tests.integration.conftest import Api
from tests.integration.services.webhooks.conftest import Motor, wanted
from tests.integration.services.webhooks.receiver import receiver


class OldClient:
    """What a cron does with urllib. It sends no key: where access is `lan-open` it needs none."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": key} if key else {})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, self.headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else {}
        except urllib.error.HTTPError as no:
            with no:
                return no.code, json.loads(no.read())


@pytest.fixture
def worker(slot: Slot, models: dict[str, ModelDefinition]) -> Callable[[], None]:
    """Drives the newest swap beside the test, as the task worker would."""

    def start() -> None:
        def drive() -> None:
            runner.drive(Swap.objects.latest("pk").pk)
            connections.close_all()

        threading.Thread(target=drive).start()

    return start


@pytest.mark.parametrize("access", ["key", "lan-open"])
def test_acquire_swap_poll_release(
    api: Api, web: str, worker: Callable[[], None], settings: LazySettings, access: str
) -> None:
    if access == "lan-open":
        settings.ACCESS_PROFILE = "lan-open"
    key = str(api("lock", "swap").headers["Authorization"])
    cron = OldClient(web, key if access == "key" else "")

    status, lock = cron.call("POST", "/api/swap/lock", {"holder": "nightly", "ttl_seconds": 1200, "note": "eval"})
    assert status == 200
    assert {"held", "holder", "acquired_at", "expires_at", "seconds_remaining", "note", "token"} <= set(lock)
    assert (lock["held"], lock["holder"], lock["note"]) == (True, "nightly", "eval")
    assert lock["acquired_at"].endswith("+00:00") and lock["expires_at"].endswith("+00:00")
    assert lock["seconds_remaining"] in (1199, 1200)

    # The dashboard's own button, and another cron, are kept off while it is held.
    other = OldClient(web, cron.headers.get("Authorization", ""))
    status, no = other.call("POST", "/api/swap", {"model": "small"})
    assert status == 423 and isinstance(no["detail"], str) and no["lock"]["holder"] == "nightly"
    status, no = other.call("POST", "/api/swap/lock", {"holder": "agent"})
    assert status == 409 and no["lock"]["holder"] == "nightly" and "token" not in no["lock"]

    status, swap = cron.call("POST", "/api/swap", {"model": "small", "lock_token": lock["token"]})
    assert status == 202
    worker()
    ends_at = time.monotonic() + 60
    while swap["status"] not in ("ready", "failed", "errored", "cancelled"):
        assert time.monotonic() < ends_at
        time.sleep(0.2)
        status, swap = cron.call("GET", f"/api/swap/{swap['id']}")
        assert status == 200
    assert swap["status"] == "ready"

    status, extended = cron.call("POST", "/api/swap/lock", {"holder": "nightly", "token": lock["token"]})
    assert (status, extended["token"], extended["fence"]) == (200, lock["token"], lock["fence"])
    status, seen = cron.call("GET", "/api/swap/lock")
    assert status == 200 and seen["held"] and "token" not in seen

    assert cron.call("DELETE", "/api/swap/lock", {"token": lock["token"]}) == (204, {})
    assert cron.call("GET", "/api/swap/lock")[1]["held"] is False


def test_the_consumer_of_its_webhook_verifies_the_older_signature(
    api: Api, web: str, slot: Slot, models: dict[str, ModelDefinition], settings: LazySettings
) -> None:
    settings.WEBHOOK_NETWORKS = ["private", "127.0.0.0/8"]
    secret = "a-secret-of-2026"
    cron = OldClient(web, str(api("lock", "swap").headers["Authorization"]))
    with receiver() as inbox:
        actions.add(wanted(inbox.url, event_types=["swap_complete", "swap_failed"]), secret=secret, by="user:ana")
        _, lock = cron.call("POST", "/api/swap/lock", {"holder": "nightly"})
        _, swap = cron.call("POST", "/api/swap", {"model": "small", "lock_token": lock["token"]})
        runner.drive(swap["id"])
        Motor().turn()

    [told] = inbox.calls
    hexed = hmac.new(secret.encode(), told.body, hashlib.sha256).hexdigest()
    assert told.headers["x-spark-signature"] == f"sha256={hexed}"
    assert (told.json["event"], told.json["model"]) == ("swap_complete", "small")
    assert (told.json["type"], told.json["data"]["holder"]) == ("swap_complete", "nightly")


@pytest.mark.parametrize("name", ["model", "key", "model_key"])
@pytest.mark.parametrize("release", ["body", "query"])
def test_spellings_that_are_worth_taking(
    api: Api, web: str, slot: Slot, models: dict[str, ModelDefinition], name: str, release: str
) -> None:
    cron = OldClient(web, str(api("lock", "swap").headers["Authorization"]))
    _, lock = cron.call("POST", "/api/swap/lock", {"holder": "nightly"})
    assert lock["seconds_remaining"] in (899, 900)
    assert cron.call("POST", "/api/swap", {name: "small", "lock_token": lock["token"]})[0] == 202

    path, body = "/api/swap/lock", None
    if release == "query":
        path = f"{path}?token={lock['token']}"
    else:
        body = {"token": lock["token"]}
    assert cron.call("DELETE", path, body)[0] == 204


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (100_000, 86_400)])
def test_a_time_out_of_range_is_bent_not_refused(api: Api, web: str, slot: Slot, asked: int, given: int) -> None:
    cron = OldClient(web, str(api("lock").headers["Authorization"]))
    status, lock = cron.call("POST", "/api/swap/lock", {"holder": "nightly", "ttl_seconds": asked})

    assert (status, lock["seconds_remaining"]) == (200, given)


def test_the_name_alone_does_not_extend(api: Api, web: str, slot: Slot) -> None:
    cron = OldClient(web, str(api("lock").headers["Authorization"]))
    cron.call("POST", "/api/swap/lock", {"holder": "nightly"})

    assert cron.call("POST", "/api/swap/lock", {"holder": "nightly"})[0] == 409


def test_a_browser_page_of_another_site_takes_no_lock(api: Api, web: str, slot: Slot, settings: LazySettings) -> None:
    settings.ACCESS_PROFILE = "lan-open"
    page = OldClient(web)
    page.headers["Origin"] = "http://evil.example"

    assert page.call("POST", "/api/swap/lock", {"holder": "page"})[0] == 403
