"""In front of every view: a name for the request, no foreign callers, headers on every answer."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from cluster import log_context
from cluster.api import failures, problems
from services.sign_in import TooManyTries

GetResponse = Callable[[HttpRequest], HttpResponseBase]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'{socket}",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Called from other pages since ever, and harmless: they change nothing that is ours to guard.
OPEN_TO_OTHER_ORIGINS = ("/v1/", "/scrub", "/rehydrate", "/api/search", "/api/audio/", "/api/health-event")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
ASKED_ALL_THE_TIME = ("/healthz", "/readyz")
HOST_WORD = re.compile(r"[A-Za-z0-9.\[\]:_-]{1,255}")

access = logging.getLogger("sparkcontrol.access")


class SecurityHeaders:
    """The outermost of our own: what it adds must be on every answer, refusals of the inner ones included."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.request_id = _request_id(request)  # type: ignore[attr-defined]
        began = time.monotonic()
        with log_context.about(request_id=request.request_id):  # type: ignore[attr-defined]
            response = self._answer(request)
            _note(request, response, time.monotonic() - began)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Raised where a password is looked at, which is below every view that takes one."""
        if not isinstance(exception, TooManyTries):
            return None
        answer = failures.answer(request, exception.status, exception.detail)
        answer.headers["Retry-After"] = str(exception.retry_after_seconds)
        return answer

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        _forget_last_slash(request)
        response = _refuse_unsized_body(request) or _refuse_foreign_origin(request) or self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", content_security_policy(request))
        response.headers["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        if request.path_info.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _note(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """The access line. Without the query: people put secrets there."""
    path = request.path_info
    if path in ASKED_ALL_THE_TIME and response.status_code < 400:
        return
    told = {
        "method": request.method,
        "path": path,
        "status": response.status_code,
        "milliseconds": round(seconds * 1000, 1),
    }
    access.info("%s %s %s %s ms", *told.values(), extra={"access": told})


def content_security_policy(request: HttpRequest) -> str:
    """'self' does not cover WebSockets in every browser, so our own are named."""
    host = request.META.get("HTTP_HOST", "")
    socket = f" ws://{host} wss://{host}" if HOST_WORD.fullmatch(host) else ""
    return CONTENT_SECURITY_POLICY.format(socket=socket)


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _forget_last_slash(request: HttpRequest) -> None:
    """/api/swap/ is /api/swap: a redirect would turn an old client's POST into a GET."""
    path = request.path_info
    if path.startswith("/api/") and path.endswith("/"):
        request.path_info = path.rstrip("/")
        request.path = request.path.rstrip("/")


def _refuse_unsized_body(request: HttpRequest) -> HttpResponseBase | None:
    """Without a length the frameworks below take the body for empty, which would be a silent wrong answer."""
    if "Transfer-Encoding" in request.headers and not request.META.get("CONTENT_LENGTH"):
        return problems.plain(request, 411, detail="Send the body with a Content-Length.", code="length-required")
    return None


def _refuse_foreign_origin(request: HttpRequest) -> HttpResponseBase | None:
    """A page of another site must not press our buttons; programs that send neither header pass."""
    if request.method in SAFE_METHODS or request.path_info.startswith(OPEN_TO_OTHER_ORIGINS):
        return None
    origin = request.headers.get("Origin") or request.headers.get("Referer")
    if origin is None or _is_ours(origin, request):
        return None
    detail = "This call comes from a page of another site; only Spark Control's own pages may change things."
    return problems.plain(request, 403, detail=detail, code="foreign-origin")


def _is_ours(origin: str, request: HttpRequest) -> bool:
    try:
        caller = urlsplit(origin)
        own = urlsplit(f"{caller.scheme}://{request.META.get('HTTP_HOST', '')}")
        default = {"http": 80, "https": 443}.get(caller.scheme)
        same = (caller.hostname, caller.port or default) == (own.hostname, own.port or default)
    except ValueError:
        return False
    trusted = f"{caller.scheme}://{caller.netloc}" in settings.CSRF_TRUSTED_ORIGINS
    return (same and caller.hostname is not None) or trusted
