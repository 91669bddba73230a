"""/api/schedules: ours and those of others; /api/schedule: the registry as older clients know it; /api/plan."""

from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.permissions import Grant
from cluster.api.preconditions import etag, expected_version
from cluster.api.views import HouseView, PagedView
from cluster.refusals import Invalid, Missing
from swaps.actions import find_slot
from swaps.api.models import IF_MATCH
from swaps.api.schedule_bodies import (
    ExternalBody,
    OlderBody,
    PlanQuery,
    ScheduleBody,
    external_draft,
    in_api_words,
    internal_draft,
)
from swaps.api.schedule_documents import (
    PlanSerializer,
    RegistrySerializer,
    RunSerializer,
    ScheduleSerializer,
    plan_document,
    run_document,
    schedule_document,
)
from swaps.api.swaps import requester
from swaps.schedules import actions
from swaps.schedules.drafts import Draft
from swaps.schedules.plan_rows import plan_of
from swaps.schedules.rows import Schedule, ScheduleKind, ScheduleQuerySet

ADMIN = "admin"
FILTERS = {"slot": "slot__name", "kind": "kind", "owner": "owner"}


class ScheduleHouse(HouseView):
    """What the views of schedules share."""

    def is_admin(self) -> bool:
        return ADMIN in cast(Grant, self.request.auth).scopes

    def refuse_without_swap(self) -> None:
        """A schedule of ours acts later, so whoever makes it must be allowed to act now."""
        if "swap" not in cast(Grant, self.request.auth).scopes:
            sentence = "This schedule swaps, warms or probes, so besides schedule you need the scope swap."
            raise PermissionDenied(sentence, code="scope-missing")

    def register(self, owner: str, ref: str, draft: Draft) -> Response:
        try:
            schedule, is_new = actions.register(owner, ref, draft, requester(self), is_admin=self.is_admin())
        except Invalid as refusal:
            raise in_api_words(refusal) from None
        return shown(schedule, 201, Location=schedule.url) if is_new else shown(schedule)


def shown(schedule: Schedule, status: int = 200, **headers: str) -> Response:
    document = schedule_document(schedule, timezone.now())
    return Response(document, status=status, headers={"ETag": etag(schedule.version), **headers})


