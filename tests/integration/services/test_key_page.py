"""Pages of API keys: made with scopes, shown once, revoked after asking."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from services import keys
from services.models import ApiKey
from tests.factories import ApiKeyFactory
from tests.pages import signed_in, text_of

pytestmark = pytest.mark.django_db

FORM = {"name": "openclaw", "scopes": ["swap", "lock"]}


@pytest.fixture
def client() -> Client:
    return signed_in()


def test_the_key_is_shown_when_it_is_made_and_never_again(client: Client) -> None:
    made = client.post("/keys/new", FORM)
    found = re.search(r'data-copy="(spk_[^"]+)"', made.content.decode())
    assert found is not None
    key = ApiKey.objects.get()
    assert (keys.digest(found[1]), key.scopes, key.created_by) == (key.digest, ["lock", "swap"], "user:ana")
    assert "no-store" in made.headers["Cache-Control"]
    listed = client.get("/keys/").content.decode()
    assert found[1] not in listed
    assert f"spk_{key.prefix}_…" in listed


def test_the_last_day_counts_to_its_end(client: Client) -> None:
    day = timezone.localdate() + timedelta(days=3)
    client.post("/keys/new", FORM | {"expires_on": day.isoformat()})
    expires = ApiKey.objects.get().expires_at
    assert expires is not None
    assert timezone.localtime(expires).date() == day + timedelta(days=1)


@pytest.mark.parametrize("wrong", [{"name": ""}, {"scopes": []}, {"scopes": ["root"]}, {"expires_on": "2001-01-01"}])
def test_what_is_wrong_is_said_and_no_key_is_made(client: Client, wrong: dict[str, str]) -> None:
    assert client.post("/keys/new", FORM | wrong).status_code == 400
    assert not ApiKey.objects.exists()


def test_revoking_asks_once(client: Client) -> None:
    key = ApiKeyFactory(name="openclaw")
    assert "refused from the next call on" in text_of(client.get(f"/keys/{key.pk}/revoke"))
    client.post(f"/keys/{key.pk}/revoke")
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert "Revoked" in text_of(client.get("/keys/"))
    assert "is revoked already" in text_of(client.post(f"/keys/{key.pk}/revoke", follow=True))


def test_only_administrators_see_keys() -> None:
    key = ApiKeyFactory()
    staff = signed_in(username="cleo", is_superuser=False)
    for address in ("", "new", f"{key.pk}/revoke"):
        assert staff.get(f"/keys/{address}").status_code == 403
    assert "API keys" not in text_of(staff.get("/"))


def test_an_empty_page_says_what_a_key_is_for(client: Client) -> None:
    assert "Programs need one to call the API." in text_of(client.get("/keys/"))
