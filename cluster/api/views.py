"""What every API view shares: its schema, scopes by method, checked input, pages."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, ClassVar, TypeVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cluster import idempotency
from cluster.api.fields import StrictSerializer
from cluster.api.idempotency import Pledge, Replay, pledge, replayed
from cluster.api.pagination import CursorPages
from cluster.api.permissions import Grant
from cluster.api.schema import HouseSchema

M = TypeVar("M", bound=Model)

DATABASE_ONLY = timedelta(seconds=15)  # the longest a call takes that asks no Spark and waits for nobody


class ByAccept(DefaultContentNegotiation):
    """The Accept header decides; `?format=` is a query parameter like any other unknown one."""

    settings = SimpleNamespace(URL_FORMAT_OVERRIDE=None)  # type: ignore[assignment]


class HouseView(APIView):
    """`required_scopes` names the scope of each method, `problem_codes` the refusals worth documenting."""

    required_scopes: ClassVar[dict[str, str]] = {}
    problem_codes: ClassVar[dict[str, tuple[int, ...]]] = {}
    page_ordering: ClassVar[str] = "-id"
    longest_call: ClassVar[timedelta] = idempotency.CLAIM  # so long a key is in use when its process dies
    schema = HouseSchema()
    content_negotiation_class = ByAccept
    metadata_class = None

    _pledge: Pledge | None = None

    @property
    def actor(self) -> str:
        """Who calls, as the journal names them."""
        return cast(Grant, self.request.auth).actor

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Last before the call itself: a call that was made before under its Idempotency-Key ends here."""
        super().initial(request, *args, **kwargs)
        if request.auth is not None:
            self._pledge = pledge(request, self.actor, self.longest_call)

    def handle_exception(self, exc: Exception) -> Any:
        if isinstance(exc, Replay):
            return replayed(exc.answer)
        return super().handle_exception(exc)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Settles the Idempotency-Key, also when nobody expected how the call ended."""
        failed = HttpResponse(status=500)
        try:
            response = super().dispatch(request, *args, **kwargs)
        except BaseException:
            if self._pledge:
                self._pledge.settle(failed)
            raise
        return self._pledge.settle(response) if self._pledge else response

    def body(self, kind: type[StrictSerializer]) -> dict[str, Any]:
        """The checked body. Raises ValidationError naming each field."""
        serializer = kind(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class PagedView(HouseView):
    """A list in cursor pages."""

    pagination_class = CursorPages

    def page(self, request: Request, rows: QuerySet[M], show: Callable[[M], dict[str, Any]]) -> Response:
        pages = CursorPages()
        found = pages.paginate_queryset(rows, request, self) or []
        return pages.get_paginated_response([show(row) for row in found])


class Nothing(StrictSerializer):
    """The body of a call that takes none."""