class SchedulesView(ScheduleHouse, PagedView):
    required_scopes = {"GET": "read", "POST": "schedule"}
    problem_codes = {"POST": (404, 409)}
    page_ordering = "id"

    @extend_schema(
        operation_id="list_schedules",
        parameters=[OpenApiParameter(name, str, description="Only these.") for name in ("slot", "owner")]
        + [OpenApiParameter("kind", str, enum=ScheduleKind.values, description="Only these.")],
        responses=ScheduleSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """All schedules with their next five runs: Spark Control's own and those others have registered."""
        now = timezone.now()
        return self.page(request, _filtered(request), lambda schedule: schedule_document(schedule, now))

    @extend_schema(operation_id="make_schedule", request=ScheduleBody, responses={201: ScheduleSerializer})
    def post(self, _: Request) -> Response:
        """Schedule a swap, a warm-up or a health sweep. The answer shows the next five runs. Also needs `swap`."""
        self.refuse_without_swap()
        draft = internal_draft(self.body(ScheduleBody))
        try:
            schedule = actions.make(draft, requester(self))
        except Invalid as refusal:
            raise in_api_words(refusal) from None
        return shown(schedule, 201, Location=schedule.url)


def _filtered(request: Request) -> ScheduleQuerySet:
    rows = Schedule.objects.select_related("slot")
    for name, column in FILTERS.items():
        value = request.query_params.get(name)
        if value is None:
            continue
        if "\0" in value or (name == "kind" and value not in ScheduleKind.values):
            raise ValidationError({name: ["Nothing can have this value."]})
        rows = rows.filter(**{column: value})
    return rows


class ScheduleView(ScheduleHouse):
    required_scopes = {"GET": "read", "PUT": "schedule", "DELETE": "schedule"}
    problem_codes = {"PUT": (409, 412, 428), "DELETE": (409, 412, 428)}

    @extend_schema(operation_id="get_schedule", responses=ScheduleSerializer)
    def get(self, _: Request, schedule_id: int) -> Response:
        """One schedule; the ETag is its version."""
        return shown(actions.find(schedule_id))

    @extend_schema(
        operation_id="change_schedule", parameters=[IF_MATCH], request=ScheduleBody, responses=ScheduleSerializer
    )
    def put(self, request: Request, schedule_id: int) -> Response:
        """Replace one of Spark Control's own. Send the ETag you read as If-Match. Also needs `swap`."""
        self.refuse_without_swap()
        schedule = actions.find(schedule_id)
        version = expected_version(request, schedule.version)
        draft = internal_draft(self.body(ScheduleBody))
        try:
            return shown(actions.change(schedule, draft, requester(self), expected_version=version))
        except Invalid as refusal:
            raise in_api_words(refusal) from None

    @extend_schema(operation_id="remove_schedule", parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, schedule_id: int) -> Response:
        """Forget one of Spark Control's own. What it has started goes on."""
        schedule = actions.find(schedule_id)
        version = expected_version(request, schedule.version)
        actions.remove(schedule, requester(self), expected_version=version)
        return Response(status=204)


class ScheduleRunsView(PagedView):
    required_scopes = {"GET": "read"}
    page_ordering = "-id"

    @extend_schema(operation_id="list_schedule_runs", responses=RunSerializer(many=True))
    def get(self, request: Request, schedule_id: int) -> Response:
        """What became of each run, newest first; kept for 30 days."""
        return self.page(request, actions.find(schedule_id).runs.all(), run_document)


class ExternalScheduleView(ScheduleHouse):
    required_scopes = {"GET": "read", "PUT": "schedule", "DELETE": "schedule"}
    problem_codes = {"PUT": (409,)}

    @extend_schema(operation_id="get_external_schedule", responses=ScheduleSerializer)
    def get(self, _: Request, owner: str, ref: str) -> Response:
        """What an external scheduler has registered."""
        return shown(actions.find_external(owner, ref))

    @extend_schema(
        operation_id="register_schedule",
        request=ExternalBody,
        responses={200: ScheduleSerializer, 201: ScheduleSerializer},
    )
    def put(self, _: Request, owner: str, ref: str) -> Response:
        """Say what your own scheduler will do, so that everybody sees it. Send it again at least every
        refresh_interval_seconds: after two missed ones it is shown as stale. Only the same caller may change it."""
        return self.register(owner, ref, external_draft(self.body(ExternalBody)))

    @extend_schema(operation_id="withdraw_schedule", responses={204: None})
    def delete(self, _: Request, owner: str, ref: str) -> Response:
        """Take back what you have registered."""
        actions.withdraw(actions.find_external(owner, ref), requester(self), is_admin=self.is_admin())
        return Response(status=204)


class OlderSchedulesView(ScheduleHouse):
    required_scopes = {"GET": "read", "POST": "schedule"}
    problem_codes = {"POST": (404, 409)}

    @extend_schema(operation_id="list_registry", responses=RegistrySerializer)
    def get(self, _: Request) -> Response:
        """Everything external schedulers have registered, on one page. Older form of GET /api/schedules."""
        now = timezone.now()
        rows = Schedule.objects.external().select_related("slot")
        return Response({"schedules": [schedule_document(row, now) for row in rows]})

    @extend_schema(
        operation_id="register_in_registry",
        request=OlderBody,
        responses={200: ScheduleSerializer, 201: ScheduleSerializer},
    )
    def post(self, _: Request) -> Response:
        """Register a schedule of yours; without an id you get one. Older form of PUT /api/schedules/{owner}/{ref}."""
        body = self.body(OlderBody)
        ref = actions.clean_ref(body["id"] or "")
        owner = body["owner"] or actions.clean_owner(self.actor)
        return self.register(owner, ref, external_draft({**body, "title": body["title"] or ref}))


class OlderScheduleView(ScheduleHouse):
    required_scopes = {"DELETE": "schedule"}

    @extend_schema(operation_id="withdraw_from_registry", responses={204: None})
    def delete(self, _: Request, ref: str) -> Response:
        """Take back a schedule of yours by its id. Older form of DELETE /api/schedules/{owner}/{ref}."""
        actions.withdraw(_by_ref(ref, self.actor), requester(self), is_admin=self.is_admin())
        return Response(status=204)


def _by_ref(ref: str, actor: str) -> Schedule:
    """Ids are unique per owner only, so the caller's own comes first."""
    found = list(Schedule.objects.external().select_related("slot").filter(ref=actions.clean_ref(ref)))
    if not found:
        raise Missing("unknown-schedule", f"Nobody has registered a schedule {ref!r}; GET /api/schedule lists them.")
    return next((schedule for schedule in found if schedule.registered_by == actor), found[0])


class PlanView(HouseView):
    required_scopes = {"GET": "read"}
    problem_codes = {"GET": (404,)}

    @extend_schema(operation_id="get_plan", parameters=[PlanQuery], responses=PlanSerializer)
    def get(self, request: Request) -> Response:
        """What happens next on the slots: schedules of all sides, locks and running swaps, with conflicts flagged."""
        query = PlanQuery(data=_given(request))
        query.is_valid(raise_exception=True)
        hours, slot = query.validated_data["hours"], query.validated_data.get("slot")
        return Response(plan_document(plan_of(timezone.now(), hours, find_slot(slot) if slot else None)))


def _given(request: Request) -> dict[str, Any]:
    return {name: request.query_params[name] for name in ("hours", "slot") if name in request.query_params}
