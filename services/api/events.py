"""GET /api/events: everything that happens, as it happens, and from wherever a client was."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connections
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from cluster import event_feed, live
from cluster.api.stream import HEARTBEAT_SECONDS, RECONNECT_MILLISECONDS, EventStream, resume_after
from cluster.api.views import HouseView
from cluster.models import Event
from services.webhooks.types import outward, wanted

REPLAY_AGE = timedelta(hours=24)
REPLAY_EVENTS = 10_000
# Then the client comes again, with Last-Event-ID and a key that is looked at afresh.
LONGEST_SECONDS = 900.0
PATTERN = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+){0,4}(?:\.\*)?")

AFTER = OpenApiParameter("after", int, description="As the header Last-Event-ID.")
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID", int, OpenApiParameter.HEADER, description="Of the last event you have; without it: from now on."
)
TYPE = OpenApiParameter("type", str, description="Only these, separated by commas, such as swap_complete or lock.*.")
SLOT = OpenApiParameter("slot", str, description="Only events of this slot.")


@dataclass(frozen=True, slots=True)
class Choice:
    types: list[str]
    slot: str | None

    def told(self, row: live.Row) -> tuple[str, dict[str, Any]] | None:
        """(type, data) of a row this client wants to hear."""
        name = outward(row.data["kind"], row.data["data"]) or row.data["kind"]
        if self.slot not in (None, row.data["slot"]) or not wanted(name, self.types):
            return None
        return name, {"type": name, **row.data}


class EventsView(HouseView):
    required_scopes = {"GET": "read"}
    renderer_classes = [EventStream, JSONRenderer]

    @extend_schema(
        operation_id="stream_events",
        parameters=[LAST_EVENT_ID, AFTER, TYPE, SLOT],
        responses={
            (200, "text/event-stream"): OpenApiResponse(str, "Ids are numbers of events; `reset` when too old.")
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Follow what happens. After a break, send Last-Event-ID and nothing is missed, for 24 h or 10,000 events.

        `event: reset` says that more was missed: read /api/status afresh, then go on. It ends after 15 minutes; come
        again then, as after a break.
        """
        choice = _choice(request)
        newest = event_feed.newest()
        after = resume_after(request) if _has_position(request) else newest
        reset = _missed(after, newest)
        connections.close_all()  # the hub has its own; this thread's would stay open as long as the client stays
        body = _stream(newest if reset else after, choice, reset)
        response = StreamingHttpResponse(body, content_type="text/event-stream")
        response["Cache-Control"] = "no-cache"
        response["X-Accel-Buffering"] = "no"  # nginx would hold the lines back
        return response


def _choice(request: HttpRequest) -> Choice:
    types = [word.strip() for word in request.GET.get("type", "").split(",") if word.strip()]
    if len(types) > 50 or not all(len(word) <= 60 and PATTERN.fullmatch(word) for word in types):
        raise ValidationError({"type": ["Write types such as swap_complete or lock.*, separated by commas."]})
    slot = request.GET.get("slot") or None
    if slot and "\0" in slot:
        raise ValidationError({"slot": ["Nothing can have this value."]})
    return Choice(types, slot)


def _has_position(request: HttpRequest) -> bool:
    return bool(request.headers.get("Last-Event-ID") or request.GET.get("after"))


def _missed(after: int, newest: int) -> str:
    """Why a client cannot go on where it was; blank when it can."""
    if after > newest:
        return "This id is ahead of the journal, which was put back to an earlier state."
    behind = Event.objects.after(after)
    if behind.filter(kind="database.restored").exists():
        return "The database was restored from a backup since; what you know of it may never have been."
    if behind.filter(at__lt=timezone.now() - REPLAY_AGE).exists() or behind[REPLAY_EVENTS : REPLAY_EVENTS + 1].exists():
        return f"You missed events that are older than 24 hours, or more than {REPLAY_EVENTS}."
    return ""


async def _stream(after: int, choice: Choice, reset: str) -> AsyncIterator[bytes]:
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n".encode()
    if reset:
        yield _encode(after, "reset", {"type": "reset", "reason": reset, "newest": after, "snapshot": "/api/status"})
    clock = asyncio.get_running_loop().time
    ends_at = clock() + LONGEST_SECONDS
    async with live.hub().watch(event_feed.TOPIC, event_feed.read, after=after) as watcher:
        while (left := ends_at - clock()) > 0:
            row = await watcher.next(min(HEARTBEAT_SECONDS, left))
            after = row.seq if row else after
            told = choice.told(row) if row else None
            if told:
                yield _encode(after, *told)
            elif row is None:
                # An id without data is heard by nobody, but a client that comes again begins there.
                yield f": still here\nid: {after}\n\n".encode()


def _encode(position: int, name: str, data: dict[str, Any]) -> bytes:
    return f"id: {position}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()
