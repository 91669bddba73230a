"""Pages of swaps: asking before something changes, once and only once; history and detail."""

import re
from typing import Any

import pytest
from django.test import Client

from cluster.models import Slot
from swaps.models import Operation, Swap, SwapMessage, Trigger
from swaps.states import Status
from tests.pages import a_swap, catalog, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db


@pytest.fixture
def slot() -> Slot:
    made = two_sparks()
    catalog("qwen", "gemma")
    serve(made, "qwen", metrics={"running": 2})
    return made


@pytest.fixture
def client(slot: Slot) -> Client:
    return signed_in()


def hidden(response: Any) -> dict[str, str]:
    """The hidden fields of the page, as a browser sends them back."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', response.content.decode())
    return dict(found)


def press(client: Client, address: str, **more: str) -> Any:
    """Open the question and press its button."""
    return client.post(address.partition("?")[0], hidden(client.get(address)) | more)


def test_it_says_what_a_swap_stops_and_starts_before_it_asks(client: Client) -> None:
    text = text_of(client.get("/swaps/new?slot=main&model=gemma"))
    for words in (
        "Swap main to The gemma?",
        "Stops The qwen on spark-1. 2 running requests are cut off.",
        "Starts The gemma on spark-1. How long it takes is not known yet.",
        "If it fails, bring back The qwen",
    ):
        assert words in text
    assert not Swap.objects.exists()


def test_it_swaps_when_the_button_is_pressed(client: Client) -> None:
    response = press(client, "/swaps/new?model=gemma", rollback="yes")
    swap = Swap.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, f"/swaps/{swap.pk}/")
    assert (swap.actor, swap.trigger, swap.model_key, swap.rollback) == ("user:ana", Trigger.DASHBOARD, "gemma", True)


def test_a_double_click_makes_one_swap_and_shows_it_twice(client: Client) -> None:
    given = hidden(client.get("/swaps/new?model=gemma"))
    first = client.post("/swaps/new", given)
    second = client.post("/swaps/new", given)
    assert Swap.objects.count() == 1
    assert first.headers["Location"] == second.headers["Location"]
    assert "being changed already, by this swap" in text_of(client.get(second.headers["Location"]))


def test_a_stale_page_asks_again_and_says_why(client: Client, slot: Slot) -> None:
    given = hidden(client.get("/swaps/new?model=gemma"))
    serve(slot, "other")
    response = client.post("/swaps/new", given)
    assert response.status_code == 409
    assert "Since that page was opened, something changed on this slot." in text_of(response)
    assert "Stops The other" in text_of(response)
    assert not Swap.objects.exists()
    assert client.post("/swaps/new", hidden(response)).status_code == 302


def test_a_swap_that_came_and_went_meanwhile_makes_a_page_stale(client: Client, slot: Slot) -> None:
    given = hidden(client.get("/swaps/new?model=gemma"))
    a_swap(slot, Status.READY)
    assert client.post("/swaps/new", given).status_code == 409
    assert Swap.objects.count() == 1


def test_a_swap_that_could_never_work_is_refused_with_the_reason(client: Client) -> None:
    big = catalog("big")[0]
    type(big).objects.filter(pk=big.pk).update(nodes=4, args=["-tp", "4"])
    response = press(client, "/swaps/new?model=big")
    assert response.headers["Location"] == "/models/big/"
    assert "needs 4 Sparks; slot main has 2" in text_of(client.get("/models/big/"))
    assert not Swap.objects.exists()


def test_an_unknown_model_or_slot_is_not_found(client: Client) -> None:
    assert client.get("/swaps/new?model=nobody").status_code == 404
    assert client.get("/swaps/new?model=qwen&slot=nowhere").status_code == 404


def test_a_form_of_another_site_is_refused(slot: Slot) -> None:
    client = signed_in(username="eva")
    client.handler.enforce_csrf_checks = True
    response = client.post("/swaps/new", {"model": "gemma", "believed": "0:qwen"})
    assert response.status_code == 403
    assert not Swap.objects.exists()


def test_it_stops_what_serves_after_asking(client: Client) -> None:
    assert "Stops The qwen on spark-1." in text_of(client.get("/slots/main/stop"))
    response = press(client, "/slots/main/stop")
    swap = Swap.objects.get()
    assert (swap.operation, swap.from_model) == (Operation.STOP, "qwen")
    assert "Stop qwen" in text_of(client.get(response.headers["Location"]))


def test_it_says_before_cancelling_what_is_lost_by_then(client: Client, slot: Slot) -> None:
    early = a_swap(slot, Status.PREFLIGHT)
    assert "has not been touched and keeps serving" in text_of(client.get(f"/swaps/{early.pk}/cancel"))
    Swap.objects.all().delete()
    late = a_swap(slot, Status.LOADING)
    assert "nothing will serve" in text_of(client.get(f"/swaps/{late.pk}/cancel"))


def test_it_cancels_and_shows_that_it_does(client: Client, slot: Slot) -> None:
    swap = a_swap(slot, Status.LOADING)
    response = client.post(f"/swaps/{swap.pk}/cancel")
    swap.refresh_from_db()
    assert swap.cancel_requested_at is not None
    assert swap.cancelled_by == "user:ana"
    text = text_of(client.get(response.headers["Location"]))
    assert "Cancelling" in text
    assert "Cancel…" not in text


def test_cancelling_what_has_ended_is_told_not_failed(client: Client, slot: Slot) -> None:
    swap = a_swap(slot, Status.READY)
    response = client.get(f"/swaps/{swap.pk}/cancel", follow=True)
    assert "has already ended" in text_of(response)


def test_it_does_it_again(client: Client, slot: Slot) -> None:
    failed = a_swap(slot, Status.FAILED, key="gemma")
    response = press(client, f"/swaps/{failed.pk}/retry")
    again = Swap.objects.active().get()
    assert again.retry_of == failed
    assert response.headers["Location"] == f"/swaps/{again.pk}/"


def test_a_swaps_page_tells_its_whole_story(client: Client, slot: Slot) -> None:
    swap = a_swap(
        slot, Status.FAILED, diagnosis="vLLM ran out of memory.", remedy="Use less.", evidence="ValueError: KV"
    )
    check = {"code": "ssh", "state": "warning", "sentence": "The disk is nearly full.", "remedy": "", "node": "spark-1"}
    Swap.objects.filter(pk=swap.pk).update(checks=[check], plan=["spark-1$ ./launch-cluster.sh stop"])
    line = {"node": "spark-1", "text": "<b>Loading</b> 7/14"}
    SwapMessage.objects.create(swap=swap, seq=900, kind="log", at=swap.accepted_at, data=line)
    response = client.get(f"/swaps/{swap.pk}/")
    text = text_of(response)
    for words in (
        "vLLM ran out of memory. Use less.",
        "ValueError: KV",
        "The disk is nearly full.",
        "./launch-cluster.sh stop",
    ):
        assert words in text
    assert "&lt;b&gt;Loading&lt;/b&gt; 7/14" in response.content.decode()
    assert re.search(r"Loading , failed", text)


def test_a_running_swaps_page_reloads_itself_without_a_script(client: Client, slot: Slot) -> None:
    page = client.get(f"/swaps/{a_swap(slot, Status.LOADING).pk}/").content.decode()
    assert '<noscript><meta http-equiv="refresh"' in page


def test_the_log_says_from_where_to_go_on(client: Client, slot: Slot) -> None:
    swap = a_swap(slot, Status.LOADING)
    for seq in (50, 51):
        SwapMessage.objects.create(swap=swap, seq=seq, kind="log", at=swap.accepted_at, data={"node": "", "text": "x"})
    assert f'data-watch-swap="{swap.pk}" data-after="51"' in client.get(f"/swaps/{swap.pk}/").content.decode()


def test_the_history_can_be_filtered(client: Client, slot: Slot) -> None:
    a_swap(slot, Status.READY, key="qwen")
    a_swap(slot, Status.FAILED, key="gemma")
    rows = client.get("/swaps/?status=failed&slot=main&actor=ANA").content.decode().partition("<tbody>")[2]
    assert "The gemma" in rows
    assert "The qwen" not in rows
    assert "No swap matches" in text_of(client.get("/swaps/?model=nobody"))


def test_the_history_goes_on_page_by_page_without_gap_or_double(client: Client, slot: Slot) -> None:
    for _ in range(35):
        a_swap(slot, Status.READY)
    first = client.get("/swaps/?actor=ana").content.decode()
    older = re.search(r'href="(\?actor=ana&amp;before=\d+)"', first)
    assert older is not None
    second = client.get(f"/swaps/{older[1].replace('&amp;', '&')}").content.decode()
    numbers = [int(n) for page in (first, second) for n in re.findall(r"#(\d+) on main", page)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers) == 35


def test_htmx_gets_the_rows_alone(client: Client, slot: Slot) -> None:
    a_swap(slot, Status.READY)
    fragment = client.get("/swaps/", headers={"HX-Request": "true"}).content.decode()
    assert fragment.startswith('<div id="swap-rows"')
    assert "<html" not in fragment
