"""/api/swap: ask for a swap, look at it, cancel it, try it again."""

from collections.abc import Callable
from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.stream import answer_later, preferred_wait, wait_for
from cluster.api.views import DATABASE_ONLY, HouseView, PagedView
from cluster.refusals import Missing
from swaps import actions, locks
from swaps.actions import Requester
from swaps.api.bodies import LockTokenBody, RetryBody, SwapBody, ValidateBody
from swaps.api.documents import swap_document, swap_summary
from swaps.api.messages import reader_of, topic_of
from swaps.api.shapes import ExaminationSerializer, SwapSerializer, SwapSummarySerializer
from swaps.models import Swap, Trigger
from swaps.querysets import SwapQuerySet
from swaps.states import Status

LOOK_AGAIN_SECONDS = 2
TO_THE_END: frozenset[str] = frozenset()  # of the kinds of rows that end a wait early
NEXT_PHASE = frozenset({"phase"})
FILTERS = {"slot": "slot__name", "model": "model_key", "status": "status", "actor": "actor"}
PREFER = OpenApiParameter("Prefer", str, OpenApiParameter.HEADER, description="`wait=20`: up to 30 s.")
TOKEN_HEADER = "Swap-Lock-Token"  # noqa: S105 - the name of a header
TOKEN = OpenApiParameter(TOKEN_HEADER, str, OpenApiParameter.HEADER, description="Of the lock, when you hold it.")


def requester(view: HouseView) -> Requester:
    return Requester(view.actor, Trigger.API)


def lock_token_of(request: Request, body: dict[str, Any]) -> str | None:
    """From the body or, better, the header, which no log keeps."""
    return body["lock_token"] or request.headers.get(TOKEN_HEADER) or None


def find_swap(swap_id: int) -> Swap:
    swap = Swap.objects.for_pages().filter(pk=swap_id).first()
    if swap is None:
        raise Missing("unknown-swap", f"There is no swap {swap_id}; GET /api/swap lists them.")
    return swap


def accepted(swap: Swap, wait: int = 0) -> HttpResponseBase:
    """202, where the swap is, and its document: now, or when it ended within `wait` seconds."""
    headers = {"Location": f"/api/swap/{swap.pk}", "Retry-After": str(LOOK_AGAIN_SECONDS)}
    if not wait:
        return Response(swap_document(find_swap(swap.pk)), status=202, headers=headers)
    return answer_later(_waiting(swap, wait, TO_THE_END), status=202, headers=headers)


def _waiting(swap: Swap, seconds: int, kinds: frozenset[str]) -> Callable[[], Any]:
    async def work() -> dict[str, Any]:
        await wait_for(topic_of(swap.pk), reader_of(swap.pk), swap.last_seq, seconds, kinds)
        return await database_sync_to_async(_document_now)(swap.pk)  # type: ignore[no-any-return]

    return work


def _document_now(swap_id: int) -> dict[str, Any]:
    return swap_document(find_swap(swap_id))


