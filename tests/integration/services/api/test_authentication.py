"""Who gets in, and what they may do."""

from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from cluster.models import Event
from services.actions import make_key, revoke_key
from services.models import ApiKey
from tests.integration.conftest import Api


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_it_lets_a_key_in(api: Api) -> None:
    assert api("read").get("/api/status").status_code == 200


def test_it_asks_for_credentials_when_there_are_none(api: Api) -> None:
    answer = api().get("/api/status")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not-signed-in"
    assert "Bearer" in answer.json()["detail"]


@pytest.mark.parametrize("text", ["x", "spk_", "x" * 5000, "spk_00000000_" + "a" * 43 + "000000", "spk_ÿ"])
def test_it_refuses_what_is_no_key_in_the_same_words(web: str, text: str) -> None:
    answer = httpx.get(f"{web}/api/status", headers={b"Authorization": f"Bearer {text}".encode()})

    assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")


def test_a_revoked_key_opens_nothing(web: str) -> None:
    key, text = make_key("openclaw", ["read"], by="user:ana")
    assert httpx.get(f"{web}/api/status", headers=bearer(text)).status_code == 200

    revoke_key(key, by="user:ana")

    assert httpx.get(f"{web}/api/status", headers=bearer(text)).status_code == 401
    assert list(Event.objects.values_list("kind", flat=True)) == ["key.revoked", "key.made"]


def test_an_expired_key_opens_nothing(web: str) -> None:
    key, text = make_key("openclaw", ["read"], by="user:ana", expires_at=timezone.now() + timedelta(hours=1))
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert httpx.get(f"{web}/api/status", headers=bearer(text)).status_code == 401


def test_its_last_use_is_written_once_a_minute(web: str) -> None:
    key, text = make_key("openclaw", ["read"], by="user:ana")
    httpx.get(f"{web}/api/status", headers=bearer(text))
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None

    httpx.get(f"{web}/api/status", headers=bearer(text))
    key.refresh_from_db()
    assert key.last_used_at == first

    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    httpx.get(f"{web}/api/status", headers=bearer(text))
    key.refresh_from_db()
    assert key.last_used_at is not None and key.last_used_at >= first


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (["read"], "POST", "/api/swap", 403),
        (["swap"], "GET", "/api/swap", 200),
        (["gateway"], "GET", "/api/status", 403),
        (["config"], "GET", "/api/keys", 403),
        (["admin"], "GET", "/api/keys", 200),
        (["swap"], "POST", "/api/models", 403),
    ],
)
def test_a_scope_opens_what_it_names(api: Api, scopes: list[str], method: str, path: str, status: int) -> None:
    answer = api(*scopes).request(method, path, json={} if method == "POST" else None)

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "scope-missing"
        assert "scope" in answer.json()["detail"]


def test_an_unknown_method_is_told_as_such_not_as_a_missing_scope(api: Api) -> None:
    answer = api("read").delete("/api/status")

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
