"""What the log looks like, and what never is in it."""

import io
import json
import logging
import logging.config
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest

from cluster import log_context, redaction
from sparkcontrol import logs
from tests.corpus.hostile_strings import HOSTILE

SECRET = "hf_AbCdEfGhIjKlMnOpQr"


class Log:
    def __init__(self, form: str) -> None:
        self.text = io.StringIO()
        wanted = logs.configuration(form, "INFO", access=True)
        handler = logging.StreamHandler(self.text)
        handler.setFormatter(wanted["formatters"][form]["()"]())
        self.logger = logging.Logger("swaps.runner", "INFO")
        self.logger.addHandler(handler)

    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()

    def told(self) -> dict[str, Any]:
        return dict(json.loads(self.lines()[-1]))


@pytest.fixture(params=logs.FORMATS)
def log(request: pytest.FixtureRequest) -> Log:
    return Log(request.param)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(redaction, "_known", OrderedDict())
    redaction.know("an odd secret 42")
    yield "an odd secret 42"


def test_a_json_line_says_what_it_is_about() -> None:
    log = Log("json")
    with log_context.about(request_id="abc"), log_context.about(swap=12, slot="main"):
        log.logger.warning("swap %s waits", 12)
    log.logger.info("later")

    told, later = (json.loads(line) for line in log.lines())

    assert told["message"] == "swap 12 waits" and told["level"] == "WARNING" and told["logger"] == "swaps.runner"
    assert (told["request_id"], told["swap"], told["slot"]) == ("abc", "12", "main")
    assert told["at"].endswith("+00:00")
    assert "swap" not in later


def test_a_plain_line_says_it_at_its_end() -> None:
    log = Log("plain")
    with log_context.about(swap=12):
        log.logger.warning("it waits")
    assert log.lines()[0].endswith("WARNING swaps.runner: it waits [swap=12]")


def test_secrets_are_masked_in_messages_arguments_and_tracebacks(log: Log, known: str) -> None:
    log.logger.warning("with %s", SECRET)
    log.logger.warning("with %s", {"api_key": "canary-1", "other": known})
    try:
        raise ValueError(f"cannot use {SECRET} and {known}")
    except ValueError:
        log.logger.exception("It failed.")
    with log_context.about(request_id=known):
        log.logger.info("x", extra={"access": {"path": f"/hooks/{SECRET}"}})

    text = log.text.getvalue()

    assert "AbCdEf" not in text and known not in text and "canary-1" not in text
    assert "cannot use hf_*** and ***" in text


def test_a_json_line_is_one_line_whatever_is_in_it() -> None:
    log = Log("json")
    for hostile in HOSTILE:
        log.logger.info("%s", hostile)
    assert all(json.loads(line)["message"] is not None for line in log.text.getvalue().split("\n") if line)


def test_nothing_logs_past_the_one_handler() -> None:
    wanted = logs.configuration("json", "WARNING", access=False)
    assert list(wanted["handlers"]) == ["console"]
    assert all(not one.get("handlers") for one in wanted["loggers"].values())
    assert wanted["loggers"]["sparkcontrol.access"]["level"] == "CRITICAL"
