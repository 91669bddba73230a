"""What /api/schema says about every call beyond its own answer: the ways it can say no, and who may call it."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from cluster.api.idempotency import HEADER, MUTATING, PATTERN, REPLAYED
from cluster.api.problems import MEDIA_TYPE

ALWAYS = (401, 403, 406)
WITH_BODY = (400, 413, 415)
WITH_KEY = (400, 409, 413, 422)  # a body too large to be compared with the first one is a 413
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": PATTERN},
    OpenApiParameter.HEADER,
    description="A key of your own. The same call under the same key is done once; for 24 h its answer is repeated, "
    f"with {REPLAYED}: true.",
)


class ProblemErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Dotted path into the body; blank when it concerns the whole.")
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="A sentence with the remedy.")
    code = serializers.CharField(help_text="For programs.")
    errors = ProblemErrorSerializer(many=True)  # type: ignore[assignment]
    request_id = serializers.CharField()


class HouseSchema(AutoSchema):
    """Adds the problems: those every call can have, and those its view names in `problem_codes`."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        if self._is_open():
            return bodies
        named = getattr(self.view, "problem_codes", {}).get(self.method, ())
        codes = {*ALWAYS, *named}
        if self.method in ("POST", "PUT"):
            codes.update(WITH_BODY)
        if self.method in MUTATING:
            codes.update(WITH_KEY)
        if self.method in ("GET", "DELETE"):
            codes.add(400)
        if "{" in self.path:
            codes.add(404)
        for code in sorted(codes):
            bodies.setdefault(str(code), self._problem(str(code)))
        return bodies

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        scope = getattr(self.view, "required_scopes", {}).get(self.method)
        if operation and scope:
            operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`.".strip()
        return operation

    def get_override_parameters(self) -> list[Any]:
        """Every mutating call understands an Idempotency-Key."""
        return [IDEMPOTENCY_KEY] if self.method in MUTATING and not self._is_open() else []

    def _get_format_parameters(self) -> list[Any]:
        return []

    def _is_open(self) -> bool:
        return not self.view.permission_classes

    def _problem(self, code: str) -> dict[str, Any]:
        body: dict[str, Any] = self._get_response_for_code(  # type: ignore[no-untyped-call]
            ProblemSerializer, code, media_types=[MEDIA_TYPE]
        )
        return body
