"""Every "no" of the API as application/problem+json (RFC 9457), with a code for scripts and a sentence for people."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions

from cluster.outages import DATABASE_AWAY
from cluster.refusals import Invalid, Refusal, Unavailable

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5  # for a database that is busy or being restarted

CODES = {
    400: "invalid-request",
    401: "not-signed-in",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    412: "changed-meanwhile",
    413: "too-large",
    415: "unsupported-media-type",
    428: "precondition-required",
    429: "too-many-requests",
    500: "internal-error",
    503: "unavailable",
}
SENTENCES = {
    400: "The request could not be understood; check its address, headers and body.",
    401: "Sign in, or send a key as 'Authorization: Bearer spk_...'.",
    403: "You may not do this; ask an administrator for the right to.",
    404: "There is nothing at this address; /api/docs lists what there is.",
    413: "The body is too large; send at most 1 MiB.",
    415: "Send the body as application/json.",
    500: "Spark Control made an error, which is in its log under this request id; please report it.",
    503: "The database is busy or being restarted, and nothing was changed; try again shortly.",
}


class PreconditionRequired(Refusal):
    status = 428
    title = "Precondition missing"


class TooLarge(Refusal):
    status = 413
    title = "Too large"


def answer(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's exception handler. None, so Django's own handler500, for what nobody expected."""
    response = _render(exc, context["request"])
    if response is not None and (auth_header := getattr(exc, "auth_header", "")):
        response["WWW-Authenticate"] = auth_header
    return response


def _render(exc: Exception, request: HttpRequest) -> HttpResponse | None:
    if isinstance(exc, Refusal):
        return refused(request, exc)
    if isinstance(exc, exceptions.ValidationError):
        return refused(request, invalid(exc.detail))
    if isinstance(exc, exceptions.APIException):
        return _from_rest_framework(request, exc)
    if isinstance(exc, DATABASE_AWAY):
        return busy(request, exc)
    for kind, status in ((Http404, 404), (PermissionDenied, 403), (RequestDataTooBig, 413), (SuspiciousOperation, 400)):
        if isinstance(exc, kind):
            return plain(request, status)
    return None


def busy(request: HttpRequest, exc: Exception) -> HttpResponse:
    """For a database that is busy, full or away: nothing was changed, and the same call may be made again."""
    logger.error("The database refused a query: %s", exc)
    return refused(request, Unavailable("busy", SENTENCES[503], retry_after_seconds=RETRY_SECONDS))


def _from_rest_framework(request: HttpRequest, exc: exceptions.APIException) -> HttpResponse:
    own_words = exc.status_code in (400, 403, 405, 429) and isinstance(exc.detail, str)
    response = plain(request, exc.status_code, detail=str(exc.detail) if own_words else "", code=_code_of(exc))
    if wait := getattr(exc, "wait", None):
        response["Retry-After"] = str(int(wait) + 1)
    return response


def _code_of(exc: exceptions.APIException) -> str:
    """A code we gave ourselves; the framework's own ones have underscores, ours dashes."""
    code = str(getattr(exc.detail, "code", ""))
    return code if "-" in code else ""


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """A Refusal as a response, with Location and Retry-After where it has them."""
    extra = dict(refusal.extra)
    headers: dict[str, str] = {}
    if refusal.location:
        headers["Location"] = refusal.location
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
        extra["retry_after"] = refusal.retry_after_seconds
    return _document(
        request,
        status=refusal.status,
        title=refusal.title,
        detail=refusal.detail,
        code=refusal.code,
        errors=refusal.errors,
        extra=extra,
        headers=headers,
    )


def plain(request: HttpRequest, status: int, *, detail: str = "", code: str = "") -> HttpResponse:
    """A problem that has only a status, and perhaps its own words."""
    title = HTTPStatus(status).phrase
    detail = detail or SENTENCES.get(status, f"{title}.")
    return _document(
        request, status=status, title=title, detail=detail, code=code or CODES.get(status, f"http-{status}")
    )


def _document(
    request: HttpRequest,
    *,
    status: int,
    title: str,
    detail: str,
    code: str,
    errors: Iterable[Mapping[str, str]] = (),
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    body = {
        **(extra or {}),
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": list(errors),
        "request_id": getattr(request, "request_id", ""),
    }
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE, headers=dict(headers or {}))


def invalid(detail: Any) -> Invalid:
    """A serializer's complaints as one sentence and a list of {field, message}."""
    errors = list(_flatten(detail))
    sentence = "; ".join(f"{e['field']}: {e['message']}" if e["field"] else e["message"] for e in errors)
    return Invalid("invalid-request", sentence or SENTENCES[400], errors=errors)


def _flatten(detail: Any, path: str = "") -> Iterable[dict[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from _flatten(inner, f"{path}.{step}".strip("."))
    elif isinstance(detail, list | tuple):
        for position, inner in enumerate(detail):
            # A list of sentences belongs to the field itself, a list of mappings to its items.
            yield from _flatten(inner, f"{path}.{position}".strip(".") if isinstance(inner, Mapping | list) else path)
    else:
        yield {"field": path, "message": str(detail)}
