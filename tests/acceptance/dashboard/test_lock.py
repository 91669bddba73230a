"""The lock in browsers: one takes it, another is refused in words, and takes it away with a reason."""

import re
from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.dashboard.conftest import Visitor

pytestmark = pytest.mark.timeout(180)

MODEL = "gpt-oss-120b"
NUMBERS = count(1)


@pytest.fixture
def other(visitor: Visitor) -> Page:
    """The browser of another person."""
    name = f"bob{next(NUMBERS)}"
    visitor.add_person(name, "correct horse battery")
    return visitor.page_of(name, "correct horse battery")


@pytest.fixture
def holder(visitor: Visitor) -> Iterator[Page]:
    """A browser that has taken the lock, and gives it back at the end."""
    page = visitor.page()
    page.goto("/")
    page.locator("#take-main").click()
    page.get_by_label("What for").fill("evaluation run")
    page.get_by_label("Minutes").fill("20")
    page.get_by_role("button", name="Take the lock").click()
    expect(page.locator("#pill-main")).to_contain_text("held by you until")
    yield page
    page.goto("/")
    if page.locator("#release-main").count():
        page.locator("#release-main").click()
        expect(page.locator("#pill-main")).to_contain_text("GPU free")


def test_taking_it_is_seen_at_once_by_everybody(visitor: Visitor) -> None:
    watcher, page = visitor.page(), visitor.page()
    watcher.goto("/models/")
    expect(watcher.locator("#pill-main")).to_contain_text("GPU free")
    page.goto("/slots/main/lock")
    page.get_by_label("What for").fill("evaluation run")
    page.get_by_label("Minutes").fill("20")
    page.get_by_role("button", name="Take the lock").click()
    expect(watcher.locator("#pill-main")).to_contain_text("evaluation run")
    expect(watcher.locator("#pill-main time[data-left]")).to_have_text(re.compile(r"^(19|20) min$"))
    page.locator("#release-main").click()
    expect(watcher.locator("#pill-main")).to_contain_text("GPU free")


def test_another_person_is_refused_with_the_sentence_until_it_is_free(holder: Page, other: Page) -> None:
    sentence = re.compile(r"holds the lock of main for “evaluation run”, since .* until .* unless renewed\.")
    other.goto("/")
    expect(other.locator("article.hero")).to_contain_text(sentence)
    other.goto(f"/swaps/new?slot=main&model={MODEL}")
    expect(other.locator("#ask-foot")).to_contain_text(sentence)
    expect(other.get_by_role("button", name="Swap now")).to_be_disabled()
    holder.goto("/")
    holder.locator("#release-main").click()
    expect(other.get_by_role("button", name="Swap now")).to_be_enabled()
    expect(other.locator("#ask-foot")).to_contain_text("Nobody holds the lock of main.")


def test_it_is_taken_away_with_a_reason_only(holder: Page, other: Page) -> None:
    other.goto("/")
    other.locator("#force-main").click()
    expect(other.get_by_text("is cut off:")).to_be_visible()
    other.get_by_label("Why").fill("It has hung since noon.")
    other.get_by_role("button", name="Release it by force").click()
    expect(other.locator("#pill-main")).to_contain_text("GPU free")
    expect(holder.locator("#pill-main")).to_contain_text("GPU kept for bob")
    other.goto("/")
    expect(other.locator("#activity")).to_contain_text("It has hung since noon.")
