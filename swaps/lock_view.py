"""The lock of a slot as somebody looks at it, and the one sentence in which every door refuses because of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Any

from django.utils import timezone

from cluster import people
from cluster.clock import as_utc
from swaps.models import Swap, SwapLock

GRACE_SECONDS = 60  # a hold outlives its swap by this, so that the holder can renew or release in peace
IDLE_HINT_SECONDS = 300
LONGEST_RETRY_SECONDS = 60  # holders release early, so look now and then
RETRY_WHILE_PINNED_SECONDS = 15


@dataclass(frozen=True, slots=True)
class LockView:
    """What is true at `server_time`, by the database's clock. Never holds the token."""

    slot: str
    held: bool
    fence: int  # of the hold; of the counter while nobody holds it
    server_time: datetime
    holder: str = ""
    purpose: str = ""
    taken_by: str = ""
    ttl_seconds: int = 0
    acquired_at: datetime | None = None
    renewed_at: datetime | None = None
    expires_at: datetime | None = None
    active_swap: Swap | None = None
    swap_count: int = 0  # swaps asked for in this hold
    delay_until: datetime | None = None  # after a force only `delay_for` may take it until then
    delay_for: str = ""

    @property
    def note(self) -> str:
        """The older name of purpose."""
        return self.purpose

    @property
    def pinned_by(self) -> int | None:
        return self.active_swap.pk if self.active_swap else None

    @property
    def seconds_remaining(self) -> int:
        """0 while free, and while only its swap keeps it alive. Rounded up: 0 means over."""
        left = (self.expires_at - self.server_time).total_seconds() if self.expires_at else 0.0
        return max(0, ceil(left))

    @property
    def idle_seconds(self) -> int:
        """How long it is held with no swap asked for in this hold."""
        if not self.held or self.swap_count or self.acquired_at is None:
            return 0
        return max(0, int((self.server_time - self.acquired_at).total_seconds()))

    @property
    def idle_hint(self) -> str:
        """Blank, or that the lock may have been forgotten."""
        if self.idle_seconds <= IDLE_HINT_SECONDS:
            return ""
        return f"Held for {span(self.idle_seconds)} without a swap; it may have been forgotten. Ask {self.holder}."

    @property
    def free_in_seconds(self) -> float:
        """When it may be free at the latest if nobody renews; a guess while a swap runs."""
        if self.active_swap:
            return float(RETRY_WHILE_PINNED_SECONDS)
        until = self.expires_at if self.held else self.delay_until
        return max(0.0, (until - self.server_time).total_seconds()) if until else 0.0

    @property
    def retry_after_seconds(self) -> int:
        return max(1, min(ceil(self.free_in_seconds), LONGEST_RETRY_SECONDS))

    def delays(self, actor: str) -> bool:
        return self.delay_until is not None and self.delay_until > self.server_time and self.delay_for != actor

    def refusal_sentence(self, now: datetime | None = None) -> str:
        """Who has it, what for, since when, until when, and what to do. `now`: the countdown's, else server_time."""
        now = now or self.server_time
        if self.held:
            return f"{self._who()}, since {clock(self.acquired_at)}, {self._until(now)}. {self._what_to_do()}"
        if self.active_swap:
            return (
                f"{people.named(self.active_swap.actor)} is changing {self.slot} ({_doing(self.active_swap)}), "
                f"and until that ends nobody can take its lock. Wait for /api/swap/{self.active_swap.pk}."
            )
        if self.delay_until and self.delay_until > now:
            return (
                f"{people.named(self.delay_for)} released the lock of {self.slot} by force and has it to themselves "
                f"for another {span((self.delay_until - now).total_seconds())}. Try again then."
            )
        return f"Nobody holds the lock of {self.slot}."

    def _who(self) -> str:
        purpose = f"for “{self.purpose}”" if self.purpose else "without saying what for"
        return f"{people.signed(self.holder, self.taken_by)} holds the lock of {self.slot} {purpose}"

    def _until(self, now: datetime) -> str:
        if self.active_swap:
            return f"at least until {GRACE_SECONDS} s after its swap ends ({_doing(self.active_swap)})"
        left = (self.expires_at - now).total_seconds() if self.expires_at else 0
        return f"until {clock(self.expires_at)} (in {span(left)}) unless renewed"

    def _what_to_do(self) -> str:
        return f"Wait, or ask {self.holder} to release it; somebody with the right to can release it by force."

    def as_document(self) -> dict[str, Any]:
        """As the API shows it."""
        held = self.held
        return {
            "held": held,
            "holder": self.holder or None,
            "note": self.purpose if held else None,
            "purpose": self.purpose if held else None,
            "taken_by": self.taken_by or None,
            "held_by": people.signed(self.holder, self.taken_by) or None,
            "acquired_at": as_utc(self.acquired_at),
            "renewed_at": as_utc(self.renewed_at),
            "expires_at": as_utc(self.expires_at),
            "seconds_remaining": self.seconds_remaining,
            "ttl_seconds": self.ttl_seconds or None,
            "server_time": as_utc(self.server_time),
            "fence": self.fence,
            "slot": self.slot,
            "pinned_by": self.pinned_by,
            "active_swap": in_short(self.active_swap),
            "idle_seconds": self.idle_seconds,
            "idle_hint": self.idle_hint or None,
        }


def view_of(lock: SwapLock, slot: str) -> LockView:
    """`lock` comes from `with_server_time`."""
    active = lock.active_swap if lock.active_swap and lock.active_swap.is_active else None
    free = LockView(
        slot,
        False,
        lock.fence,
        lock.server_now,
        active_swap=active,
        delay_until=lock.delay_until,
        delay_for=lock.delay_for,
    )
    in_time = lock.expires_at is not None and lock.expires_at > lock.server_now
    if not lock.holder or not (in_time or active):
        return free
    return replace(
        free,
        held=True,
        fence=lock.grant_fence,
        holder=lock.holder,
        purpose=lock.purpose,
        taken_by=lock.taken_by,
        ttl_seconds=int(lock.ttl.total_seconds()),
        acquired_at=lock.acquired_at,
        renewed_at=lock.renewed_at,
        expires_at=lock.expires_at,
        swap_count=lock.swap_count,
    )


def in_short(swap: Swap | None) -> dict[str, Any] | None:
    """The swap that is changing a slot."""
    if swap is None:
        return None
    return {
        "id": swap.pk,
        "operation": swap.operation,
        "model": swap.model_key,
        "model_label": swap.model_label,
        "status": swap.status,
        "percent": swap.percent,
        "actor": swap.actor,
        "url": f"/api/swap/{swap.pk}",
    }


def clock(at: datetime | None) -> str:
    """A time of day where Spark Control stands, such as 14:05:10 UTC."""
    return timezone.localtime(at).strftime("%H:%M:%S %Z") if at else "an unknown time"


def span(seconds: float) -> str:
    """A duration in words: 42 s, 3 min 10 s, 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _doing(swap: Swap) -> str:
    return f"{swap.model_label or 'a stop'}, {swap.get_status_display().lower()}"
