"""GET /metrics, for Prometheus."""

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from cluster.api.stream import PlainText
from cluster.api.views import HouseView
from services.metrics import house, machines, slots
from services.metrics.text import MEDIA_TYPE, render


class AnyText(PlainText):
    """Prometheus asks for OpenMetrics first; it takes this as well."""

    media_type = "*/*"


class MetricsView(HouseView):
    required_scopes = {"GET": "read"}
    renderer_classes: list[type[BaseRenderer]] = [AnyText, JSONRenderer]

    def get_permissions(self) -> list[BasePermission]:
        """SPARKCONTROL_METRICS_OPEN is for scrapers that cannot send a key."""
        return [AllowAny()] if settings.METRICS_OPEN else super().get_permissions()  # type: ignore[return-value]

    @extend_schema(exclude=True)
    def get(self, _: Request) -> HttpResponse:
        """Everything from the rows: whichever web process is asked, the answer is the same."""
        now = timezone.now()
        families = [*slots.families(now), *machines.families(now), *house.families(now)]
        return HttpResponse(render(families), content_type=MEDIA_TYPE)
