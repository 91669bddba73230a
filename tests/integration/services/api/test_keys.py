"""/api/keys over HTTP: made once, shown once, revoked for good."""

from typing import Any

import httpx
import pytest

from services.models import ApiKey
from tests.integration.conftest import Api


def test_a_key_is_shown_once_works_and_ends(api: Api, web: str) -> None:
    client = api("admin")
    made = client.post("/api/keys", json={"name": "openclaw", "scopes": ["swap"]})
    assert made.status_code == 201
    text = made.json()["key"]
    headers = {"Authorization": f"Bearer {text}"}

    assert httpx.get(f"{web}/api/status", headers=headers).status_code == 200
    assert text not in client.get("/api/keys").text
    assert text not in client.get(made.headers["Location"]).text
    assert text not in str(list(ApiKey.objects.values()))

    assert client.delete(made.headers["Location"]).status_code == 204
    assert httpx.get(f"{web}/api/status", headers=headers).status_code == 401
    assert client.delete(made.headers["Location"]).json()["code"] == "key-revoked"
    assert client.get(made.headers["Location"]).json()["revoked_at"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes.0"),
        ({"scopes": "admin"}, "scopes"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
    ],
)
def test_a_wrong_key_is_refused_by_field(api: Api, change: dict[str, Any], field: str) -> None:
    answer = api("admin").post("/api/keys", json={"name": "openclaw", "scopes": ["read"], **change})

    assert answer.status_code == 400
    assert field in {error["field"] for error in answer.json()["errors"]}, answer.text
