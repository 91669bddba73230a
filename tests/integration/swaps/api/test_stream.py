"""A swap as it happens, over SSE and the WebSocket: every row once, in order, from wherever one was."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connections
from django.test import Client

from cluster import events
from sparkcontrol.routing import websockets
from swaps import machine
from swaps.models import Swap
from swaps.states import Status
from tests.factories import SwapFactory, UserFactory
from tests.integration.conftest import Api

LOG = [("log", {"node": "spark-1", "text": f"line {n}"}) for n in range(5)]


@pytest.fixture
def swap(transactional_db: None) -> Swap:
    row: Swap = SwapFactory()
    machine.accept(row)
    return row


def happens(swap: Swap, *entries: tuple[str, dict[str, Any]]) -> None:
    machine.tell(swap, list(entries))


def ends(swap: Swap) -> None:
    machine.advance(swap, Status.FAILED, expect=swap.state)


def heard(lines: Iterator[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(id, event, data) of each event; comments and `retry` are skipped."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def stream(client: httpx.Client, swap: Swap, **headers: str) -> list[tuple[int, str, dict[str, Any]]]:
    with client.stream("GET", f"/api/swap/{swap.pk}/stream", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        return list(heard(response.iter_lines()))


def test_an_ended_swap_is_told_from_its_start_and_closes(api: Api, swap: Swap) -> None:
    happens(swap, *LOG)
    ends(swap)
    told = stream(api("read"), swap)

    assert [seq for seq, _, _ in told] == list(range(1, swap.last_seq + 1))
    assert [kind for _, kind, _ in told] == ["phase", *["log"] * 5, "end"]
    assert told[1][2]["text"] == "line 0" and told[1][2]["node"] == "spark-1"
    assert told[-1][2]["status"] == "failed"


def test_it_resumes_behind_the_last_event_one_has(api: Api, swap: Swap) -> None:
    happens(swap, *LOG)
    ends(swap)
    told = stream(api("read"), swap, **{"Last-Event-ID": "4"})

    assert [seq for seq, _, _ in told] == [5, 6, 7]


def test_whoever_has_all_of_an_ended_swap_is_told_to_stop_asking(api: Api, swap: Swap) -> None:
    ends(swap)
    answer = api("read").get(f"/api/swap/{swap.pk}/stream", headers={"Last-Event-ID": str(swap.last_seq)})

    assert answer.status_code == 204


@pytest.mark.parametrize("given", ["-1", "x", "1.5", "99999999999"])
def test_a_position_that_cannot_be_is_400(api: Api, swap: Swap, given: str) -> None:
    answer = api("read").get(f"/api/swap/{swap.pk}/stream", headers={"Last-Event-ID": given})

    assert answer.status_code == 400 and answer.json()["errors"][0]["field"] == "after"


def test_what_happens_while_many_watch_reaches_all_once_and_in_order(api: Api, swap: Swap) -> None:
    clients = [api("read") for _ in range(8)]
    told: list[list[int]] = [[] for _ in clients]

    def watch(number: int) -> None:
        told[number] = [seq for seq, _, _ in stream(clients[number], swap)]

    watchers = [threading.Thread(target=watch, args=(number,)) for number in range(len(clients))]
    for number, watcher in enumerate(watchers):
        watcher.start()
        happens(swap, *[("log", {"node": "spark-1", "text": f"{number}.{n}"}) for n in range(20)])
    ends(swap)
    for watcher in watchers:
        watcher.join(timeout=20)

    assert all(seqs == list(range(1, swap.last_seq + 1)) for seqs in told)


def test_the_log_is_text_and_can_be_continued(api: Api, swap: Swap) -> None:
    happens(swap, *LOG)
    client = api("read")
    whole = client.get(f"/api/swap/{swap.pk}/log")
    rest = client.get(f"/api/swap/{swap.pk}/log?after=4")

    assert whole.headers["Content-Type"].startswith("text/plain")
    assert whole.text.splitlines() == [f"spark-1: line {n}" for n in range(5)]
    assert rest.text.splitlines() == [f"spark-1: line {n}" for n in (3, 4)]
    assert whole.headers["Last-Seq"] == "6"


def test_a_stream_needs_the_scope_read(api: Api, swap: Swap) -> None:
    for client, status in ((api(), 401), (api("gateway"), 403)):
        answer = client.get(f"/api/swap/{swap.pk}/stream", headers={"Accept": "text/event-stream"})
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"


# The WebSocket


@pytest.fixture
def ana(transactional_db: None) -> AbstractBaseUser:
    user: AbstractBaseUser = UserFactory(username="ana")
    return user


@pytest.fixture
def session(ana: AbstractBaseUser) -> str:
    browser = Client()
    browser.force_login(ana)  # type: ignore[arg-type]
    return browser.cookies["sparkcontrol_session"].value


def socket(session: str = "", origin: str = "http://localhost:9999") -> WebsocketCommunicator:
    headers = [(b"cookie", f"sparkcontrol_session={session}".encode()), (b"host", b"localhost:9999")]
    if origin:
        headers.append((b"origin", origin.encode()))
    return WebsocketCommunicator(websockets, "/ws/live", headers=headers)


async def in_thread(work: Any, *args: Any) -> None:
    """Write as another process would: on its own connection."""

    def run() -> None:
        work(*args)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


async def test_a_watched_swap_is_told_from_its_start_and_goes_on(session: str, swap: Swap) -> None:
    live = socket(session)
    assert (await live.connect())[0]
    await live.send_json_to({"watch": "swap", "id": swap.pk})
    first = await live.receive_json_from(timeout=5)
    await in_thread(happens, swap, *LOG)
    lines = [await live.receive_json_from(timeout=5) for _ in LOG]

    assert (first["type"], first["seq"], first["phase"], first["label"]) == ("phase", 1, "queued", "Queued")
    assert [line["seq"] for line in lines] == [2, 3, 4, 5, 6]
    assert lines[0]["type"] == "log" and lines[0]["swap"] == swap.pk and lines[0]["text"] == "line 0"
    await live.disconnect()


async def test_a_watched_swap_is_told_from_where_one_was(session: str, swap: Swap) -> None:
    await in_thread(happens, swap, *LOG)
    live = socket(session)
    await live.connect()
    await live.send_json_to({"watch": "swap", "id": swap.pk, "after": 5})

    assert (await live.receive_json_from(timeout=5))["seq"] == 6
    await live.disconnect()


async def test_events_are_told_from_now_on_and_say_only_what_they_concern(session: str, swap: Swap) -> None:
    live = socket(session)
    await live.connect()
    await live.send_json_to({"watch": "events"})
    assert await live.receive_nothing(timeout=0.3)
    await in_thread(lambda: events.record("swap.phase", "A secret sentence.", slot=swap.slot))

    message = await live.receive_json_from(timeout=5)
    assert message == {
        "type": "event", "id": message["id"], "kind": "swap.phase", "slot": swap.slot.name, "spark": None,
    }  # fmt: skip
    await live.send_json_to({"unwatch": "events"})
    await live.send_json_to({"nonsense": 1})
    assert (await live.receive_json_from(timeout=5))["type"] == "error"  # so it has heard the one before, too
    await in_thread(lambda: events.record("swap.phase", "x"))
    assert await live.receive_nothing(timeout=1.3)
    await live.disconnect()


@pytest.mark.parametrize("origin", ["http://evil.example", "", "null"])
async def test_another_site_gets_no_socket(session: str, origin: str) -> None:
    live = socket(session, origin)

    assert (await live.connect())[0] is False


@pytest.mark.parametrize("session_key", ["", "nonsense", "x" * 32])
async def test_nobody_signed_in_hears_nothing(transactional_db: None, session_key: str) -> None:
    live = socket(session_key)
    await live.connect()

    assert (await live.receive_output(timeout=5)) == {"type": "websocket.close", "code": 4401}


async def test_who_listens_is_asked_again_with_every_message(session: str, ana: AbstractBaseUser, swap: Swap) -> None:
    live = socket(session)
    await live.connect()
    await in_thread(lambda: get_user_model().objects.update(is_active=False))
    await live.send_json_to({"watch": "swap", "id": swap.pk})

    assert (await live.receive_output(timeout=5))["type"] == "websocket.close"


NONSENSE = [
    "{",
    "[]",
    "7",
    '{"watch": "passwords"}',
    '{"watch": "swap", "id": "1"}',
    '{"watch": "swap", "id": -1}',
    '{"watch": "swap", "id": 1, "after": true}',
    '{"watch": ["swap"]}',
    '{"hello": 1}',
]


@pytest.mark.parametrize("text", NONSENSE)
async def test_nonsense_is_answered_not_obeyed(session: str, text: str) -> None:
    live = socket(session)
    await live.connect()
    await live.send_to(text_data=text)

    assert (await live.receive_json_from(timeout=5))["type"] == "error"
    await live.disconnect()


async def test_one_socket_watches_a_limited_number_of_things(session: str) -> None:
    live = socket(session)
    await live.connect()
    for number in range(21):
        await live.send_json_to({"watch": "swap", "id": 1000 + number})

    assert (await live.receive_json_from(timeout=5))["code"] == "too-many-watches"
    await live.disconnect()
