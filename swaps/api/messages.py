"""A swap's messages as rows of the live feed."""

import json
from typing import Any

from cluster import live
from cluster.api.serializers import moment
from cluster.consumers import Source
from swaps.models import SwapMessage


def topic_of(swap_id: int) -> str:
    return f"swap:{swap_id}"


def reader_of(swap_id: int) -> live.Reader:
    def read(after: int, limit: int) -> list[live.Row]:
        found = SwapMessage.objects.filter(swap_id=swap_id, seq__gt=after).order_by("seq")
        return [_row(swap_id, *columns) for columns in found.values_list("seq", "kind", "at", "data")[:limit]]

    return read


def _row(swap_id: int, seq: int, kind: str, at: Any, data: dict[str, Any]) -> live.Row:
    told = {**data, "swap": swap_id, "seq": seq, "at": moment(at)}
    return live.Row(seq, kind, told, merges=kind == SwapMessage.Kind.PROGRESS, last=kind == SwapMessage.Kind.END)


SWAP = Source(
    topic=topic_of,
    reader=reader_of,
    begin=lambda _id: 0,  # a viewer wants the story from its start
    text=lambda row: json.dumps({"type": row.kind, **row.data}),
)
