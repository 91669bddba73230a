import io
from email.message import Message
from typing import Any, cast

import pytest

from services.sparkctl.calls import Api, Misuse, Refused, events_in, patiently, refusal_in


class Answer:
    """As http.client gives it, after the status line."""

    reason = "Bad Gateway"

    def __init__(self, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = Message()
        for name, value in (headers or {}).items():
            self.headers[name.replace("_", "-")] = value
        self.readline = io.BytesIO(body).readline


def heard(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    return list(events_in(cast(Any, Answer(body=text.encode()))))


def test_events_have_an_id_a_name_and_data() -> None:
    assert heard('retry: 3000\n\nid: 4\nevent: phase\ndata: {"a": "b: c"}\n\n') == [(4, "phase", {"a": "b: c"})]


def test_an_id_alone_is_a_position() -> None:
    assert heard(": still here\nid: 9\n\n: still here\n\n") == [(9, "", {})]


def test_an_event_that_was_cut_off_is_none() -> None:
    assert heard('id: 4\nevent: phase\ndata: {"a"') == []


def test_lines_may_end_as_windows_ends_them() -> None:
    assert heard("id: 1\r\nevent: end\r\ndata: {}\r\n\r\n") == [(1, "end", {})]


def refused(status: int, body: bytes, **headers: str) -> Refused:
    return refusal_in(cast(Any, Answer(status, headers=headers)), body)


def test_a_refusal_speaks_in_the_words_of_the_api() -> None:
    no = refused(423, b'{"detail": "Ana holds it.", "code": "lock-held"}', Retry_After="7")
    assert (str(no), no.status, no.document["code"], no.wait) == ("Ana holds it.", 423, "lock-held", 7)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"x"', b"{}", b"\xff", b""])
def test_an_answer_that_is_not_ours_is_told_as_such(body: bytes) -> None:
    no = refused(502, body, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")
    assert "answered 502 Bad Gateway" in str(no)
    assert no.wait == 0


@pytest.mark.parametrize("url", ["", "spark:9999", "ftp://spark", "http://", "http://spark:x", "http://spark:99999"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Misuse, match="http://HOST:9999"):
        Api(url, "")


@pytest.mark.parametrize("key", ["spk_a\nX-Evil: 1", "spk_ü", "spk a", "\x7f"])
def test_a_key_cannot_hold_another_header(key: str) -> None:
    with pytest.raises(Misuse) as problem:
        Api("http://spark:9999", key)
    assert key not in str(problem.value)


def test_what_will_not_get_better_is_not_asked_twice() -> None:
    asked = []

    def ask() -> None:
        asked.append(1)
        raise Refused(404, "No.")

    with pytest.raises(Refused):
        patiently(ask, 60)
    assert len(asked) == 1
