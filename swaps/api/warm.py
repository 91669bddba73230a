"""/api/slots/{slot}/warm: a small prompt to what serves."""

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from cluster.api.fields import Integer, StrictSerializer, Text
from cluster.api.stream import MAX_WAIT_SECONDS
from cluster.api.views import DATABASE_ONLY, HouseView
from swaps import actions
from swaps.api.shapes import SwapSerializer
from swaps.api.swaps import TOKEN, accepted, lock_token_of, requester
from swaps.warm_wish import FIRST_TOKEN, KINDS, WarmWish


class WarmBody(StrictSerializer):
    kind = serializers.ChoiceField(choices=list(KINDS), default=FIRST_TOKEN)
    prompt = Text(
        allow_blank=True, default="", help_text="A short one when not given. Limited with system to 400,000 characters."
    )
    system = Text(allow_blank=True, default="", help_text="The prefix requests share.")
    lock_token = Text(max_length=200, allow_null=True, default=None, help_text="Of the swap lock, when you hold it.")
    wait = Integer(min_value=0, max_value=MAX_WAIT_SECONDS, default=0, help_text="Seconds to wait for the end.")


class SlotWarmView(HouseView):
    required_scopes = {"POST": "swap"}
    longest_call = DATABASE_ONLY
    problem_codes = {"POST": (409, 412, 422, 423)}

    @extend_schema(operation_id="warm_slot", parameters=[TOKEN], request=WarmBody, responses={202: SwapSerializer})
    def post(self, request: Request, name: str) -> HttpResponseBase:
        """Send a small prompt to what serves until its first token, or prime the prefix cache with a text of yours.
        The answer has the same life as a swap; `result` tells what came of it. No container is touched."""
        body = self.body(WarmBody)
        wish = WarmWish(body["kind"], body["prompt"], body["system"])
        token = lock_token_of(request, body)
        swap = actions.request_warm(actions.find_slot(name), requester(self), wish, lock_token=token)
        return accepted(swap, body["wait"])
