"""How long the phases of swaps took, as a histogram over all swaps there ever were.

Transitions never change, so each process adds up the settled ones once and reads only what is newer.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from swaps.models import Transition
from swaps.states import TERMINAL

BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0)  # seconds
# A row with a lower id may be committed later than one with a higher; by then everybody has committed.
SETTLED_AFTER = timedelta(minutes=2)

Row = tuple[int, int, str, datetime, str]  # id, swap, the phase it moved to, when, slot


@dataclass
class Buckets:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass
class PhaseTimes:
    """`by_phase`: (slot, phase) -> buckets. `running`: swap -> (phase, since) of those that have not ended."""

    by_phase: dict[tuple[str, str], Buckets] = field(default_factory=dict)
    running: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    seen_id: int = 0

    def add(self, rows: Iterable[Row]) -> None:
        """In the order of ids."""
        for pk, swap, phase, at, slot in rows:
            before = self.running.pop(swap, None)
            if before is not None:
                seconds = max(0.0, (at - before[1]).total_seconds())
                self.by_phase.setdefault((slot, before[0]), Buckets()).observe(seconds)
            if phase not in TERMINAL:
                self.running[swap] = (phase, at)
            self.seen_id = pk


_settled = PhaseTimes()
_guard = threading.Lock()


def measured(now: datetime) -> PhaseTimes:
    """All phases that ended until now."""
    global _settled
    with _guard:
        if _settled.seen_id and not Transition.objects.filter(pk=_settled.seen_id).exists():
            _settled = PhaseTimes()  # another database, such as one from a backup
        rows = Transition.objects.filter(pk__gt=_settled.seen_id).order_by("pk")
        fresh: list[Row] = list(rows.values_list("pk", "swap_id", "to_status", "at", "swap__slot__name"))
        young = next((i for i, row in enumerate(fresh) if row[3] > now - SETTLED_AFTER), len(fresh))
        _settled.add(fresh[:young])
        times = deepcopy(_settled)
    times.add(fresh[young:])
    return times
