"""Connections on real sockets: to the address that was checked, no longer than allowed, and never elsewhere."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from services.webhooks import connecting, sending
from services.webhooks.guard import parse_allowances
from services.webhooks.sending import Outcome, Sender
from tests.integration.services.webhooks.receiver import Receiver

LOOPBACK = parse_allowances(["127.0.0.0/8"])
PRIVATE = parse_allowances(["private", "external"])


def post(url: str, allowed: Any = LOOPBACK) -> Outcome:
    sender = Sender(allowed)
    try:
        return sender.post(url, {"X-A": "b"}, "{}", [])
    finally:
        sender.close()


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads one request and then talks as the test says."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            client, _ = door.accept()
            with client:
                heard = b""
                while not heard.endswith(b"{}"):  # all of it: closing on unread bytes would reset the connection
                    heard += (chunk := client.recv(65536))
                    if not chunk:
                        break
                with suppress(OSError):
                    talk(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}/hook"
        thread.join(timeout=5)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "0"])
def test_loopback_in_any_spelling_is_refused_unless_allowed(inbox: Receiver, host: str) -> None:
    outcome = post(f"http://{host}:{inbox.port}/hook", PRIVATE)
    assert outcome.status_code is None and "SPARKCONTROL_WEBHOOK_NETWORKS" in outcome.error
    assert inbox.calls == []


def test_the_name_is_looked_up_once_and_the_connection_goes_to_what_was_checked(
    inbox: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that answers something else the second time (DNS rebinding) gets no second time."""
    asked: list[str] = []

    def resolver(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert connecting.resolve("agent.test", inbox.port, LOOPBACK) == ["127.0.0.1"]
    assert asked == ["agent.test"]


def test_of_several_addresses_only_allowed_ones_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolver(host: str, port: int, **_: Any) -> list[Any]:
        found = ["169.254.169.254", "127.0.0.1", "::1", "127.0.0.1"]
        return [(socket.AF_UNSPEC, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert connecting.resolve("agent.test", 80, LOOPBACK) == ["127.0.0.1"]


def test_proxies_of_the_environment_are_not_asked(inbox: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(inbox.url).status_code == 204


def test_a_receiver_that_drips_is_cut_off_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "ATTEMPT_SECONDS", 1.0)

    def drip(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(40):
            client.sendall(b"X-Drip: 1\r\n")
            time.sleep(0.1)

    with raw_server(drip) as url:
        began = time.monotonic()
        outcome = post(url)
    assert time.monotonic() - began < 6 and outcome.milliseconds < 2000
    assert outcome.status_code is None and "within" in outcome.error


def test_a_body_without_end_is_read_no_further_than_needed() -> None:
    sent = 0

    def flood(client: socket.socket) -> None:
        nonlocal sent
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            sent += client.send(b"x" * 65536)

    with raw_server(flood) as url:
        outcome = post(url)
    assert outcome.delivered and len(outcome.response) == sending.MAX_RESPONSE_BYTES
    assert sent < 20_000_000


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (b"", "hung up"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000, "does not speak HTTP"),
    ],
)
def test_what_is_no_answer_is_told_in_a_sentence(talk: bytes, words: str) -> None:
    with raw_server(lambda client: client.sendall(talk)) as url:
        assert words in post(url).error


def test_nobody_listening_and_unknown_names_are_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    assert "refused" in post(f"http://127.0.0.1:{port}/").error
    assert "name" in post("http://no-such-name.invalid/").error


def test_a_receiver_that_speaks_no_tls_is_told_in_a_sentence(inbox: Receiver) -> None:
    outcome = post(inbox.url.replace("http://", "https://"))
    assert outcome.status_code is None and outcome.error.endswith((".", "?"))


def test_verification_of_certificates_is_on() -> None:
    context = sending._trust()
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
