"""One line for each request, with its id and without what people put into the query."""

import logging

import pytest

from cluster import log_context
from tests.pages import browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "sparkcontrol.access")
    return caplog


def test_it_says_what_was_asked_and_what_came_of_it(lines: pytest.LogCaptureFixture) -> None:
    browser().get("/api/status?token=hf_canaryCANARY123", headers={"X-Request-ID": "n8n-17"})

    (told,) = [record.access for record in lines.records if record.name == "sparkcontrol.access"]  # type: ignore[attr-defined]
    assert (told["method"], told["path"], told["status"]) == ("GET", "/api/status", 401)
    assert 0 <= told["milliseconds"] < 30_000
    assert "canary" not in lines.text


def test_the_id_is_the_callers_when_it_is_well_formed_and_ends_with_the_request(
    lines: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda _: seen.append(log_context.words()["request_id"])  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("sparkcontrol.access")
    logger.addHandler(handler)
    try:
        own = browser().get("/api/status", headers={"X-Request-ID": "n8n-17"})
        made = browser().get("/api/status", headers={"X-Request-ID": "no good\u00e9 id"})
    finally:
        logger.removeHandler(handler)

    assert own.headers["X-Request-ID"] == "n8n-17"
    assert seen == ["n8n-17", made.headers["X-Request-ID"]]
    assert len(seen[1]) == 32
    assert log_context.words() == {}


def test_health_checks_that_pass_are_not_worth_a_line(lines: pytest.LogCaptureFixture) -> None:
    browser().get("/healthz")
    assert "healthz" not in lines.text
