"""The lock on the pages: the pill everywhere, taking it, being refused, taking it away."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from cluster.models import Event, Slot
from swaps import locks
from swaps.lock_rules import hash_of
from swaps.models import Swap, SwapLock, Trigger
from swaps.requester import Requester
from swaps.states import Status
from tests.factories import SlotFactory
from tests.pages import a_swap, catalog, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

PROGRAM = Requester("key:openclaw", Trigger.API)


@pytest.fixture
def slot() -> Slot:
    made = two_sparks()
    catalog("qwen", "gemma")
    serve(made, "qwen")
    return made


@pytest.fixture
def client(slot: Slot) -> Client:
    return signed_in()


def staff(name: str) -> Client:
    return signed_in(username=name, is_superuser=False)


def hidden(response: Any) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', response.content.decode()))


def held_by_program(slot: Slot, purpose: str = "daily vol run", ttl_seconds: int = 600) -> locks.Grant:
    return locks.acquire(slot, holder="openclaw", purpose=purpose, ttl_seconds=ttl_seconds, by=PROGRAM)


def take(client: Client, purpose: str = "evaluation", minutes: int = 20) -> Any:
    return client.post("/slots/main/lock/take", {"purpose": purpose, "minutes": minutes})


def test_the_pill_is_on_every_page(client: Client) -> None:
    for address in ("/", "/models/", "/swaps/", "/sparks/", "/settings/"):
        assert "GPU free" in text_of(client.get(address)), address


def test_each_of_several_slots_has_its_pill(client: Client, slot: Slot) -> None:
    SlotFactory(name="small", label="Small models")
    held_by_program(slot)
    text = text_of(client.get("/models/"))
    assert "Small models: GPU free" in text
    assert "main: held by openclaw until" in text


def test_the_pill_says_who_until_when_and_what_for(client: Client, slot: Slot) -> None:
    grant = held_by_program(slot, ttl_seconds=510)
    until = timezone.localtime(grant.lock.expires_at).strftime("%H:%M")
    assert f"held by openclaw until {until} ( 8 min ), daily vol run" in text_of(client.get("/"))


def test_a_lock_that_looks_forgotten_is_said_to_be_held_without_a_swap(client: Client, slot: Slot) -> None:
    held_by_program(slot)
    SwapLock.objects.update(acquired_at=timezone.now() - timedelta(minutes=7))
    assert "held for 7 min without a swap" in text_of(client.get("/"))


def test_a_swap_without_a_lock_pins_the_slot(client: Client, slot: Slot) -> None:
    swap = a_swap(slot, Status.LOADING)
    locks.pin(swap, token=None, by=PROGRAM)
    assert f"GPU busy, pinned by swap {swap.pk}" in text_of(client.get("/models/"))


def test_a_person_takes_it_under_their_name(client: Client, slot: Slot) -> None:
    assert take(client, minutes=20).status_code == 302
    view = locks.look(slot)
    assert (view.holder, view.purpose, view.taken_by) == ("ana", "evaluation", "user:ana")
    assert 1190 <= view.seconds_remaining <= 1200
    assert "held by you until" in text_of(client.get("/"))


def test_the_token_is_in_no_page_and_not_readable_in_the_session(client: Client, slot: Slot) -> None:
    take(client)
    kept = client.session["lock_tokens"]["main"]["token"]
    pages = "".join(client.get(address).content.decode() for address in ("/", "/slots/main/lock", "/models/"))
    assert "slk_" not in pages
    assert kept not in pages
    assert all("slk_" not in str(session.get_decoded()) for session in Session.objects.all())


def test_taking_it_again_extends_the_same_hold(client: Client, slot: Slot) -> None:
    take(client, minutes=5)
    fence = locks.look(slot).fence
    take(client, "longer evaluation", minutes=60)
    view = locks.look(slot)
    assert (view.fence, view.purpose) == (fence, "longer evaluation")
    assert view.seconds_remaining > 3500


def test_it_says_which_field_is_wrong(client: Client) -> None:
    response = take(client, purpose="", minutes=0)
    assert response.status_code == 400
    assert "This field is required." in text_of(response)
    assert not SwapLock.objects.exclude(holder="").exists()


def test_taking_a_held_lock_is_refused_with_the_sentence(client: Client, slot: Slot) -> None:
    held_by_program(slot)
    response = take(client)
    assert response.status_code == 409
    assert "openclaw (API key) holds the lock of main for “daily vol run”" in text_of(response)


def test_only_who_may_lock_takes_and_only_who_may_force_forces(slot: Slot) -> None:
    plain = signed_in(username="bob", is_staff=False, is_superuser=False)
    assert take(plain).status_code == 403
    assert plain.post("/slots/main/lock/release").status_code == 403
    assert plain.get("/slots/main/lock/force").status_code == 403
    text = text_of(plain.get("/slots/main/lock"))
    assert "Take the lock" not in text


def test_the_holder_swaps_through_their_own_lock(client: Client, slot: Slot) -> None:
    take(client)
    page = client.get("/swaps/new?model=gemma")
    assert "You hold the lock of main until" in text_of(page)
    assert client.post("/swaps/new", hidden(page)).headers["Location"].startswith("/swaps/")
    assert Swap.objects.get().holder == "ana"


def test_everybody_else_is_refused_in_the_same_words(client: Client, slot: Slot) -> None:
    take(client, "evaluation")
    other = staff("bob")
    for address in ("/", "/swaps/new?model=gemma", "/slots/main/stop", "/slots/main/lock"):
        text = text_of(other.get(address))
        assert "ana holds the lock of main for “evaluation”, since" in text, address
    page = other.get("/swaps/new?model=gemma")
    assert 'disabled aria-describedby="ask-refused-main"' in page.content.decode()
    refused = other.post("/swaps/new", hidden(page))
    assert refused.status_code == 423
    assert "Force…" in text_of(refused)
    assert other.post("/slots/main/stop", hidden(other.get("/slots/main/stop"))).status_code == 423
    assert not Swap.objects.exists()


def test_a_question_from_before_the_lock_was_taken_is_asked_again(client: Client, slot: Slot) -> None:
    given = hidden(client.get("/swaps/new?model=gemma"))
    take(client)
    response = client.post("/swaps/new", given)
    assert response.status_code == 409
    assert "Since that page was opened, something changed on this slot." in text_of(response)


def test_another_session_of_the_holder_is_told_so(client: Client, slot: Slot) -> None:
    take(client)
    again = Client()
    again.force_login(User.objects.get(username="ana"))
    assert "You took it in another browser" in text_of(again.get("/slots/main/lock"))
    assert "would be refused" in text_of(again.get("/"))


def test_releasing_it_frees_the_gpu(client: Client, slot: Slot) -> None:
    take(client)
    client.post("/slots/main/lock/release")
    assert not locks.look(slot).held
    assert "lock_tokens" not in client.session or client.session["lock_tokens"] == {}
    assert "GPU free" in text_of(client.get("/"))


def test_releasing_what_has_ended_changes_nothing(client: Client, slot: Slot) -> None:
    take(client)
    SwapLock.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    locks.expire_lapsed()
    held_by_program(slot)
    response = client.post("/slots/main/lock/release", follow=True)
    assert "Your hold of main has ended already" in text_of(response)
    assert locks.look(slot).holder == "openclaw"


def fence_of(client: Client) -> str:
    found = re.search(r'name="fence" value="(\d+)"', client.get("/slots/main/lock/force").content.decode())
    assert found is not None
    return found[1]


def test_forcing_says_what_is_cut_and_needs_a_reason(client: Client, slot: Slot) -> None:
    held_by_program(slot)
    assert "openclaw is cut off:" in text_of(client.get("/slots/main/lock/force"))
    short = client.post("/slots/main/lock/force", {"fence": fence_of(client), "reason": "stuck"})
    assert short.status_code == 400
    assert "Say why in at least 10 characters" in text_of(short)
    assert locks.look(slot).held


def test_forcing_releases_it_and_the_journal_keeps_the_reason(client: Client, slot: Slot) -> None:
    grant = held_by_program(slot)
    response = client.post("/slots/main/lock/force", {"fence": fence_of(client), "reason": "It hangs since noon."})
    assert response.status_code == 302
    assert not locks.look(slot).held
    told = Event.objects.get(kind="lock.forced")
    assert told.data["reason"] == "It hangs since noon."
    assert hash_of(grant.token) not in str(told.data)
    assert "GPU kept for ana" in text_of(staff("bob").get("/models/"))


def test_forcing_from_a_stale_page_spares_the_new_holder(client: Client, slot: Slot) -> None:
    first = held_by_program(slot)
    fence = fence_of(client)
    locks.release(slot, first.token)
    held_by_program(slot, "another run")
    response = client.post("/slots/main/lock/force", {"fence": fence, "reason": "It hangs since noon."})
    assert response.status_code == 412
    assert "The lock has changed hands since that page was opened." in text_of(response)
    assert locks.look(slot).purpose == "another run"


def test_forcing_under_a_running_swap_names_it_and_cancels_it_when_asked(client: Client, slot: Slot) -> None:
    grant = held_by_program(slot)
    swap = a_swap(slot, Status.LOADING)
    locks.pin(swap, token=grant.token, by=PROGRAM)
    page = text_of(client.get("/slots/main/lock/force"))
    assert f"Swap {swap.pk} runs under it (The qwen, loading)" in page
    given = {"fence": fence_of(client), "reason": "It hangs since noon."}
    assert client.post("/slots/main/lock/force", given).status_code == 409
    assert client.post("/slots/main/lock/force", {**given, "cancel_swap": "on"}).status_code == 302
    swap.refresh_from_db()
    assert swap.cancel_requested_at is not None


def test_the_fragment_is_the_partial_of_the_page(client: Client, slot: Slot) -> None:
    held_by_program(slot)
    assert 'id="locks"' in client.get("/partials/locks").content.decode()
    part = client.get("/slots/main/lock", headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div class="stack measure-wide" id="lock-main"')


def test_hostile_words_stay_words(client: Client, slot: Slot) -> None:
    locks.acquire(slot, holder="<b>x</b>", purpose="<img src=x onerror=alert(1)>", ttl_seconds=60, by=PROGRAM)
    for address in ("/", "/slots/main/lock", "/slots/main/lock/force", "/swaps/new?model=gemma"):
        page = client.get(address).content.decode()
        assert "<img src=x" not in page
        assert "<b>x" not in page
