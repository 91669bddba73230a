"""Django's own failures in the caller's format: problem+json for programs, a page for people."""

import sys
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string

from cluster.api import problems
from cluster.outages import DATABASE_AWAY

FOR_PEOPLE = {  # where the words for programs would be no help
    400: "The request could not be understood. Go back, reload the page and try again.",
    404: "There is nothing at this address. It may have been removed since, or the link is not quite right.",
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403, str(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Called while the exception is handled. A database that is away is no error of ours."""
    error = sys.exc_info()[1]
    if not isinstance(error, DATABASE_AWAY):
        return answer(request, 500)
    if not _wants_page(request):
        return problems.busy(request, error)
    page = answer(request, 503)
    page.headers["Retry-After"] = str(problems.RETRY_SECONDS)
    return page


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """For settings.CSRF_FAILURE_VIEW."""
    return answer(request, 403, "This page is too old to send the form from; go back, reload it and try again.")


def answer(request: HttpRequest, status: int, detail: str = "") -> HttpResponse:
    if _wants_page(request):
        return _page(request, status, detail or FOR_PEOPLE.get(status) or problems.SENTENCES[status])
    return problems.plain(request, status, detail=detail)


def _wants_page(request: HttpRequest) -> bool:
    return not request.path_info.startswith(("/api/", "/v1/")) and "text/html" in request.headers.get("Accept", "")


def _page(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    told = {
        "status": status,
        "title": HTTPStatus(status).phrase,
        "detail": detail,
        "request_id": getattr(request, "request_id", ""),
    }
    try:
        # Without the request: context processors query, and the database may be what failed.
        return HttpResponse(render_to_string("error.html", told), status=status)
    except TemplateDoesNotExist:
        return problems.plain(request, status, detail=detail)