class SwapsView(PagedView):
    required_scopes = {"GET": "read", "POST": "swap"}
    longest_call = DATABASE_ONLY
    problem_codes = {"POST": (404, 409, 412, 422, 423, 503)}

    @extend_schema(
        operation_id="list_swaps",
        parameters=[OpenApiParameter(name, str, description="Only these.") for name in ("slot", "model", "actor")]
        + [OpenApiParameter("status", str, enum=[str(s) for s in Status], description="Only these.")],
        responses=SwapSummarySerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """History, newest first."""
        return self.page(request, _filtered(request), swap_summary)

    @extend_schema(
        operation_id="request_swap",
        parameters=[TOKEN],
        request=SwapBody,
        responses={202: SwapSerializer, 200: ExaminationSerializer},
    )
    def post(self, request: Request) -> HttpResponseBase:
        """Swap the model of a slot. 202 and a Location at once; 200 with checks and plan for a dry run."""
        body = self.body(SwapBody)
        slot = actions.find_slot(body["slot"])
        token = lock_token_of(request, body)
        if body["dry_run"]:
            locks.refuse_stale(slot, token)
            return Response(examined(slot.name, body["model"], stop_foreign=body["stop_foreign"]))
        swap = actions.request_swap(
            slot,
            body["model"],
            requester(self),
            rollback=body["rollback"],
            deadline_seconds=body["deadline_seconds"],
            lock_token=token,
            stop_foreign=body["stop_foreign"],
        )
        return accepted(swap, body["wait"])


def examined(slot_name: str | None, model_key: str, *, stop_foreign: bool) -> dict[str, Any]:
    slot = actions.find_slot(slot_name)
    found = actions.examine(slot, model_key, stop_foreign=stop_foreign)
    checks = [check.as_dict() for check in found.checks]
    return {"ok": found.ok, "model": model_key, "slot": slot.name, "checks": checks, "plan": found.plan}


def _filtered(request: Request) -> SwapQuerySet:
    rows = Swap.objects.select_related("slot")
    for name, column in FILTERS.items():
        value = request.query_params.get(name)
        if value is None:
            continue
        if "\0" in value or (name == "status" and value not in list(Status)):
            raise ValidationError({name: ["Nothing can have this value."]})
        rows = rows.filter(**{column: value})
    return rows


class SwapView(HouseView):
    required_scopes = {"GET": "read"}

    @extend_schema(operation_id="get_swap", parameters=[PREFER], responses=SwapSerializer)
    def get(self, request: Request, swap_id: int) -> HttpResponseBase:
        """One swap with its phases. With `Prefer: wait=20` the answer comes at the next phase or end, or after 20 s."""
        swap = find_swap(swap_id)
        wait = preferred_wait(request)
        if not swap.is_active:
            return Response(swap_document(swap))
        headers = {"Retry-After": str(LOOK_AGAIN_SECONDS)}
        if not wait:
            return Response(swap_document(swap), headers=headers)
        return answer_later(_waiting(swap, wait, NEXT_PHASE), headers={**headers, "Preference-Applied": f"wait={wait}"})


class SwapCancelView(HouseView):
    required_scopes = {"POST": "swap"}
    problem_codes = {"POST": (409, 423)}

    @extend_schema(
        operation_id="cancel_swap", parameters=[TOKEN], request=LockTokenBody, responses={202: SwapSerializer}
    )
    def post(self, request: Request, swap_id: int) -> HttpResponseBase:
        """Ask a running swap to stop. Its end comes when the Sparks are in order again."""
        token = lock_token_of(request, self.body(LockTokenBody))
        return accepted(actions.cancel_swap(find_swap(swap_id), requester(self), lock_token=token))


class SwapRetryView(HouseView):
    required_scopes = {"POST": "swap"}
    longest_call = DATABASE_ONLY
    problem_codes = {"POST": (409, 412, 422, 423)}

    @extend_schema(operation_id="retry_swap", parameters=[TOKEN], request=RetryBody, responses={202: SwapSerializer})
    def post(self, request: Request, swap_id: int) -> HttpResponseBase:
        """Ask for the same again, as a new swap."""
        body = self.body(RetryBody)
        token, agreed = lock_token_of(request, body), body["stop_foreign"]
        return accepted(actions.retry_swap(find_swap(swap_id), requester(self), lock_token=token, stop_foreign=agreed))


class ValidateView(HouseView):
    required_scopes = {"POST": "swap"}
    problem_codes = {"POST": (503,)}

    @extend_schema(operation_id="validate_model", request=ValidateBody, responses=ExaminationSerializer)
    def post(self, _: Request, model: str) -> Response:
        """Would a swap to this model work? Looks at the Sparks, changes nothing."""
        body = self.body(ValidateBody)
        return Response(examined(body["slot"], model, stop_foreign=body["stop_foreign"]))
