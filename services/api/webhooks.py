"""/api/webhooks: who is told of events, and how that went."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.preconditions import etag, expected_version
from cluster.api.views import HouseView, Nothing, PagedView
from cluster.refusals import Missing
from services.api.webhook_shapes import (
    DeliverySerializer,
    MadeWebhookSerializer,
    NewWebhookBody,
    OneDeliverySerializer,
    ReplayBody,
    ReplaySerializer,
    SecretBody,
    TypesSerializer,
    WebhookBody,
    WebhookSerializer,
    delivery_document,
    link_of,
    shape_document,
    type_document,
    webhook_document,
    whole_delivery_document,
)
from services.webhooks import actions, bodies
from services.webhooks.actions import Settings
from services.webhooks.rows import Delivery, DeliveryState, WebhookEndpoint
from services.webhooks.types import TYPES

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag you read, or `*`.")
STATUS = OpenApiParameter("status", str, enum=DeliveryState.values, description="Only these.")


def find_webhook(webhook_id: int) -> WebhookEndpoint:
    found = WebhookEndpoint.objects.filter(pk=webhook_id).first()
    if found is None:
        raise Missing("unknown-webhook", f"There is no webhook {webhook_id}; GET /api/webhooks lists them.")
    return found


def find_delivery(webhook_id: int, delivery_id: int) -> Delivery:
    of_this = Delivery.objects.filter(endpoint=find_webhook(webhook_id))
    found = of_this.filter(pk=delivery_id).select_related("message", "endpoint").first()
    if found is None:
        raise Missing(
            "unknown-delivery", f"There is no delivery {delivery_id}; {link_of(webhook_id)}/deliveries has all."
        )
    return found


def shown(endpoint: WebhookEndpoint, status: int = 200, **extra: Any) -> Response:
    headers = {"ETag": etag(endpoint.version), **({"Location": link_of(endpoint.pk)} if status == 201 else {})}
    return Response({**webhook_document(endpoint), **extra}, status=status, headers=headers)


def settings_from(body: dict[str, Any]) -> Settings:
    return Settings(**{"headers": None, **{name: value for name, value in body.items() if name != "secret"}})


class WebhooksView(PagedView):
    required_scopes = {"GET": "config", "POST": "config"}
    problem_codes = {"POST": (409,)}
    page_ordering = "id"

    @extend_schema(operation_id="list_webhooks", responses=WebhookSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All webhook endpoints and how they do."""
        return self.page(request, WebhookEndpoint.objects.all(), webhook_document)

    @extend_schema(operation_id="add_webhook", request=NewWebhookBody, responses={201: MadeWebhookSerializer})
    def post(self, _: Request) -> Response:
        """Add an endpoint. Its secret is in this answer and nowhere else."""
        body = self.body(NewWebhookBody)
        endpoint, secret = actions.add(settings_from(body), secret=body["secret"], by=self.actor)
        return shown(endpoint, 201, secret=secret)


class WebhookTypesView(HouseView):
    required_scopes = {"GET": "read"}

    @extend_schema(operation_id="list_webhook_types", responses=TypesSerializer)
    def get(self, _: Request) -> Response:
        """Every event type with the shape of its data, and the ready-made bodies."""
        ready_made = [shape_document(name, shape) for name, shape in bodies.SHAPES.items()]
        return Response({"types": [type_document(kind) for kind in TYPES.values()], "shapes": ready_made})


class WebhookView(HouseView):
    required_scopes = {"GET": "config", "PUT": "config", "DELETE": "config"}
    problem_codes = {"PUT": (409, 412, 428), "DELETE": (412, 428)}

    @extend_schema(operation_id="get_webhook", responses=WebhookSerializer)
    def get(self, _: Request, webhook_id: int) -> Response:
        """One endpoint; the ETag is its version."""
        return shown(find_webhook(webhook_id))

    @extend_schema(
        operation_id="change_webhook", parameters=[IF_MATCH], request=WebhookBody, responses=WebhookSerializer
    )
    def put(self, request: Request, webhook_id: int) -> Response:
        """Replace its settings; its secret stays, headers too when not sent. What waits is tried again at once."""
        endpoint = find_webhook(webhook_id)
        version = expected_version(request, endpoint.version)
        wanted = settings_from(self.body(WebhookBody))
        return shown(actions.change(endpoint, wanted, expected_version=version, by=self.actor))

    @extend_schema(operation_id="remove_webhook", parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, webhook_id: int) -> Response:
        """Forget an endpoint, its log, and what waits for it."""
        endpoint = find_webhook(webhook_id)
        actions.remove(endpoint, expected_version=expected_version(request, endpoint.version), by=self.actor)
        return Response(status=204)


