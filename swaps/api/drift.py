"""/api/slots/{slot}/adopt: a drift accepted."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.views import DATABASE_ONLY, HouseView
from swaps import actions, adopting
from swaps.api.bodies import LockTokenBody
from swaps.api.shapes import SlotSerializer
from swaps.api.slots import document_of
from swaps.api.swaps import TOKEN, lock_token_of, requester


class SlotAdoptView(HouseView):
    required_scopes = {"POST": "swap"}
    longest_call = DATABASE_ONLY
    problem_codes = {"POST": (409, 412, 423)}

    @extend_schema(operation_id="adopt_slot", parameters=[TOKEN], request=LockTokenBody, responses=SlotSerializer)
    def post(self, request: Request, name: str) -> Response:
        """Accept what serves now as what should serve. To go back instead, swap to `drift.believed.model`."""
        slot = actions.find_slot(name)
        adopting.adopt(slot, requester(self), lock_token=lock_token_of(request, self.body(LockTokenBody)))
        return Response(document_of(slot))
