"""/api/status: everything at a glance, asked often and so made cheap: four queries and the key's, no serializer."""

from typing import Any

from django.conf import settings
from django.http import HttpResponseBase, JsonResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from cluster.api.serializers import moment
from cluster.api.views import HouseView
from cluster.models import Slot, SlotWorker, Spark, SshState
from swaps.api.documents import active_document, serving_document
from swaps.api.drift_shape import drift_document
from swaps.api.shapes import StatusSerializer
from swaps.models import Swap

GAUGES = (
    "gpu_busy_percent",
    "gpu_temperature_c",
    "gpu_power_watts",
    "mem_available_bytes",
    "mem_total_bytes",
    "disk_free_bytes",
)
ACTIVE_COLUMNS = ("slot_id", "operation", "model_key", "model_label", "status", "percent", "actor")


class StatusView(HouseView):
    required_scopes = {"GET": "read"}

    @extend_schema(operation_id="get_status", responses=StatusSerializer)
    def get(self, _: Request) -> HttpResponseBase:
        """Sparks, slots, what serves and what is being swapped."""
        return JsonResponse(status_document())


def status_document() -> dict[str, Any]:
    slots = list(Slot.objects.select_related("serving").defer("serving__definition"))
    seats = list(SlotWorker.objects.order_by("rank").values_list("slot_id", "spark_id"))
    active = {swap.slot_id: swap for swap in Swap.objects.active().order_by().only(*ACTIVE_COLUMNS)}
    sparks = {spark.pk: spark for spark in Spark.objects.all()}
    return {
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "server_time": moment(timezone.now()),
        "sparks": [_spark(spark) for spark in sparks.values()],
        "slots": [_slot(slot, _sparks_of(slot, seats, sparks), active.get(slot.pk)) for slot in slots],
    }


def _sparks_of(slot: Slot, seats: list[tuple[int, int]], sparks: dict[int, Spark]) -> list[str]:
    """Head first. Rows may change between our queries, so what is not there is left out."""
    if slot.head_id in sparks:
        slot.head = sparks[slot.head_id]  # loaded already; saves a query for the address
    workers = [spark_id for slot_id, spark_id in seats if slot_id == slot.pk]
    return [sparks[spark_id].name for spark_id in (slot.head_id, *workers) if spark_id in sparks]


def _spark(spark: Spark) -> dict[str, Any]:
    known = spark.reading if spark.ssh_state == SshState.UP else {}  # what it was before is not what it is
    gauges = {name: known.get(name) for name in GAUGES}
    return {
        "name": spark.name,
        "enabled": spark.enabled,
        "state": spark.ssh_state,
        "since": moment(spark.ssh_state_since),
        "problem": spark.ssh_problem,
        "probed_at": moment(spark.probed_at),
        "rebooted_at": moment(spark.rebooted_at),
        **gauges,
    }


def _slot(slot: Slot, sparks: list[str], active: Swap | None) -> dict[str, Any]:
    return {
        "name": slot.name,
        "label": slot.label,
        "is_default": slot.is_default,
        "sparks": sparks,
        "base_url": slot.base_url,
        "serving": serving_document(getattr(slot, "serving", None)),
        "drift": drift_document(getattr(slot, "serving", None)),
        "active_swap": active_document(active),
    }
