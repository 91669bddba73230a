"""/api/status: everything at a glance, asked often and so made cheap: six queries, no serializer."""

from typing import Any

from django.conf import settings
from django.http import HttpResponseBase, JsonResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from cluster.api.serializers import moment
from cluster.api.views import HouseView
from cluster.models import Slot, Spark
from swaps.api.documents import active_document, serving_document
from swaps.api.shapes import StatusSerializer
from swaps.models import Serving, Swap

GAUGES = (
    "gpu_busy_percent",
    "gpu_temperature_c",
    "gpu_power_watts",
    "mem_available_bytes",
    "mem_total_bytes",
    "disk_free_bytes",
)


class StatusView(HouseView):
    required_scopes = {"GET": "read"}

    @extend_schema(operation_id="get_status", responses=StatusSerializer)
    def get(self, _: Request) -> HttpResponseBase:
        """Sparks, slots, what serves and what is being swapped."""
        return JsonResponse(status_document())


def status_document() -> dict[str, Any]:
    sparks = list(Spark.objects.all())
    slots = Slot.objects.prefetch_related("seats")
    serving = {row.slot_id: row for row in Serving.objects.all()}
    active = {swap.slot_id: swap for swap in Swap.objects.active()}
    return {
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "server_time": moment(timezone.now()),
        "sparks": [_spark(spark) for spark in sparks],
        "slots": [_slot(slot, sparks, serving.get(slot.pk), active.get(slot.pk)) for slot in slots],
    }


def _spark(spark: Spark) -> dict[str, Any]:
    gauges = {name: spark.reading.get(name) for name in GAUGES}
    return {
        "name": spark.name,
        "enabled": spark.enabled,
        "state": spark.ssh_state,
        "problem": spark.ssh_problem,
        "probed_at": moment(spark.probed_at),
        **gauges,
    }


def _slot(slot: Slot, sparks: list[Spark], serving: Serving | None, active: Swap | None) -> dict[str, Any]:
    by_id = {spark.pk: spark for spark in sparks}
    slot.head = by_id[slot.head_id]  # loaded already; saves a join
    names = [slot.head.name, *(by_id[seat.spark_id].name for seat in slot.seats.all())]
    return {
        "name": slot.name,
        "label": slot.label,
        "is_default": slot.is_default,
        "sparks": names,
        "base_url": slot.base_url,
        "serving": serving_document(serving),
        "active_swap": active_document(active),
    }
