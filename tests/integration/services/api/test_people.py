"""People with a session, and the local network where access is `lan-open`."""

from collections.abc import Iterator

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User

from services.api.authentication import is_private
from swaps.models import Swap
from tests.factories import ModelDefinitionFactory, SlotFactory, UserFactory


@pytest.fixture
def lan_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ACCESS_PROFILE", "lan-open")


@pytest.fixture
def ana(web: str) -> User:
    user: User = UserFactory(username="ana")
    return user


@pytest.fixture
def browser(web: str, ana: User) -> Iterator[httpx.Client]:
    """Signed in through the page, as a person does it; sends what a browser sends."""
    with httpx.Client(base_url=web, headers={"Origin": web}, follow_redirects=True) as client:
        client.get("/sign-in/")
        token = client.cookies["sparkcontrol_csrf"]
        client.post("/sign-in/", data={"username": "ana", "password": "correct horse", "csrfmiddlewaretoken": token})
        assert "sparkcontrol_session" in client.cookies
        yield client


def with_token(browser: httpx.Client) -> dict[str, str]:
    return {"X-CSRFToken": browser.cookies["sparkcontrol_csrf"]}


def test_a_person_changes_things_with_the_token_of_the_page_and_not_without(browser: httpx.Client) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")

    without = browser.post("/api/swap", json={"model": "small"})
    assert (without.status_code, without.headers["Content-Type"]) == (403, "application/problem+json")
    assert not Swap.objects.exists()
    assert browser.post("/api/swap", json={"model": "small"}, headers=with_token(browser)).status_code == 202
    assert Swap.objects.get().actor == "user:ana"


@pytest.mark.parametrize(
    ("rights", "method", "path", "status"),
    [
        ({}, "GET", "/api/status", 200),
        ({}, "POST", "/api/models", 403),
        ({"is_staff": True}, "POST", "/api/models", 400),
        ({"is_staff": True}, "GET", "/api/keys", 403),
        ({"is_superuser": True}, "GET", "/api/keys", 200),
        ({"is_active": False}, "GET", "/api/status", 401),
    ],
)
def test_people_may_do_what_their_account_says(
    browser: httpx.Client, ana: User, rights: dict[str, bool], method: str, path: str, status: int
) -> None:
    User.objects.filter(pk=ana.pk).update(**rights)
    body: dict[str, str] | None = {} if method == "POST" else None

    assert browser.request(method, path, json=body, headers=with_token(browser)).status_code == status


def test_where_access_is_by_keys_the_local_network_is_nobody(web: str) -> None:
    assert httpx.get(f"{web}/api/status").status_code == 401


def test_where_access_is_open_the_local_network_swaps_but_makes_no_keys(web: str, lan_open: None) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")

    assert httpx.post(f"{web}/api/swap", json={"model": "small"}).status_code == 202
    assert Swap.objects.get().actor == "lan:127.0.0.1"
    assert httpx.get(f"{web}/api/keys").status_code == 403


def test_where_access_is_open_pages_of_other_sites_are_still_held(web: str, lan_open: None) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="small")
    answer = httpx.post(f"{web}/api/swap", json={"model": "small"}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403 and not Swap.objects.exists()


def test_where_access_is_open_who_came_through_a_proxy_from_outside_is_nobody(web: str, lan_open: None) -> None:
    def status(forwarded: str) -> int:
        return httpx.get(f"{web}/api/status", headers={"X-Forwarded-For": forwarded}).status_code

    assert status("192.168.1.7") == 200
    assert status("203.0.113.9") == 401
    assert status("192.168.1.7, 203.0.113.9") == 401
    assert status("unknown") == 401


def test_a_wrong_key_is_refused_even_where_access_is_open(web: str, lan_open: None) -> None:
    assert httpx.get(f"{web}/api/status", headers={"Authorization": "Bearer spk_x"}).status_code == 401


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("172.31.0.1", True), ("192.168.0.1", True), ("100.100.1.1", True),
        ("::1", True), ("fd00::1", True), ("::ffff:192.168.0.1", True), ("172.32.0.1", False), ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False), ("2001:db8::1", False), ("", False), ("localhost", False),
    ],
)  # fmt: skip
def test_it_knows_private_addresses(address: str, private: bool) -> None:
    assert is_private(address) is private
