"""One attempt of a delivery over HTTP: what was sent, what came back. No database, no retries."""

import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import httpcore

from services.webhooks import guard
from services.webhooks.connecting import Deadline, GuardedBackend
from services.webhooks.guard import Allowance
from swaps.logs.masking import MASK, mask_secrets

ATTEMPT_SECONDS = 15.0
MAX_RESPONSE_BYTES = 4096
USER_AGENT = "SparkControl-Webhooks/1"
SHORTEST_SECRET = 6  # shorter values would mask ordinary words of the answer

_SENTENCES: list[tuple[type[Exception], str]] = [
    (httpcore.ConnectTimeout, "No connection came about within 5 s; is the receiver on?"),
    (httpcore.TimeoutException, f"No whole answer came within {ATTEMPT_SECONDS:.0f} s."),
    (httpcore.ConnectError, "The connection was refused; does the receiver listen on this port?"),
    (httpcore.NetworkError, "The connection broke before the answer came."),
    (httpcore.ProtocolError, "What answered does not speak HTTP, or hung up before it answered."),
    (socket.gaierror, "The name of the receiver is not known; check the address and the DNS of this machine."),
    (UnicodeError, "The name of the receiver cannot be looked up; check the address."),
    (OSError, "The network of this machine failed."),
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status_code` is None when no answer came; `error` is a sentence, blank after a 2xx."""

    status_code: int | None
    milliseconds: int
    error: str = ""
    response: str = ""
    retry_after: str = ""

    @property
    def delivered(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


class Sender:
    """Attempts to one endpoint, one after the other; the connection is kept between them. Close it."""

    def __init__(self, allowed: Sequence[Allowance]) -> None:
        self._backend = GuardedBackend(allowed)
        # Straight to the receiver: httpcore itself reads no proxy from the environment and follows no redirect.
        self._connections = httpcore.ConnectionPool(
            ssl_context=_trust(), max_connections=1, network_backend=self._backend
        )

    def close(self) -> None:
        self._connections.close()

    def post(self, url: str, headers: Mapping[str, str], body: str, secrets: Iterable[str]) -> Outcome:
        """One attempt, at most 15 s. Whatever of `secrets` the receiver repeats is masked in what is kept."""
        self._backend.deadline = Deadline(ATTEMPT_SECONDS)
        began = time.monotonic()
        try:
            return self._exchange(url, headers, body, secrets, began)
        except guard.NotAllowed as error:
            return Outcome(None, _since(began), str(error))
        except tuple(kind for kind, _ in _SENTENCES) as error:
            return Outcome(None, _since(began), sentence_for(error))

    def _exchange(
        self, url: str, headers: Mapping[str, str], body: str, secrets: Iterable[str], began: float
    ) -> Outcome:
        sent = [(b"User-Agent", USER_AGENT.encode()), *((n.encode(), v.encode("latin-1")) for n, v in headers.items())]
        with self._connections.stream("POST", url, headers=sent, content=body.encode()) as answer:
            response = _redacted(_beginning(answer.iter_stream()), secrets)
            status = answer.status
            asked = {name.lower(): value for name, value in answer.headers}
        return Outcome(
            status,
            _since(began),
            "" if 200 <= status < 300 else _refusal(status),
            response,
            asked.get(b"retry-after", b"").decode("latin-1")[:100],
        )


def sentence_for(error: Exception) -> str:
    """What went wrong, without the addresses and internals an exception's own words may hold."""
    if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
        return "The receiver's certificate is not trusted here, or is for another name."
    return next(sentence for kind, sentence in _SENTENCES if isinstance(error, kind))


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"It answered {status}, a redirect, which is not followed; enter the address it leads to."
    return f"It answered {status}."


def _beginning(chunks: Iterable[bytes]) -> bytes:
    """Never more than is kept: what follows is left unread, and the connection is closed with it."""
    kept = b""
    with suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        for chunk in chunks:  # the status is known; a body that breaks off changes nothing
            kept += chunk
            if len(kept) >= MAX_RESPONSE_BYTES:
                break
    return kept[:MAX_RESPONSE_BYTES]


def _redacted(raw: bytes, secrets: Iterable[str]) -> str:
    text = raw.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    # "Bearer abc" is a secret whose second word alone is one, too.
    words = {word for secret in secrets for word in (secret, *secret.split()) if len(word) >= SHORTEST_SECRET}
    for word in sorted(words - {"Bearer"}, key=len, reverse=True):
        text = text.replace(word, MASK)
    return mask_secrets(text).encode()[:MAX_RESPONSE_BYTES].decode(errors="ignore")


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """The authorities of this machine; reading them takes 20 ms. SSL_CERT_FILE names others."""
    return ssl.create_default_context()
