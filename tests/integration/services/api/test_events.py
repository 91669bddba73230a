"""/api/events: nothing is missed and nothing comes twice, wherever a client was and whatever happened to the server."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connections
from django.utils import timezone

from cluster import event_feed, events
from cluster.models import Event
from services.actions import make_key
from services.api import events as stream_of_events
from tests.child_process import child_process
from tests.factories import SlotFactory
from tests.integration.conftest import Api
from tests.simulated_sparks import until

Told = tuple[int, str, dict[str, Any]]


def happens(kind: str = "lock.acquired", times: int = 1, **about: Any) -> list[int]:
    return [events.record(kind, f"{kind} {n}.", **about).pk for n in range(times)]


def told(lines: Iterator[str]) -> Iterator[Told]:
    """(id, event, data) of each event."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line:
            if "data" in fields:
                yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def first(client: httpx.Client, count: int, query: str = "", **headers: str) -> list[Told]:
    with client.stream("GET", f"/api/events{query}", headers=headers) as response:
        assert response.status_code == 200, response.read()
        found = told(response.iter_lines())
        return [next(found) for _ in range(count)]


def test_a_newcomer_hears_what_happens_from_now_on(api: Api) -> None:
    happens()
    with api("read").stream("GET", "/api/events") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.iter_lines()
        next(lines)  # the stream has begun
        (new,) = happens("model.drifted", data={"state": "idle"})
        number, name, data = next(told(lines))

    assert (number, name) == (new, "model.drifted")
    assert data["sentence"] == "model.drifted 0." and data["id"] == new


def test_a_client_that_comes_again_hears_what_it_missed(api: Api) -> None:
    ids = happens(times=5)
    assert [number for number, _, _ in first(api("read"), 3, **{"Last-Event-ID": str(ids[1])})] == ids[2:]
    assert [number for number, _, _ in first(api("read"), 3, f"?after={ids[1]}")] == ids[2:]


def test_events_have_the_names_that_webhooks_use(api: Api) -> None:
    (before,) = happens()
    happens("swap.ended", data={"status": "ready", "model": "qwen"})
    happens("swap.ended", data={"status": "failed", "model": "qwen"})
    happens("swap.phase")
    assert [name for _, name, _ in first(api("read"), 3, f"?after={before}")] == [
        "swap_complete",
        "swap_failed",
        "swap.phase",
    ]


def test_a_client_may_choose_types_and_a_slot(api: Api) -> None:
    main, other = SlotFactory(name="main"), SlotFactory(name="other")
    (before,) = happens()
    happens("lock.forced", slot=other)
    happens("swap.phase", slot=main)
    (wanted,) = happens("lock.forced", slot=main)
    (last,) = happens("spark.down", slot=main)
    query = f"?after={before}&type=lock.*,spark.down&slot=main"
    assert [number for number, _, _ in first(api("read"), 2, query)] == [wanted, last]


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?type=%00", "?type=a..b", "?slot=%00"])
def test_what_makes_no_sense_is_refused(api: Api, query: str) -> None:
    assert api("read").get(f"/api/events{query}").status_code == 400


def test_it_needs_the_scope_read(api: Api) -> None:
    assert api("gateway").get("/api/events").status_code == 403
    assert api().get("/api/events").status_code == 401


def test_who_was_away_too_long_is_told_so_and_goes_on_from_now(api: Api) -> None:
    old, *_ = happens(times=3)
    Event.objects.filter(pk__gt=old).update(at=timezone.now() - timedelta(hours=25))
    number, name, data = first(api("read"), 1, f"?after={old}")[0]
    assert (name, number, data["snapshot"]) == ("reset", event_feed.newest(), "/api/status")
    happens()
    assert [name for _, name, _ in first(api("read"), 1, f"?after={number}")] == ["lock.acquired"]


def test_who_missed_too_much_is_told_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_of_events, "REPLAY_EVENTS", 3)
    client = api("read")
    ids = happens(times=5)
    assert first(client, 1, f"?after={ids[0]}")[0][1] == "reset"
    assert first(client, 1, f"?after={ids[1]}")[0][1] == "lock.acquired"


def test_an_id_of_a_later_journal_than_ours_is_a_reset(api: Api) -> None:
    happens()
    assert first(api("read"), 1, "?after=999999")[0][1] == "reset"


def test_a_quiet_stream_shows_that_it_lives_and_moves_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_of_events, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(stream_of_events, "LONGEST_SECONDS", 1.0)
    client = api("read")
    (before,) = happens()
    (unwanted,) = happens("spark.up")
    lines = client.get(f"/api/events?after={before}&type=lock.*").text.splitlines()
    assert ": still here" in lines and lines[lines.index(": still here") + 1] == f"id: {unwanted}"


def test_a_web_process_killed_in_the_middle_loses_and_doubles_nothing(transactional_db: None) -> None:
    _, key = make_key("follower", ["read"], by="test")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made: list[int] = happens()
    heard: list[int] = []
    ended = threading.Event()

    def follow() -> None:
        """As any client does: come again with the last id."""
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}) as client:
            while not ended.is_set():
                try:
                    position = str(heard[-1] if heard else made[0])
                    with client.stream(
                        "GET", "/api/events", headers={"Last-Event-ID": position}, timeout=5
                    ) as response:
                        heard.extend(number for number, _, _ in _until(ended, told(response.iter_lines())))
                except httpx.HTTPError:
                    ended.wait(0.1)

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        for _ in range(2):
            with child_process("-m", "tests.integration.services.api.web_process", str(port)):
                before = len(heard)
                made += happens(times=40)
                until(lambda before=before: len(heard) > before, seconds=40)
                made += happens(times=40)
            made += happens(times=20)  # while nobody serves
        with child_process("-m", "tests.integration.services.api.web_process", str(port)):
            until(lambda: len(heard) >= len(made) - 1, seconds=40)
            made += happens("ping")
            until(lambda: heard[-1] == made[-1])
    finally:
        ended.set()
        follower.join(timeout=10)
        connections.close_all()
    assert heard == made[1:]


def _until(ended: threading.Event, found: Iterator[Told]) -> Iterator[Told]:
    for one in found:
        yield one
        if ended.is_set():
            return
