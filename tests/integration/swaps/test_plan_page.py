"""Next 24 h on the overview: schedules of all sides, locks, running swaps, and what is in each other's way."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Slot
from swaps import locks
from swaps.models import Trigger
from swaps.requester import Requester
from swaps.states import Status
from tests.pages import a_schedule, a_swap, catalog, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db


@pytest.fixture
def slot() -> Slot:
    made = two_sparks()
    catalog("qwen", "gemma")
    serve(made, "qwen")
    return made


def at(hours: float) -> list[str]:
    return [(timezone.now() + timedelta(hours=hours)).isoformat()]


def plan(client: Client) -> str:
    return text_of(client.get("/partials/plan"))


def test_everything_that_comes_is_on_one_plan_with_its_page(slot: Slot) -> None:
    swap = a_swap(slot, Status.LOADING)
    locks.pin(swap, token=None, by=Requester("user:ana", Trigger.DASHBOARD))
    ours = a_schedule(slot, cron="", times=at(2))
    a_schedule(slot, kind="external", owner="openclaw", ref="vol", title="Daily vol", cron="", times=at(5))
    client = signed_in()
    page = client.get("/").content.decode()
    for address in (f"/schedules/{ours.pk}/", "/schedules/openclaw/vol/", f"/swaps/{swap.pk}/"):
        assert f'href="{address}"' in page
        assert client.get(address).status_code == 200
    assert "Swap The qwen" in plan(client)
    assert "left on main" in plan(client)


def test_a_lock_says_how_long_it_lasts(slot: Slot) -> None:
    by = Requester("key:openclaw", Trigger.API)
    locks.acquire(slot, holder="openclaw", purpose="daily vol run", ttl_seconds=1800, by=by)
    text = plan(signed_in())
    assert "daily vol run" in text
    assert re.search("(29|30) min left on main", text)


def test_the_page_and_its_sentences_tell_times_in_one_zone(slot: Slot, settings: Any) -> None:
    a_schedule(slot, cron="", times=at(3), model="gemma")
    by = Requester("key:openclaw", Trigger.API)
    locks.acquire(slot, holder="openclaw", purpose="vol", ttl_seconds=4 * 3600 + 1200, by=by)
    settings.TIME_ZONE = "Asia/Kolkata"
    until = timezone.localtime(locks.look(slot).expires_at)
    text = plan(signed_in())
    assert f"openclaw holds main until {until:%d %b %H:%M} IST" in text
    assert f"now {timezone.localtime(timezone.now()):%H}" in text and "IST" in text.partition("vol")[0]
    assert re.search("4 h (19|20) min left on main", text)


def test_a_conflict_has_a_word_and_a_sentence_once_for_both_sides(slot: Slot) -> None:
    a_schedule(slot, cron="", times=at(3), model="gemma")
    other = {"kind": "external", "owner": "n8n", "ref": "a", "title": "Report", "model": "gemma"}
    a_schedule(slot, cron="", times=at(3), expected_seconds=900, **other)
    text = plan(signed_in())
    assert text.count("Conflict at") == 1
    assert "overlaps" in text.partition("The same as a list")[0]


def test_a_swap_inside_somebodys_lock_is_flagged_before_it_happens(slot: Slot) -> None:
    a_schedule(slot, cron="", times=at(0.2), model="gemma")
    by = Requester("key:openclaw", Trigger.API)
    locks.acquire(slot, holder="openclaw", purpose="vol", ttl_seconds=3600, by=by)
    assert "would be refused: openclaw holds main until" in plan(signed_in())


def test_a_rhythm_is_one_line_and_few_bars(slot: Slot) -> None:
    a_schedule(None, kind="health_sweep", title="Look", cron="*/5 * * * *", model="")
    page = signed_in().get("/partials/plan").content.decode()
    assert page.count('class="plan-row"') == 1
    assert page.count("<rect") < 30
    assert "and 285 more" in page


def test_no_style_is_inline(slot: Slot) -> None:
    a_schedule(slot)
    assert "style=" not in signed_in().get("/partials/plan").content.decode()
