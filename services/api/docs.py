"""The API described: /api/schema for programs, /api/docs for people; both made from the views."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from cluster.api.permissions import SCOPES, HasScope
from cluster.api.stream import PlainText
from cluster.api.views import HouseView
from services.api import schemes

__all__ = ["DocsView", "SchemaView", "schemes"]  # the last is imported for what it registers

METHODS = ("get", "post", "put", "delete")


class SchemaView(SpectacularAPIView):
    """OpenAPI 3, as JSON or, when asked for, YAML."""

    required_scopes = {"GET": "read"}
    permission_classes: list[type[BasePermission]] = [HasScope]
    renderer_classes = [OpenApiJsonRenderer, OpenApiYamlRenderer, JSONRenderer]
    metadata_class = None


class HTMLPage(PlainText):
    media_type = "text/html"
    format = "html"


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    description: str
    answers: list[str]


class DocsView(HouseView):
    required_scopes = {"GET": "read"}
    renderer_classes = [HTMLPage, JSONRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Every call on one page."""
        return render(request._request, "api/docs.html", {"calls": calls(), "scopes": SCOPES})


@lru_cache(maxsize=1)
def calls() -> list[Call]:
    """The schema cannot change while the process lives."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return list(_calls(schema["paths"]))


def _calls(paths: dict[str, Any]) -> Iterator[Call]:
    for path, operations in sorted(paths.items()):
        for method in METHODS:
            if operation := operations.get(method):
                answers = sorted(operation["responses"])
                yield Call(method.upper(), path, operation.get("description", ""), answers)
