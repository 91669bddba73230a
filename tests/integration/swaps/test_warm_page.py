"""Warming from the slot hero: two ways, refused like any change, and told with its result."""

import pytest
from django.test import Client

from cluster.models import Slot
from swaps import locks, machine
from swaps.models import Operation, Swap, Trigger
from swaps.requester import Requester
from swaps.states import Status
from tests.pages import ago, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

FIRST = {"warm_kind": "first_token"}


@pytest.fixture
def slot() -> Slot:
    made = two_sparks()
    serve(made, "qwen", since=ago(minutes=9))
    return made


@pytest.fixture
def client(slot: Slot) -> Client:
    return signed_in()


def test_the_hero_offers_it_only_while_something_serves(client: Client, slot: Slot) -> None:
    assert "Warm…" in text_of(client.get("/"))
    serve(slot, state="idle", model_key="", model_label="", served_ids=[])
    assert "Warm…" not in text_of(client.get("/"))


def test_it_says_that_nothing_is_stopped_and_leads_to_its_story(client: Client) -> None:
    text = text_of(client.get("/slots/main/warm"))
    assert "It keeps serving meanwhile; nothing is stopped or started." in text
    response = client.post("/slots/main/warm", FIRST)
    warm = Swap.objects.get()
    assert response.headers["Location"] == f"/swaps/{warm.pk}/"
    assert (warm.operation, warm.actor) == (Operation.WARM, "user:ana")
    assert "Warm The qwen" in text_of(client.get("/"))
    assert "keeps serving meanwhile" in text_of(client.get("/"))


def test_a_prefix_needs_its_text(client: Client) -> None:
    response = client.post("/slots/main/warm", {"warm_kind": "prefix"})
    assert response.status_code == 400
    assert "Give the text that later requests begin with" in text_of(response)
    client.post("/slots/main/warm", {"warm_kind": "prefix", "system": " You are a poet.\n"})
    assert Swap.objects.get().options["system"].strip() == "You are a poet."


def test_somebody_elses_lock_refuses_it(client: Client, slot: Slot) -> None:
    locks.acquire(slot, holder="openclaw", purpose="vol", ttl_seconds=60, by=Requester("key:openclaw", Trigger.API))
    response = client.post("/slots/main/warm", FIRST)
    assert response.status_code == 423
    assert "openclaw (API key) holds the lock of main for “vol”" in text_of(response)


def test_nothing_to_warm_is_said(client: Client, slot: Slot) -> None:
    serve(slot, state="idle")
    assert "so there is nothing to warm" in text_of(client.post("/slots/main/warm", FIRST, follow=True))


def test_the_result_is_told_on_the_hero_and_its_page(client: Client) -> None:
    client.post("/slots/main/warm", FIRST)
    warm = Swap.objects.get()
    machine.advance(warm, Status.WARMING, expect=Status.QUEUED)
    said = "First token after 0.21 s."
    result = {"kind": "first_token", "first_token_seconds": 0.21}
    machine.advance(warm, Status.READY, expect=Status.WARMING, progress=said, percent=100, result=result)
    assert f"Warmed just now . {said}" in text_of(client.get("/"))
    page = text_of(client.get(f"/swaps/{warm.pk}/"))
    assert said in page
    assert "Warmed" in page
    assert "Warm again…" in page
    assert "Warmed" in text_of(client.get("/swaps/"))
