"""A swap as it happens: server-sent events, and its log as text."""

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from cluster.api.stream import EventStream, PlainText, event_stream, resume_after
from cluster.api.views import HouseView
from swaps.api.messages import reader_of, topic_of
from swaps.api.swaps import find_swap
from swaps.models import SwapMessage

MAX_LOG_LINES = 20_000
AFTER = OpenApiParameter("after", int, description="Sequence number of the last one you have.")
LAST_EVENT_ID = OpenApiParameter("Last-Event-ID", int, OpenApiParameter.HEADER, description="As `after`.")


class SwapStreamView(HouseView):
    required_scopes = {"GET": "read"}
    renderer_classes = [EventStream, JSONRenderer]

    @extend_schema(
        operation_id="stream_swap",
        parameters=[AFTER, LAST_EVENT_ID],
        responses={
            (200, "text/event-stream"): OpenApiResponse(str, "Events phase, progress, log and end; ids are sequences."),
            204: OpenApiResponse(None, "The swap has ended and you have all of it; do not ask again."),
        },
    )
    def get(self, request: Request, swap_id: int) -> HttpResponseBase:
        """Follow a swap, from its start or from where you were."""
        swap = find_swap(swap_id)
        after = resume_after(request)
        if not swap.is_active and after >= swap.last_seq:
            return HttpResponse(status=204)  # what makes a browser stop reconnecting
        return event_stream(topic_of(swap_id), reader_of(swap_id), after)


class SwapLogView(HouseView):
    required_scopes = {"GET": "read"}
    renderer_classes = [PlainText, JSONRenderer]

    @extend_schema(
        operation_id="swap_log",
        parameters=[AFTER],
        responses={(200, "text/plain"): OpenApiResponse(str, "One line each, before it the node.")},
    )
    def get(self, request: Request, swap_id: int) -> HttpResponseBase:
        """The log lines as text, at most 20,000; the header Last-Seq is the `after` of the next call."""
        swap = find_swap(swap_id)
        after = resume_after(request)
        lines = SwapMessage.objects.filter(swap=swap, kind=SwapMessage.Kind.LOG, seq__gt=after).order_by("seq")
        rows = list(lines.values_list("seq", "data")[:MAX_LOG_LINES])
        text = "".join(f"{data.get('node', '')}: {data.get('text', '')}\n" for _, data in rows)
        last = rows[-1][0] if rows else after
        return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"Last-Seq": str(last)})
