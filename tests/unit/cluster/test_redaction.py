import json
from collections import OrderedDict

import pytest

from cluster import redaction


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", OrderedDict())


def test_what_was_made_known_is_masked_wherever_it_stands() -> None:
    redaction.know("correct horse battery")
    assert (
        redaction.redact("it said 'correct horse battery' twice: correct horse battery") == "it said '***' twice: ***"
    )


def test_a_private_key_is_masked_line_by_line_and_headers_value_by_value() -> None:
    redaction.know("-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----")
    redaction.know(json.dumps({"X-Token": "first-value", "X-Other": "second-value"}))
    assert redaction.redact("mnopqrstuvwx second-value -----BEGIN KEY-----") == "*** *** -----BEGIN KEY-----"


def test_the_longer_secret_goes_first_and_short_words_stay() -> None:
    redaction.know("password")
    redaction.know("password-and-more")
    redaction.know("main")
    assert redaction.redact("password-and-more main") == "*** main"


def test_it_remembers_a_thousand_the_newest() -> None:
    for number in range(1100):
        redaction.know(f"secret-{number:06d}")
    assert redaction.redact("secret-000001") == "secret-000001"
    assert redaction.redact("secret-001099") == "***"
