"""Lists come in cursor pages: `?limit=` 50 by default, at most 200, and the address of the next page in the answer."""

from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class CursorPages(CursorPagination):
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-id"
    invalid_cursor_message = "This cursor is not one of ours; start again without it."

    def get_page_size(self, request: Request) -> int:
        raw = request.query_params.get("limit")
        if raw is None:
            return self.page_size
        if not (raw.isascii() and raw.isdecimal()) or not 1 <= int(raw[:9]) <= self.max_page_size:
            raise ValidationError({"limit": [f"Write a whole number from 1 to {self.max_page_size}."]})
        return int(raw)

    def decode_cursor(self, request: Request) -> Any:
        try:
            return super().decode_cursor(request)
        except NotFound:
            raise ValidationError({"cursor": [self.invalid_cursor_message]}) from None

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        self.ordering = getattr(view, "page_ordering", self.ordering)
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, OverflowError):
            raise ValidationError({"cursor": [self.invalid_cursor_message]}) from None

    def get_schema_operation_parameters(self, *_: Any) -> list[dict[str, Any]]:
        cursor = {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}}
        size = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [
            {**cursor, "description": "From `next` or `previous` of another page."},
            {"name": "limit", "in": "query", "required": False, "schema": size, "description": "Items per page."},
        ]
