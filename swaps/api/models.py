"""/api/models: the catalog."""

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from cluster.api.parsers import StrictJSONParser, TextYAMLParser, XYAMLParser, YAMLTextParser
from cluster.api.preconditions import etag, expected_version
from cluster.api.stream import PlainText
from cluster.api.views import HouseView, PagedView
from swaps import actions
from swaps.api.bodies import CatalogBody, ModelBody, NewModelBody, definition_from
from swaps.api.documents import model_document
from swaps.api.shapes import ImportReportSerializer, ModelSerializer
from swaps.api.swaps import requester
from swaps.models import ModelDefinition

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag you read, or `*`.")


def shown(entry: ModelDefinition, status: int = 200, **headers: str) -> Response:
    return Response(model_document(entry), status=status, headers={"ETag": etag(entry.version), **headers})


class ModelsView(PagedView):
    required_scopes = {"GET": "read", "POST": "config"}
    problem_codes = {"POST": (409,)}
    page_ordering = "key"

    @extend_schema(operation_id="list_models", responses=ModelSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The catalog, by key."""
        return self.page(request, ModelDefinition.objects.all(), model_document)

    @extend_schema(operation_id="add_model", request=NewModelBody, responses={201: ModelSerializer})
    def post(self, _: Request) -> Response:
        """Add a model. Whoever may do this can run commands on the Sparks."""
        body = self.body(NewModelBody)
        entry = actions.save_model(definition_from(body, body["key"]), requester(self))
        return shown(entry, 201, Location=f"/api/models/{entry.key}")


class ModelView(HouseView):
    required_scopes = {"GET": "read", "PUT": "config", "DELETE": "config"}
    problem_codes = {"PUT": (412, 428), "DELETE": (409, 412, 428)}

    @extend_schema(operation_id="get_model", responses=ModelSerializer)
    def get(self, _: Request, key: str) -> Response:
        """One entry; the ETag is its version."""
        return shown(actions.find_model(key))

    @extend_schema(operation_id="change_model", parameters=[IF_MATCH], request=ModelBody, responses=ModelSerializer)
    def put(self, request: Request, key: str) -> Response:
        """Replace an entry. Send the ETag you read as If-Match."""
        version = expected_version(request, actions.find_model(key).version)
        definition = definition_from(self.body(ModelBody), key)
        return shown(actions.save_model(definition, requester(self), expected_version=version))

    @extend_schema(operation_id="remove_model", parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Take an entry out of the catalog. Weights on the Sparks stay."""
        version = expected_version(request, actions.find_model(key).version)
        actions.delete_model(key, requester(self), expected_version=version)
        return Response(status=204)


class ModelsImportView(HouseView):
    required_scopes = {"POST": "config"}
    parser_classes = [StrictJSONParser, YAMLTextParser, TextYAMLParser, XYAMLParser]

    @extend_schema(
        operation_id="import_models",
        request={"application/json": CatalogBody, "application/yaml": OpenApiTypes.OBJECT},
        responses=ImportReportSerializer,
    )
    def post(self, request: Request) -> Response:
        """Take in a models.yaml, ours or the existing product's. Entries with problems are skipped and told."""
        text = request.data if isinstance(request.data, str) else self.body(CatalogBody)["yaml"]
        report: dict[str, Any] = asdict(actions.import_catalog(text, requester(self)))
        report["skipped"] = [{"key": key, "problems": problems} for key, problems in report["skipped"]]
        report["remarks"] = [{"key": key, "message": message} for key, message in report["remarks"]]
        return Response(report)


class ModelsExportView(HouseView):
    required_scopes = {"GET": "read"}
    renderer_classes = [PlainText, JSONRenderer]

    @extend_schema(
        operation_id="export_models",
        responses={(200, "application/yaml"): OpenApiResponse(OpenApiTypes.OBJECT, "A models.yaml.")},
    )
    def get(self, _: Request) -> HttpResponseBase:
        """The whole catalog as YAML, which import reads back without loss."""
        headers = {"Content-Disposition": 'attachment; filename="models.yaml"'}
        return HttpResponse(actions.export_catalog(), content_type="application/yaml; charset=utf-8", headers=headers)
