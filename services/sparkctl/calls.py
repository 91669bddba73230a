"""Talking to Spark Control: one call, a list, a stream that goes on after a break."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

ANSWER_SECONDS = 60.0
SILENCE_SECONDS = 45.0  # a stream shows every 15 s that it lives
PATIENCE_SECONDS = 300.0  # how long a Spark Control that went away is waited for
LONGEST_PAUSE_SECONDS = 10.0
NO_ANSWER = 0
PASSING = frozenset({NO_ANSWER, 429, 502, 503, 504})  # worth another try


class Misuse(Exception):
    """What was asked for makes no sense; `str()` says what does."""


class Refused(Exception):
    """Spark Control said no, or nothing. `str()` is its sentence, `document` all it said, `wait` its Retry-After."""

    def __init__(self, status: int, sentence: str, document: dict[str, Any] | None = None, wait: float = 0) -> None:
        super().__init__(sentence)
        self.status = status
        self.document = document or {}
        self.wait = wait


class Unreached(Refused):
    """No answer. `sent` when the call may have been heard all the same."""

    def __init__(self, sentence: str, sent: bool) -> None:
        super().__init__(NO_ANSWER, sentence)
        self.sent = sent


class Api:
    """The calls of one Spark Control."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self.where = urlsplit(self.url)
        try:
            is_address = self.where.scheme in ("http", "https") and self.where.hostname and self.where.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise Misuse(f"{url} is no address of Spark Control; write it as http://HOST:9999.")
        refuse_unsendable("key", key)
        self.headers = {"Connection": "close", **({"Authorization": f"Bearer {key}"} if key else {})}

    def open(self, method: str, path: str, body: Any = None, *, timeout: float = ANSWER_SECONDS, **more: str) -> Any:
        """The answer, its body not read yet. `more` are headers. Raises Refused."""
        given = {name.replace("_", "-"): value for name, value in more.items() if value}
        kind = {"Content-Type": "application/json"} if body is not None else {}
        line = self._line(timeout)
        with self._talking(sent=False):
            line.connect()
        with self._talking(sent=True):
            text = None if body is None else json.dumps(body)
            line.request(method, quote(self.where.path, safe="/%") + path, text, {**self.headers, **kind, **given})
            answer = line.getresponse()
            if answer.status < 300:
                return answer
            with answer:
                raise refusal_in(answer, answer.read())

    def call(self, method: str, path: str, body: Any = None, *, timeout: float = ANSWER_SECONDS, **more: str) -> Any:
        """The document of the answer, None when it has none. Raises Refused."""
        text, _ = self.read(self.open(method, path, body, timeout=timeout, **more))
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise Refused(NO_ANSWER, f"What answers at {self.url} is not Spark Control; check the address.") from None

    def read(self, answer: Any) -> tuple[str, Any]:
        """(text, headers) of an answer. Raises Refused."""
        with self._talking(sent=True), answer:
            return answer.read().decode("utf-8", "replace"), answer.headers

    def once(self, path: str, body: Any, token: str = "") -> Any:
        """A POST that is repeated when its answer was lost, and done once however often it is repeated."""
        name = os.urandom(16).hex()
        ends_at = time.monotonic() + ANSWER_SECONDS
        in_doubt = False
        while True:
            try:
                return self.call("POST", path, body, Idempotency_Key=name, Swap_Lock_Token=token)
            except Refused as no:
                in_doubt = in_doubt or is_cut_off(no)
                may_help = is_cut_off(no) or no.status in PASSING
                if not (in_doubt and may_help) or time.monotonic() > ends_at:
                    raise
                time.sleep(no.wait or 1)

    def pages(self, path: str, **wanted: str) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        query = urlencode({"limit": 200, **wanted})
        while True:
            page = self.call("GET", f"{path}?{query}")
            yield from page["results"]
            query = urlsplit(page["next"] or "").query
            if not query:
                return

    def stream(self, path: str, after: int | None = None) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """(id, event, data) of server-sent events. After a break it goes on where it was, and 204 ends it.

        Raises Refused; when it begins in the middle (`after`) only after PATIENCE_SECONDS without an answer.
        """
        patience = 0.0 if after is None else PATIENCE_SECONDS
        while True:
            answer = patiently(partial(self._join, path, after), patience)
            patience = PATIENCE_SECONDS
            with contextlib.suppress(Unreached), self._talking(sent=True), answer:
                if answer.status == 204:
                    return
                for position, event, data in events_in(answer):
                    after = position
                    if event:
                        yield position, event, data
            time.sleep(1)

    def _join(self, path: str, after: int | None) -> Any:
        position = "" if after is None else str(after)
        return self.open("GET", path, timeout=SILENCE_SECONDS, Accept="text/event-stream", Last_Event_ID=position)

    def _line(self, timeout: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.where.scheme == "https" else http.client.HTTPConnection
        return kind(self.where.hostname or "", self.where.port, timeout=timeout)

    @contextlib.contextmanager
    def _talking(self, sent: bool) -> Iterator[None]:
        """Whatever a network does wrong is Unreached."""
        try:
            yield
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            hint = "See whether it runs; SPARKCTL_URL or sparkctl login give another address."
            raise Unreached(f"Spark Control at {self.url} does not answer ({why}). {hint}", sent) from None


def refuse_unsendable(what: str, secret: str) -> None:
    """Raises Misuse, which does not show the secret."""
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise Misuse(f"The {what} has characters that no {what} has; copy it again, or get a new one.")


def is_cut_off(no: Refused) -> bool:
    """The call may have been done, and its answer is to be had by asking again."""
    return (isinstance(no, Unreached) and no.sent) or no.document.get("code") == "idempotency-key-in-use"


def refusal_in(answer: http.client.HTTPResponse, text: bytes) -> Refused:
    """What an answer of 300 and more says."""
    wait = answer.headers.get("Retry-After", "")
    seconds = float(wait) if wait.isdecimal() else 0.0
    try:
        document = json.loads(text)
        return Refused(answer.status, str(document["detail"]), document, seconds)
    except (ValueError, TypeError, KeyError):
        sentence = f"Something on the way to Spark Control answered {answer.status} {answer.reason}; check the address."
        return Refused(answer.status, sentence, wait=seconds)


def events_in(answer: http.client.HTTPResponse) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(id, event, data). No event: an id alone is a position to go on from."""
    fields: dict[str, str] = {}
    for raw in iter(answer.readline, b""):
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if fields.get("id", "").isdecimal():
            yield int(fields["id"]), fields.get("event", ""), json.loads(fields.get("data") or "{}")
        fields = {}


def patiently(ask: Callable[[], Any], seconds: float) -> Any:
    """The answer of `ask`, which is asked again while Spark Control is away or busy. Raises Refused."""
    ends_at = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Refused as no:
            if no.status not in PASSING or time.monotonic() >= ends_at:
                raise
            time.sleep(min(max(1.0, no.wait), LONGEST_PAUSE_SECONDS))
