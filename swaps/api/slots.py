"""/api/slots: the places where a model serves."""

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.views import DATABASE_ONLY, HouseView, PagedView
from cluster.models import Slot
from swaps import actions
from swaps.api.bodies import SlotBody, StopBody
from swaps.api.documents import slot_document
from swaps.api.shapes import SlotSerializer, SwapSerializer
from swaps.api.swaps import TOKEN, accepted, lock_token_of, requester
from swaps.models import Serving, Swap
from swaps.slot_edits import save_slot


def document_of(slot: Slot) -> dict[str, Any]:
    serving = Serving.objects.filter(slot=slot).first()
    return slot_document(slot, serving, Swap.objects.active().filter(slot=slot).first())


class SlotsView(PagedView):
    required_scopes = {"GET": "read"}
    page_ordering = "name"

    @extend_schema(operation_id="list_slots", responses=SlotSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All slots with what they serve."""
        return self.page(request, Slot.objects.with_sparks(), document_of)


class SlotView(HouseView):
    required_scopes = {"GET": "read", "PUT": "config"}
    problem_codes = {"PUT": (409,)}

    @extend_schema(operation_id="get_slot", responses=SlotSerializer)
    def get(self, _: Request, name: str) -> Response:
        """One slot."""
        return Response(document_of(actions.find_slot(name)))

    @extend_schema(operation_id="put_slot", request=SlotBody, responses={200: SlotSerializer, 201: SlotSerializer})
    def put(self, _: Request, name: str) -> Response:
        """Make a slot, or replace how it is set up; refused while it is in use."""
        slot = Slot.objects.with_sparks().filter(name=name).first()
        body = self.body(SlotBody)
        saved = save_slot(slot=slot, values={**body, "name": name}, by=self.actor)
        return Response(document_of(saved), status=200 if slot else 201)


class SlotStopView(HouseView):
    required_scopes = {"POST": "swap"}
    longest_call = DATABASE_ONLY
    problem_codes = {"POST": (409, 412, 422, 423)}

    @extend_schema(operation_id="stop_slot", parameters=[TOKEN], request=StopBody, responses={202: SwapSerializer})
    def post(self, request: Request, name: str) -> HttpResponseBase:
        """End what the slot serves. The answer has the same life as a swap."""
        body = self.body(StopBody)
        token, agreed = lock_token_of(request, body), body["stop_foreign"]
        slot = actions.find_slot(name)
        return accepted(actions.request_stop(slot, requester(self), lock_token=token, stop_foreign=agreed))
