"""The main job in a browser: look, swap, watch, cancel; live, without a script, on a phone, with the keyboard."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.dashboard.conftest import Visitor
from tests.acceptance.installation import until

pytestmark = pytest.mark.timeout(240)

FIRST = "qwen3.6-35b-a3b-nvfp4"
SECOND = "gpt-oss-120b"
ENDED = re.compile("Ready|Failed|Errored|Cancelled")


def hero(page: Page, words: str) -> None:
    expect(page.locator("article.hero .badge").first).to_have_text(words)


def ask_for(page: Page, model: str) -> None:
    """From the question to the page of the swap."""
    page.goto(f"/swaps/new?slot=main&model={model}")
    page.get_by_role("button", name="Swap now").click()
    page.wait_for_url("**/swaps/*/")


def wait_until_free(page: Page) -> None:
    page.goto("/")
    expect(page.locator("article.hero .phases")).to_have_count(0)


def label_of(page: Page, model: str) -> str:
    page.goto(f"/models/{model}/")
    return page.locator("h1").inner_text()


def test_a_swap_from_the_overview_is_told_live_to_its_end(visitor: Visitor) -> None:
    page, watcher = visitor.page(), visitor.page()
    label = label_of(page, SECOND)
    wait_until_free(page)
    watcher.goto("/")
    expect(page.locator("article.spark .badge", has_text="Connected")).to_have_count(2)
    page.get_by_label("Swap to").select_option(SECOND)
    page.get_by_role("button", name="Swap…").click()
    expect(page.get_by_role("heading", name="The checks pass")).to_be_visible()
    page.get_by_role("button", name="Swap now").click()
    page.wait_for_url("**/swaps/*/")

    expect(page.locator(".phases [aria-current=step]")).to_contain_text("Loading")
    expect(page.locator(".log > div").first).to_be_visible()
    expect(watcher.locator("article.hero .phases [aria-current=step]")).to_contain_text("Loading")
    until(lambda: page.evaluate("document.querySelector('progress')?.value > 20"), 20, "the bar moves")
    expect(page.locator("[data-detail]")).not_to_have_text("Waiting for the first sign of life")

    expect(page.locator("h1 .badge")).to_have_text("Ready")
    expect(page).to_have_title(re.compile("^Swap ready – "))
    expect(page.locator("#announcer")).to_have_text("Swap ready")
    expect(page.locator(".log > div").filter(has_text="Application startup complete")).not_to_have_count(0)
    hero(watcher, "Serving")
    expect(watcher.locator("article.hero h2")).to_have_text(label)
    expect(watcher.locator("#activity")).to_contain_text(f"The swap to {label} on main is done.")


def test_log_lines_come_once_and_in_order_after_a_reload(visitor: Visitor) -> None:
    page = visitor.page()
    wait_until_free(page)
    ask_for(page, FIRST)
    expect(page.locator(".log > div").nth(12)).to_be_attached()
    page.reload()
    expect(page.locator("h1 .badge")).to_have_text("Ready")
    live = page.locator(".log > div").all_inner_texts()
    page.reload()
    assert page.locator(".log > div").all_inner_texts() == live


def test_two_clicks_and_two_pages_make_one_swap(visitor: Visitor) -> None:
    page, other = visitor.page(), visitor.page()
    wait_until_free(page)
    for one in (page, other):
        one.goto(f"/swaps/new?slot=main&model={SECOND}")
    page.get_by_role("button", name="Swap now").dblclick()
    page.wait_for_url("**/swaps/*/")
    other.get_by_role("button", name="Swap now").click()
    other.wait_for_url("**/swaps/*/")
    assert other.url == page.url
    expect(other.get_by_text("being changed already, by this swap")).to_be_visible()
    expect(page.locator("h1 .badge")).to_have_text(ENDED)


def test_a_swap_is_cancelled_after_asking_once(visitor: Visitor) -> None:
    page = visitor.page()
    wait_until_free(page)
    ask_for(page, FIRST)
    expect(page.locator(".phases [aria-current=step]")).to_contain_text("Loading")
    page.get_by_role("link", name="Cancel…").click()
    expect(page.get_by_text("What was started so far is removed from the Sparks.")).to_be_visible()
    page.get_by_role("button", name="Cancel the swap").click()
    expect(page.locator("h1 .badge")).to_have_text("Cancelled")
    expect(page.get_by_role("link", name="Do it again…")).to_be_visible()


def test_everything_that_matters_works_without_a_script(visitor: Visitor) -> None:
    page = visitor.page(java_script_enabled=False)
    wait_until_free(page)
    page.get_by_label("Swap to").select_option(SECOND)
    page.get_by_role("button", name="Swap…").click()
    page.get_by_role("button", name="Swap now").click()
    expect(page.locator(".phases")).to_contain_text("Loading")
    for _ in range(60):
        page.reload()
        if ENDED.search(page.locator("h1 .badge").inner_text()):
            break
        page.wait_for_timeout(500)
    expect(page.locator("h1 .badge")).to_have_text("Ready")
    page.goto("/slots/main/stop")
    page.get_by_role("button", name="Stop it").click()
    page.wait_for_url("**/swaps/*/")


def test_a_dead_feed_is_said_quietly_and_recovers(visitor: Visitor) -> None:
    page = visitor.page()
    page.add_init_script(
        "const Real = WebSocket; window.WebSocket = function (url) { return window.last = new Real(url); };"
        "WebSocket.OPEN = 1;"
    )
    page.goto("/")
    until(lambda: page.evaluate("window.last?.readyState === 1"), 20, "the feed is up")
    page.context.set_offline(True)
    page.evaluate("window.last.close()")
    expect(page.get_by_text("Live updates paused")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("Live updates paused")).to_be_hidden()
    visitor.complaints.clear()  # the browser tells every refused connection


@pytest.mark.parametrize("width", [360, 1440, 3840])
def test_no_page_is_wider_than_the_screen(visitor: Visitor, width: int) -> None:
    page = visitor.page(viewport={"width": width, "height": 800})
    addresses = [
        "/",
        "/models/",
        f"/models/{FIRST}/",
        "/swaps/",
        "/swaps/1/",
        "/sparks/",
        "/sparks/spark-1/",
        "/settings/",
    ]
    for address in addresses:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address


def test_the_keyboard_reaches_the_content_first_and_sees_where_it_is(visitor: Visitor) -> None:
    page = visitor.page()
    page.goto("/models/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_the_theme_follows_the_system_until_a_person_chooses(visitor: Visitor) -> None:
    page = visitor.page(color_scheme="dark")
    page.goto("/")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    toggle = page.locator("[data-theme-toggle]")
    toggle.click()
    expect(toggle).to_contain_text("Theme: light")
    assert page.evaluate(colour) != dark
    page.reload()
    expect(toggle).to_contain_text("Theme: light")
    assert page.evaluate(colour) != dark


def test_live_news_move_nothing_on_the_page(visitor: Visitor) -> None:
    page = visitor.page()
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((e) => { shift += e.value; }))"
        ".observe({ type: 'layout-shift', buffered: true });"
    )
    wait_until_free(page)
    page.evaluate("window.first = document.getElementById('sparks')")
    until(
        lambda: page.evaluate("document.getElementById('sparks') !== window.first"),
        30,
        "the cards were asked for again",
    )
    assert page.evaluate("window.shift") < 0.02
