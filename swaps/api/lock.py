"""/api/swap/lock: take, look at, renew and release the right to change a slot."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api import hanging_up
from cluster.api.fields import Boolean, Integer, StrictSerializer, Text
from cluster.api.problems import PreconditionRequired
from cluster.api.stream import MAX_WAIT_SECONDS
from cluster.api.views import HouseView
from cluster.models import Slot
from swaps import actions, locks
from swaps.api.shapes import GrantSerializer, LockSerializer
from swaps.api.swaps import TOKEN, TOKEN_HEADER, requester
from swaps.lock_rules import DEFAULT_TTL_SECONDS

MAX_TOKEN_CHARACTERS = 200
SLOT = OpenApiParameter("slot", str, description="The default slot when not given.")


class SlotOnly(StrictSerializer):
    slot = Text(max_length=40, allow_null=True, default=None, help_text="The default slot when not given.")


class AcquireBody(SlotOnly):
    holder = Text(max_length=1000, help_text="Who you are, such as openclaw; at most 80 characters.")
    ttl_seconds = Integer(allow_null=True, default=None, help_text="900 when not given; bent into 1..86400.")
    note = Text(max_length=1000, allow_null=True, allow_blank=True, default=None, help_text="What for; at most 200.")
    purpose = Text(max_length=1000, allow_null=True, allow_blank=True, default=None, help_text="Newer name of note.")
    token = Text(max_length=1000, allow_null=True, default=None, help_text="Your own, or the one you got, to extend.")
    wait = Integer(min_value=0, max_value=MAX_WAIT_SECONDS, default=0, help_text="Seconds to wait while it is held.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        note, purpose = attrs.pop("note"), attrs.pop("purpose")
        if note is not None and purpose is not None and note != purpose:
            raise ValidationError({"purpose": ["purpose and note say different things; send one of them."]})
        return {**attrs, "purpose": note if purpose is None else purpose}


class TokenBody(SlotOnly):
    token = Text(max_length=MAX_TOKEN_CHARACTERS, allow_null=True, default=None, help_text="Better in the header.")


class RenewBody(TokenBody):
    ttl_seconds = Integer(allow_null=True, default=None, help_text="As long as it was taken for when not given.")


class ForceBody(SlotOnly):
    fence = Integer(min_value=0, max_value=2**63 - 1, help_text="Of the hold you looked at.")
    reason = Text(max_length=5000, help_text="At least 10 characters; the journal keeps it.")
    cancel_swap = Boolean(default=False, help_text="Also cancel the swap that runs under it.")


class LockCall(HouseView):
    def slot(self, body: dict[str, Any] | None = None) -> Slot:
        """Without its Sparks: nobody asks them here."""
        name = (body or {}).get("slot") or self.request.query_params.get("slot") or None
        slots = Slot.objects.filter(name=name) if name else Slot.objects.order_by("-is_default", "name")
        return slots.first() or actions.find_slot(name)

    def token(self, body: dict[str, Any]) -> str:
        token = body["token"] or self.request.headers.get(TOKEN_HEADER)
        if token:
            return str(token)
        raise PreconditionRequired("token-missing", f"Send the token of your hold in the header {TOKEN_HEADER}.")


class LockView(LockCall):
    required_scopes = {"GET": "read", "POST": "lock", "PUT": "lock", "DELETE": "lock"}
    problem_codes = {"GET": (404,), "POST": (404, 409), "PUT": (404, 412, 428), "DELETE": (404, 412, 428)}

    @extend_schema(operation_id="get_lock", parameters=[SLOT], responses=LockSerializer)
    def get(self, _: Request) -> Response:
        """Who may change a slot now, what for, until when, and the swap that is changing it. Never the token."""
        return Response(locks.look(self.slot()).as_document())

    @extend_schema(operation_id="acquire_lock", request=AcquireBody, responses=GrantSerializer)
    def post(self, request: Request) -> Response:
        """Take the lock, or extend it with its holder and token. 409 and the lock while somebody else has it."""
        body = self.body(AcquireBody)
        ttl = body["ttl_seconds"]
        grant = locks.acquire(
            self.slot(body),
            holder=body["holder"],
            purpose=body["purpose"],
            ttl_seconds=DEFAULT_TTL_SECONDS if ttl is None else ttl,
            token=body["token"] or request.headers.get(TOKEN_HEADER),
            by=requester(self),
            wait_seconds=body["wait"],
            has_hung_up=lambda: hanging_up.has_hung_up(request),
        )
        return Response({**grant.lock.as_document(), "token": grant.token})

    @extend_schema(operation_id="renew_lock", parameters=[TOKEN], request=RenewBody, responses=LockSerializer)
    def put(self, _: Request) -> Response:
        """As long again from now. 412 when your hold has ended: it is never revived."""
        body = self.body(RenewBody)
        return Response(locks.renew(self.slot(body), self.token(body), body["ttl_seconds"]).as_document())

    @extend_schema(operation_id="release_lock", parameters=[SLOT, TOKEN], request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Give it back. A swap that runs goes on, and keeps the slot until its end."""
        body = self.body(TokenBody)
        token = body["token"] or request.query_params.get("token")  # where older clients put it; it is dead after this
        locks.release(self.slot(body), self.token({"token": token}))
        return Response(status=204)


class ForceReleaseView(LockCall):
    required_scopes = {"POST": "lock:force"}
    problem_codes = {"POST": (404, 409, 412)}

    @extend_schema(operation_id="force_release_lock", request=ForceBody, responses=LockSerializer)
    def post(self, _: Request) -> Response:
        """Take the lock away from its holder, with a reason. For 15 s after it only you may take it."""
        body = self.body(ForceBody)
        lock = locks.force_release(
            self.slot(body),
            fence=body["fence"],
            reason=body["reason"],
            cancel_swap=body["cancel_swap"],
            by=requester(self),
        )
        return Response(lock.as_document())