class WebhookPingView(HouseView):
    required_scopes = {"POST": "config"}
    problem_codes = {"POST": (409,)}

    @extend_schema(operation_id="ping_webhook", request=Nothing, responses={202: DeliverySerializer})
    def post(self, _: Request, webhook_id: int) -> Response:
        """Put a test on its way. How it went is at Location, usually within a second."""
        self.body(Nothing)
        return on_its_way(actions.ping(find_webhook(webhook_id), by=self.actor))


class WebhookReplayView(HouseView):
    required_scopes = {"POST": "config"}
    problem_codes = {"POST": (409,)}

    @extend_schema(operation_id="replay_webhook", request=ReplayBody, responses={202: ReplaySerializer})
    def post(self, _: Request, webhook_id: int) -> Response:
        """Send what failed since then again, or `all`, also what this endpoint never got. Ids stay the same."""
        body = self.body(ReplayBody)
        endpoint = find_webhook(webhook_id)
        count = actions.replay(endpoint, since=body["since"], everything=body["what"] == "all", by=self.actor)
        return Response({"count": count}, status=202, headers={"Location": f"{link_of(endpoint.pk)}/deliveries"})


class WebhookRotateView(HouseView):
    required_scopes = {"POST": "config"}

    @extend_schema(operation_id="rotate_webhook_secret", request=SecretBody, responses=MadeWebhookSerializer)
    def post(self, _: Request, webhook_id: int) -> Response:
        """A new secret, shown in this answer and nowhere else. The one before signs along for 24 hours."""
        given = self.body(SecretBody)["secret"]
        endpoint, secret = actions.rotate(find_webhook(webhook_id), secret=given, by=self.actor)
        return shown(endpoint, secret=secret)


class DeliveriesView(PagedView):
    required_scopes = {"GET": "config"}

    @extend_schema(operation_id="list_webhook_deliveries", parameters=[STATUS], responses=DeliverySerializer(many=True))
    def get(self, request: Request, webhook_id: int) -> Response:
        """What was sent to this endpoint, newest first. Kept for 30 days."""
        return self.page(request, _filtered(request, find_webhook(webhook_id)), delivery_document)


class DeliveryView(HouseView):
    required_scopes = {"GET": "config"}

    @extend_schema(operation_id="get_webhook_delivery", responses=OneDeliverySerializer)
    def get(self, _: Request, webhook_id: int, delivery_id: int) -> Response:
        """One delivery with its attempts: when, how long, which status."""
        return Response(whole_delivery_document(find_delivery(webhook_id, delivery_id)))


class RedeliverView(HouseView):
    required_scopes = {"POST": "config"}
    problem_codes = {"POST": (409,)}

    @extend_schema(operation_id="redeliver_webhook", request=Nothing, responses={202: DeliverySerializer})
    def post(self, _: Request, webhook_id: int, delivery_id: int) -> Response:
        """Send it again under the same id, with a new timestamp."""
        self.body(Nothing)
        return on_its_way(actions.redeliver(find_delivery(webhook_id, delivery_id), by=self.actor))


def on_its_way(delivery: Delivery) -> Response:
    document = delivery_document(delivery)
    return Response(document, status=202, headers={"Location": document["link"], "Retry-After": "1"})


def _filtered(request: Request, endpoint: WebhookEndpoint) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(endpoint=endpoint).select_related("message")
    status = request.query_params.get("status")
    if status is None:
        return rows
    if status not in DeliveryState.values:
        raise ValidationError({"status": [f"Choose one of {', '.join(DeliveryState.values)}."]})
    return rows.filter(status=status)
