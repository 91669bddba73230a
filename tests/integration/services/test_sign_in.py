"""Guessing passwords is slow, at every door. test_on_postgresql.py runs this file on the other database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.http import HttpRequest

from cluster.models import Event
from services import sign_in
from services.models import SignInTries
from services.sign_in import MOST_FOR_A_NAME, MOST_FROM_AN_ADDRESS, TooManyTries, address_of, claim
from tests.database_clock import Clock, movable_clock
from tests.pages import browser

pytestmark = pytest.mark.django_db

RIGHT = "correct horse"
PAGE, ADMIN = "/sign-in/", "/admin/login/"
HTML = {"Accept": "text/html"}
SESSION = settings.SESSION_COOKIE_NAME


@pytest.fixture
def ana(db: None) -> User:
    return User.objects.create_superuser("ana", password=RIGHT)


@pytest.fixture
def clock(db: None) -> Iterator[Clock]:
    with movable_clock() as clock:
        yield clock


def sign_in_at(door: str, password: str = "wrong", name: str = "ana", address: str = "10.0.0.9") -> Any:
    return browser().post(door, {"username": name, "password": password}, headers=HTML, REMOTE_ADDR=address)


@pytest.mark.parametrize("door", [PAGE, ADMIN])
def test_after_ten_wrong_passwords_even_the_right_one_waits(ana: User, door: str) -> None:
    assert {sign_in_at(door).status_code for _ in range(MOST_FOR_A_NAME)} == {200}

    refused = sign_in_at(door, RIGHT)

    assert refused.status_code == 429 and 890 <= int(refused.headers["Retry-After"]) <= 900
    assert "Too many wrong passwords for this name from your address. Try again in 15 min." in refused.content.decode()
    assert SESSION not in refused.cookies
    assert sign_in_at(door, RIGHT, address="10.0.0.10").status_code == 302, "somebody else's guesses lock nobody out"


def test_the_doors_count_together(ana: User) -> None:
    for number in range(MOST_FOR_A_NAME):
        sign_in_at((PAGE, ADMIN)[number % 2])
    assert [sign_in_at(door, RIGHT).status_code for door in (PAGE, ADMIN)] == [429, 429]


def test_the_pause_ends_after_fifteen_minutes(ana: User, clock: Clock) -> None:
    for _ in range(MOST_FOR_A_NAME):
        sign_in_at(PAGE)
    clock.jump(14 * 60)
    assert sign_in_at(PAGE, RIGHT).status_code == 429
    clock.jump(61)
    assert sign_in_at(PAGE, RIGHT).status_code == 302


def test_the_right_password_forgets_the_wrong_ones(ana: User) -> None:
    for _ in range(3):
        for _ in range(MOST_FOR_A_NAME - 1):
            assert sign_in_at(PAGE).status_code == 200
        assert sign_in_at(PAGE, RIGHT).status_code == 302
    assert SignInTries.objects.get().count == 3 * (MOST_FOR_A_NAME - 1), "those of the address stay"


def test_it_is_told_once_and_names_only_who_exists(ana: User) -> None:
    for name in ("ana", "my secret typed here"):
        for _ in range(MOST_FOR_A_NAME + 3):
            sign_in_at(PAGE, name=name)

    told = Event.objects.filter(kind="signin.throttled").order_by("id")
    assert [event.data["username"] for event in told] == ["ana", None]
    assert told[0].sentence == "Signing in as ana from 10.0.0.9 pauses for 15 min: 10 wrong passwords within 15 min."
    assert "secret" not in told[1].sentence
    assert not SignInTries.objects.filter(who__contains="secret").exists()


def test_the_spelling_of_a_name_makes_no_new_tries(ana: User) -> None:
    for number in range(MOST_FOR_A_NAME):
        sign_in_at(PAGE, name=("ana", "ANA", "Ana")[number % 3])
    assert sign_in_at(PAGE, name="aNA").status_code == 429


def test_one_address_does_not_try_all_names(ana: User) -> None:
    SignInTries.objects.all().delete()
    for number in range(MOST_FROM_AN_ADDRESS):
        claim(f"name-{number}", "10.0.0.9")
    refused = sign_in_at(PAGE, RIGHT)
    assert refused.status_code == 429 and "for your address" in refused.content.decode()


def test_an_unwritable_count_lets_nobody_in(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever could silence the count could guess in peace."""

    def away(*_: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(sign_in, "claim", away)
    client = browser()
    client.raise_request_exception = False
    answer = client.post(PAGE, {"username": "ana", "password": RIGHT}, headers=HTML)
    assert answer.status_code == 503 and SESSION not in answer.cookies


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_an_address_is_who_can_have_it(remote: str, address: str) -> None:
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = remote
    request.META["HTTP_X_FORWARDED_FOR"] = "1.2.3.4"
    assert address_of(request) == address


@pytest.mark.django_db(transaction=True)
def test_guesses_side_by_side_are_all_counted() -> None:
    def guess(_: int) -> bool:
        try:
            claim("ana", "10.0.0.9")
        except TooManyTries:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(40))) == MOST_FOR_A_NAME
    assert Event.objects.filter(kind="signin.throttled").count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_holds_over_http_for_people_and_programs(web: str) -> None:
    User.objects.create_superuser("ana", password=RIGHT)
    with httpx.Client(base_url=web) as client:
        for path in (PAGE, ADMIN):
            client.get(path)
            form = {"username": "ana", "csrfmiddlewaretoken": client.cookies[settings.CSRF_COOKIE_NAME]}
            for _ in range(MOST_FOR_A_NAME // 2):
                assert client.post(path, data={**form, "password": "wrong"}, headers=HTML).status_code == 200
        page = client.post(ADMIN, data={**form, "password": RIGHT}, headers=HTML)
        problem = client.post(PAGE, data={**form, "password": RIGHT}, headers={"Accept": "application/json"})

    assert page.status_code == problem.status_code == 429
    assert page.headers["Content-Type"].startswith("text/html") and int(page.headers["Retry-After"]) > 800
    assert problem.json()["code"] == "too-many-requests" and int(problem.headers["Retry-After"]) > 800
    assert SESSION not in client.cookies
