"""GET /sparkctl: the client for a shell, ready to run against the address it was asked for at."""

import hashlib
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import condition, require_safe

from services.sparkctl import assembling


def source_for(request: HttpRequest) -> str:
    return assembling.sparkctl(address_of(request), str(settings.SPECTACULAR_SETTINGS["VERSION"]))


def address_of(request: HttpRequest) -> str:
    """How this caller reaches us. Django has checked the host; only we know of a proxy that speaks https for us."""
    host = request.get_host()
    told = urlsplit(settings.SPARKCONTROL_URL)
    return settings.SPARKCONTROL_URL if told.netloc == host else f"{request.scheme}://{host}"


def _etag(request: HttpRequest) -> str:
    return f'"{hashlib.sha256(source_for(request).encode()).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=_etag)
def sparkctl(request: HttpRequest) -> HttpResponse:
    """It holds no secret, so nobody is asked who they are."""
    headers = {"Content-Disposition": 'attachment; filename="sparkctl"', "Cache-Control": "no-cache"}
    return HttpResponse(source_for(request), content_type="text/x-python; charset=utf-8", headers=headers)
