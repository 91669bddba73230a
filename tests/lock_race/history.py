"""What must be true of a history of holds, whoever tells it: the contenders or the server. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Held:
    """One hold, by the database's clock. `until` is the last moment it is known to have been held."""

    fence: int
    holder: str
    since: datetime
    until: datetime


def violations(holds: Iterable[Held]) -> list[str]:
    """Two holders at once, or a fence that did not grow."""
    found = []
    for earlier, later in pairwise(sorted(holds, key=lambda held: (held.since, held.fence))):
        if later.since < earlier.until:
            found.append(f"{earlier} and {later} overlap")
        if later.fence <= earlier.fence:
            found.append(f"the fence went from {earlier.fence} to {later.fence}")
    return found


def seen_by_contenders(notes: Sequence[dict[str, Any]]) -> list[Held]:
    """What their answers prove: held from the grant to the last renewal that was confirmed."""
    proven: dict[int, Held] = {}
    for note in notes:
        if note["what"] == "granted":
            since = datetime.fromisoformat(note["acquired_at"])
            proven[note["fence"]] = Held(note["fence"], note["name"], since, since)
        elif note["what"] == "renewed" and note["held_at"]:
            known = proven[note["fence"]]
            proven[note["fence"]] = Held(
                known.fence, known.holder, known.since, datetime.fromisoformat(note["held_at"])
            )
    return list(proven.values())


def told_twice(notes: Sequence[dict[str, Any]]) -> list[str]:
    fences = [note["fence"] for note in notes if note["what"] == "granted"]
    return [f"fence {fence} was granted twice" for fence in sorted({f for f in fences if fences.count(f) > 1})]


def wrong_answers(notes: Sequence[dict[str, Any]]) -> list[str]:
    """Only 200, 204 and 409; 412 for every stale token, and for no other."""
    wrong = []
    for note in notes:
        allowed = _allowed(note)
        if allowed and note["status"] not in allowed:
            wrong.append(f"{note} should have been answered {sorted(allowed)}")
    return wrong


def _allowed(note: dict[str, Any]) -> set[int]:
    success = {"renewed": 200, "released": 204}.get(note["what"])
    if success:
        return {success} if note["in_time"] else {success, 412}  # a machine under load may be late
    return {"refused": {409}, "stale": {412}}.get(note["what"], set())


def server_side(rows: Iterable[dict[str, Any]]) -> list[Held]:
    """Rows of LockHold as `dumpdata` writes them; a hold that is still open lasts for ever."""
    return [
        Held(
            fields["fence"],
            fields["holder"],
            datetime.fromisoformat(fields["acquired_at"]),
            datetime.fromisoformat(fields["ended_at"] or "9999-12-31T00:00:00+00:00"),
        )
        for fields in (row["fields"] for row in rows)
    ]
