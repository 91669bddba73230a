"""One process driving one swap: what the steps use to speak, to keep the claim, and to notice that they must stop."""

import threading
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from cluster.outages import DATABASE_AWAY
from swaps import machine
from swaps.catalog.definition import Definition
from swaps.claims import HEARTBEAT_SECONDS, beat, outdate
from swaps.failures import CancelRequested, Cause, Draining, StepFailed
from swaps.machine import Entry, LostRace
from swaps.models import Swap, SwapMessage, restored
from swaps.site import Site
from swaps.states import Status

drain = threading.Event()  # set when this process is going away


@dataclass
class Drive:
    """`advance` and `say` write; `pulse` raises when the drive must end. Used as a context manager: it beats inside."""

    swap: Swap
    site: Site
    heeds_cancel: bool = True
    heeds_deadline: bool = True
    silent: frozenset[str] = frozenset()  # nodes that were found not to answer a moment ago
    cleared: bool = False  # this very drive raised the fence and saw every node free
    guarded: str = ""  # the launch whose memory guards this very drive saw on their nodes
    _lost: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _heart: threading.Thread | None = None
    _cancel: threading.Event = field(default_factory=threading.Event)
    _fence: threading.Lock = field(default_factory=threading.Lock)  # a beat with the old one would look like a loss

    def __enter__(self) -> "Drive":
        if self.swap.cancel_requested_at:
            self._cancel.set()
        name = f"heart-{self.swap.pk}"
        self._heart = threading.Thread(target=copy_context().run, args=[self._beat], name=name, daemon=True)
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._heart:
            self._heart.join()

    @property
    def target(self) -> Definition:
        return restored(self.swap.definition)

    @property
    def deadline_at(self) -> datetime:
        return self.swap.deadline_at

    def advance(self, to: Status, *, detail: str = "", **fields: Any) -> None:
        machine.advance(self.swap, to, expect=self.swap.state, detail=detail, **fields)

    def say(self, *entries: Entry, **fields: Any) -> None:
        machine.tell(self.swap, entries, **fields)

    def progress(self, detail: str, percent: int | None = None) -> None:
        """Tell viewers where the current phase stands."""
        percent = self.swap.percent if percent is None else percent
        data = {"percent": percent, "detail": detail}
        self.say((SwapMessage.Kind.PROGRESS, data), percent=percent, progress=detail)

    def look_and_pulse(self) -> None:
        """Like `pulse`, but asks the row now: for the moment before something cannot be undone."""
        self._look()
        self.pulse()

    def pulse(self) -> None:
        """Raise LostRace, Draining, CancelRequested, or StepFailed past the deadline; else return at once."""
        if self._lost.is_set():
            raise LostRace
        if drain.is_set():
            raise Draining
        if self.heeds_cancel and self._cancel.is_set():
            raise CancelRequested
        if self.heeds_deadline and timezone.now() > self.deadline_at:
            raise StepFailed(self._too_late())

    def outdate(self) -> None:
        """From now on what this drive sent before is as old as what an earlier driver sent. Raises LostRace."""
        with self._fence:
            try:
                self.swap.fence = outdate(self.swap)
            except LookupError:
                raise LostRace from None

    def wait(self, seconds: float) -> None:
        """Sleep, but notice a lost claim."""
        self._lost.wait(seconds)
        self.pulse()

    def _too_late(self) -> Cause:
        limit = round((self.deadline_at - self.swap.accepted_at).total_seconds())
        return Cause(
            "deadline",
            f"The model did not answer within {limit} seconds.",
            "Read the end of the log; if it still moved, ask again with a larger deadline_seconds.",
        )

    def _beat(self) -> None:
        """Its connection goes back to the pool after every beat: many hearts must not starve each other."""
        while not self._ended.wait(HEARTBEAT_SECONDS):
            self._look()
            connection.close()

    def _look(self) -> None:
        try:
            with self._fence:
                found = beat(self.swap.pk, self.swap.fence)
        except DATABASE_AWAY:
            return  # the database is busy or away; the lease decides who goes on when it is back
        if not found.mine:
            self._lost.set()
        if found.cancel_asked:
            self._cancel.set()
