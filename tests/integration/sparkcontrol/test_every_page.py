"""What holds for every page: it is there, it asks for a sign-in, and it obeys the content security policy."""

import gzip
import re
from pathlib import Path

import pytest
from django.conf import settings

from services.webhooks import actions as webhook_actions
from swaps.states import Status
from tests.factories import ApiKeyFactory
from tests.pages import a_schedule, a_swap, a_webhook, browser, catalog, serve, signed_in, two_sparks

pytestmark = pytest.mark.django_db

PAGES = [
    "/",
    "/models/",
    "/models/?q=nothing",
    "/models/new",
    "/models/import",
    "/models/qwen/",
    "/models/qwen/edit",
    "/models/qwen/delete",
    "/swaps/",
    "/swaps/?status=failed",
    "/swaps/new?model=qwen",
    "/swaps/{ended}/",
    "/swaps/{ended}/retry",
    "/swaps/{running}/",
    "/swaps/{running}/cancel",
    "/slots/main/stop",
    "/slots/main/warm",
    "/slots/main/lock",
    "/slots/main/lock/force",
    "/schedules/",
    "/schedules/new",
    "/schedules/{schedule}/",
    "/schedules/{schedule}/edit",
    "/schedules/{schedule}/run",
    "/schedules/{schedule}/delete",
    "/schedules/openclaw/daily-vol/",
    "/sparks/",
    "/sparks/spark-1/",
    "/webhooks/",
    "/webhooks/new",
    "/webhooks/{webhook}/",
    "/webhooks/{webhook}/?status=failed",
    "/webhooks/{webhook}/edit",
    "/webhooks/{webhook}/replay",
    "/webhooks/{webhook}/rotate",
    "/webhooks/{webhook}/remove",
    "/webhooks/{webhook}/deliveries/{delivery}/",
    "/keys/",
    "/keys/new",
    "/keys/{key}/revoke",
    "/settings/",
    "/settings/sparks/new",
    "/settings/sparks/spark-1",
    "/settings/sparks/spark-1/remove",
    "/settings/slots/new",
    "/settings/slots/main",
]
FRAGMENTS = [
    "/partials/slots/main",
    "/partials/locks",
    "/partials/swaps/{running}",
    "/partials/sparks",
    "/partials/sparks/spark-1",
]


@pytest.fixture
def numbers() -> dict[str, int]:
    slot = two_sparks()
    catalog("qwen")
    serve(slot)
    ended = a_swap(slot, Status.FAILED, diagnosis="It did not start.", evidence="ValueError")
    a_schedule(slot, kind="external", owner="openclaw", ref="daily-vol", title="Daily vol run")
    schedule = a_schedule(slot)
    webhook = a_webhook()
    return {
        "ended": ended.pk,
        "running": a_swap(slot, Status.LOADING).pk,
        "schedule": schedule.pk,
        "webhook": webhook.pk,
        "delivery": webhook_actions.ping(webhook, by="user:ana").pk,
        "key": ApiKeyFactory().pk,
    }


@pytest.mark.parametrize("address", PAGES)
def test_it_answers_and_holds_no_inline_script_or_style(address: str, numbers: dict[str, int]) -> None:
    response = signed_in().get(address.format(**numbers))
    page = response.content.decode()
    assert response.status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:", page)
    assert page.count("<h1") == 1
    assert "None" not in re.sub(r"<[^>]+>", " ", page)


@pytest.mark.parametrize("address", [*PAGES, *FRAGMENTS])
def test_it_shows_nothing_without_a_sign_in(address: str, numbers: dict[str, int]) -> None:
    response = browser().get(address.format(**numbers))
    assert response.status_code == (401 if address.startswith("/partials/") else 302)
    assert b"qwen" not in response.content


@pytest.mark.parametrize("address", FRAGMENTS)
def test_a_fragment_has_one_root_that_knows_how_to_ask_for_itself(address: str, numbers: dict[str, int]) -> None:
    fragment = signed_in().get(address.format(**numbers)).content.decode().strip()
    root = re.match(r"<(\w+) ([^>]*)>", fragment)
    assert root is not None
    assert re.search(r'\bid="[^"]+"', root[2])
    assert f'hx-get="{address.format(**numbers)}"' in root[2]
    assert fragment.endswith(f"</{root[1]}>")


def test_a_fragment_reloads_the_page_of_somebody_signed_out_meanwhile() -> None:
    response = browser().get("/partials/sparks")
    assert (response.status_code, response.headers["HX-Refresh"]) == (401, "true")


def test_pages_are_never_kept_by_a_cache(numbers: dict[str, int]) -> None:
    assert "no-store" in signed_in().get("/").headers["Cache-Control"]


def test_htmx_may_evaluate_nothing_and_asks_only_ourselves() -> None:
    page = signed_in().get("/").content.decode()
    assert '"allowEval":false' in page
    assert '"selfRequestsOnly":true' in page
    assert '"allowScriptTags":false' in page
    assert '"includeIndicatorStyles":false' in page


def test_the_first_page_takes_at_most_100_kilobytes(numbers: dict[str, int]) -> None:
    page = signed_in().get("/").content
    linked = re.findall(r'(?:src|href)="/static/([^"#]+)', page.decode())
    files = {settings.BASE_DIR / "sparkcontrol" / "static" / name for name in linked}
    total = sum(len(gzip.compress(part)) for part in [page, *(Path(file).read_bytes() for file in files)])
    assert len(files) >= 8
    assert total < 100_000


def test_the_sign_in_page_tells_a_wrong_password_and_then_lets_in() -> None:
    signed_in(username="eva").logout()
    client = browser()
    wrong = client.post("/sign-in/", {"username": "eva", "password": "wrong"})
    assert "Please enter a correct username and password" in wrong.content.decode()
    right = client.post("/sign-in/?next=/swaps/", {"username": "eva", "password": "correct horse", "next": "/swaps/"})
    assert right.headers["Location"] == "/swaps/"


def test_the_sign_in_never_leads_to_another_site() -> None:
    signed_in(username="eva").logout()
    given = {"username": "eva", "password": "correct horse", "next": "https://evil.example/"}
    assert browser().post("/sign-in/", given).headers["Location"] == "/"


def test_signing_out_needs_a_button_not_a_link() -> None:
    client = signed_in()
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").headers["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_an_unknown_address_answers_with_a_page_for_people() -> None:
    response = signed_in().get("/nowhere/", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "Go to the overview" in response.content.decode()
