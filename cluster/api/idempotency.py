"""The header Idempotency-Key, understood by every mutating call of the API.

A key belongs to one caller, method and path. Quoted (RFC 8941 string) and bare spellings of it are the same key.
"""

import hashlib
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from cluster import idempotency
from cluster.encryption import EncryptionError
from cluster.idempotency import Answer, Call
from cluster.refusals import Invalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MAX_KEPT_BODY = 256 * 1024
# What a caller needs to go on; the rest (request id, security headers) belongs to the answer of today.
KEPT_HEADERS = ("Content-Type", "Location", "Retry-After", "ETag", "Preference-Applied")
PATTERN = r"^([!#-\[\]-~]{1,255}|\"[ !#-\[\]-~]{1,253}\")$"
_SHAPE = re.compile(r"(?P<bare>[!#-\[\]-~]{1,255})|\"(?P<quoted>[ !#-\[\]-~]{1,253})\"")

log = logging.getLogger(__name__)


class Replay(Exception):
    """The call was made before; this is its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Pledge:
    """One call under a key: the claim to do the work, and what becomes of it."""

    def __init__(self, call: Call, claim: str) -> None:
        self._call = call
        self._claim = claim

    def settle(self, response: HttpResponseBase) -> HttpResponseBase:
        """Keep the answer of work that was done; let the key go when nothing was."""
        try:
            self._settle(response)
        except (DatabaseError, EncryptionError):
            # What was done is done, and the caller must hear it; the key is free again when the claim ends.
            log.exception("the answer to a call with an Idempotency-Key could not be kept")
        return response

    def _settle(self, response: HttpResponseBase) -> None:
        if not 200 <= response.status_code < 400:
            idempotency.release(self._call, self._claim)
        elif isinstance(response, StreamingHttpResponse):
            self._keep_later(response)
        else:
            self._keep(response, _rendered(response))

    def _keep(self, response: HttpResponseBase, body: bytes) -> None:
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        text = body[:MAX_KEPT_BODY].decode(errors="replace")
        idempotency.finish(self._call, self._claim, Answer(response.status_code, headers, text))

    def _keep_later(self, response: StreamingHttpResponse) -> None:
        """The work is done, its answer only waits for news. A caller that hangs up meanwhile gets an empty one."""
        self._keep(response, b"{}")
        response.streaming_content = self._overheard(response, response.streaming_content)

    async def _overheard(self, response: StreamingHttpResponse, chunks: Any) -> AsyncIterator[bytes]:
        heard = b""
        async for chunk in chunks:
            heard += chunk
            yield chunk
        await database_sync_to_async(self._keep)(response, heard)


def pledge(request: Request, actor: str, claim_for: timedelta) -> Pledge | None:
    """What to settle with the answer; None without the header. Raises Replay, Invalid, Conflict, Unprocessable."""
    header = request.headers.get(HEADER)
    if header is None or request.method not in MUTATING:
        return None
    call = Call(_caller(request, actor), request.method or "", request.path[:500], _key(header), _fingerprint(request))
    begun = idempotency.begin(call, claim_for)
    if isinstance(begun, Answer):
        raise Replay(begun)
    return Pledge(call, begun)


def replayed(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers={**answer.headers, REPLAYED: "true"})


def _key(header: str) -> str:
    match = _SHAPE.fullmatch(header.strip())
    if match is None:
        message = f"Write {HEADER} as 1 to 255 printable ASCII characters, in double quotes or without."
        raise Invalid("invalid-request", message, errors=[{"field": HEADER, "message": message}])
    return match["bare"] or match["quoted"]


def _caller(request: HttpRequest | Request, actor: str) -> str:
    """Two keys of one name are two callers."""
    credentials = request.headers.get("Authorization", "")
    return f"{actor} {hashlib.sha256(credentials.encode()).hexdigest()[:16]}" if credentials else actor


def _fingerprint(request: Request) -> str:
    body: bytes = request._request.body  # read before DRF parses it, which then finds it there
    return hashlib.sha256(request.META.get("QUERY_STRING", "").encode() + b"\0" + body).hexdigest()


def _rendered(response: HttpResponseBase) -> bytes:
    if isinstance(response, Response):
        response.render()
    return bytes(getattr(response, "content", b""))
