"""GET /sparkctl."""

import httpx
import pytest
from django.conf import settings


def test_anybody_may_have_it_and_it_knows_the_address_it_was_asked_for_at(web: str) -> None:
    answer = httpx.get(f"{web}/sparkctl")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/x-python")
    assert f'\nSERVER = "{web}"\n' in answer.text
    assert f'\nVERSION = "{settings.SPECTACULAR_SETTINGS["VERSION"]}"\n' in answer.text


def test_who_has_it_already_does_not_get_it_again(web: str) -> None:
    first = httpx.get(f"{web}/sparkctl")
    again = httpx.get(f"{web}/sparkctl", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = httpx.get(f"{web}/sparkctl", headers={"If-None-Match": first.headers["ETag"], "Host": "localhost:1"})
    assert other.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", 'x";import os', "localhost:9999/x", "localhost:x"])
def test_a_host_that_is_not_ours_gets_nothing(web: str, host: str) -> None:
    answer = httpx.get(f"{web}/sparkctl", headers={"Host": host})
    assert answer.status_code == 400
    assert "SERVER" not in answer.text


def test_behind_a_proxy_it_has_the_address_people_use(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SPARKCONTROL_URL", "https://localhost:8443")
    answer = httpx.get(f"{web}/sparkctl", headers={"Host": "localhost:8443"})
    assert '\nSERVER = "https://localhost:8443"\n' in answer.text


def test_it_can_only_be_read(web: str) -> None:
    assert httpx.head(f"{web}/sparkctl").status_code == 200
    assert httpx.post(f"{web}/sparkctl").status_code in (403, 405)
