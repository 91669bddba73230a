"""A swap told for people and programs: phases with their durations, percent, and the time that is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from swaps.models import Operation, Swap, Transition
from swaps.remaining_time import PastLoad, Remaining, estimate
from swaps.states import IN_ORDER, TERMINAL, Status, phase_label

PAST_LOADS = 8


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """`state` is done, current, upcoming or failed (where the swap ended early)."""

    status: Status
    label: str
    state: str
    seconds: float | None
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Story:
    phases: list[PhaseTime]
    percent: int
    detail: str
    remaining_seconds: int | None
    remaining_text: str
    slower_than_usual: bool
    elapsed_seconds: float


def tell(swap: Swap, now: datetime) -> Story:
    """Reads the swap's transitions and, while it runs, the past loads of the same model on as many Sparks."""
    end = swap.ended_at or now
    remaining = remaining_of(swap, now) if swap.is_active else None
    return Story(
        phases=_phases(swap, end),
        percent=swap.percent,
        detail=swap.progress,
        remaining_seconds=remaining.seconds if remaining else None,
        remaining_text=_remaining_text(remaining),
        slower_than_usual=bool(remaining and remaining.slower_than_usual),
        elapsed_seconds=round((end - swap.accepted_at).total_seconds(), 1),
    )


def _phases(swap: Swap, end: datetime) -> list[PhaseTime]:
    moves = list(swap.transitions.all())
    told = [_past(moves, i, end) for i in range(len(moves)) if Status(moves[i].to_status) not in TERMINAL]
    if not swap.is_active and swap.state is not Status.READY:
        return told
    road = _road(swap)
    upcoming = road[road.index(swap.state) + 1 :] if swap.state in road else ()
    return told + [PhaseTime(s, phase_label(s), "upcoming", None, None) for s in upcoming if s not in TERMINAL]


def _road(swap: Swap) -> Sequence[Status]:
    if swap.operation == Operation.STOP:
        return (Status.QUEUED, Status.PREFLIGHT, Status.STOPPING, Status.READY)
    if swap.operation == Operation.WARM:
        return (Status.QUEUED, Status.WARMING, Status.READY)
    return IN_ORDER


def _past(moves: Sequence[Transition], i: int, end: datetime) -> PhaseTime:
    status = Status(moves[i].to_status)
    last = i + 1 == len(moves)
    ended_at = end if last else moves[i + 1].at
    followed_by = None if last else Status(moves[i + 1].to_status)
    if last:
        state = "current"
    elif followed_by is Status.ROLLING_BACK or (followed_by in TERMINAL and followed_by is not Status.READY):
        state = "failed"
    else:
        state = "done"
    return PhaseTime(
        status, phase_label(status), state, round((ended_at - moves[i].at).total_seconds(), 1), moves[i].at
    )


def remaining_of(swap: Swap, now: datetime, load_percent: int | None = None) -> Remaining | None:
    """Time left from past loads of the same model and the load's percent (the stored one when not given)."""
    if swap.operation != Operation.SWAP or swap.state is Status.ROLLING_BACK:
        return None
    began = swap.started_at or swap.accepted_at
    stored = swap.percent if swap.state in (Status.LOADING, Status.VERIFYING) else None
    percent = stored if load_percent is None else load_percent
    expected = swap.definition.get("expected_load_seconds")
    return estimate(past_loads(swap.model_key, swap.nodes), (now - began).total_seconds(), percent, expected)


def past_loads(model_key: str, nodes: int) -> list[PastLoad]:
    """The newest swaps to this model on as many Sparks that reached ready, in seconds from start to end."""
    rows = Swap.objects.loaded_like(model_key, nodes).exclude(started_at=None).exclude(ended_at=None)
    times = rows.values_list("started_at", "ended_at")[:PAST_LOADS]
    return [PastLoad((ended - started).total_seconds()) for started, ended in times if started and ended]


def _remaining_text(remaining: Remaining | None) -> str:
    if remaining is None:
        return ""
    seconds = remaining.seconds
    if seconds >= 90:
        amount = f"about {round(seconds / 60)} min left"
    elif seconds > 0:
        amount = f"about {max(5, 5 * round(seconds / 5))} s left"
    else:
        amount = "any moment now"
    slower = "; slower than usual" if remaining.slower_than_usual else ""
    return f"{amount}, {remaining.basis}{slower}"
