"""Schedules in a browser: made with a look at the next runs, seen on the plan, paused, run, deleted."""

import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.dashboard.conftest import Visitor

pytestmark = pytest.mark.timeout(180)


def test_a_schedule_from_its_form_to_the_plan_and_away(visitor: Visitor) -> None:
    page = visitor.page()
    page.goto("/schedules/new")
    page.get_by_label("What", exact=True).select_option("health_sweep")
    expect(page.get_by_label("Model", exact=True)).to_be_hidden()
    page.get_by_label("Cron line", exact=True).fill("*/30 * * * *")
    expect(page.locator("#next-runs li")).to_have_count(5)
    page.get_by_label("Cron line", exact=True).fill("99 * * * *")
    expect(page.locator("#next-runs")).to_contain_text("cannot be read")
    page.get_by_label("Cron line", exact=True).fill("*/30 * * * *")
    page.get_by_label("Title").fill("Half-hourly look")
    page.get_by_role("button", name="Look at the next runs").click()
    expect(page.locator("#next-runs li")).to_have_count(5)
    page.get_by_role("button", name="Save the schedule").click()
    expect(page.locator("h1")).to_contain_text("Half-hourly look")

    page.goto("/")
    expect(page.locator("#plan .plan-row", has_text="Half-hourly look")).to_be_visible()
    page.locator("#plan").get_by_role("link", name="Half-hourly look").first.click()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("h1 .badge")).to_have_text("Paused")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("h1 .badge")).to_have_text("On")
    page.get_by_role("link", name="Run now…").click()
    page.get_by_role("button", name="Run it now").click()
    expect(page.locator("#schedule-1 .sub", has_text="Looking at 2 Sparks")).to_be_visible()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page).to_have_title(re.compile("^Schedules"))
    expect(page.get_by_role("link", name="Half-hourly look")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1440])
def test_no_new_page_is_wider_than_the_screen(visitor: Visitor, width: int) -> None:
    page = visitor.page(viewport={"width": width, "height": 800})
    for address in ("/slots/main/lock", "/slots/main/warm", "/schedules/", "/schedules/new", "/webhooks/new", "/keys/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address
