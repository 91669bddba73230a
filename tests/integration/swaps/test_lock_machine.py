"""Random stories with the real verbs on a real database whose clock is moved, beside a model that is plain Python.

It is sequential; real races are test_lock_race.py's. What it is good at is the story nobody thought of.
"""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cluster.models import Event, Slot
from cluster.refusals import Conflict, Locked, Lost, Missing
from swaps import actions, claims, locks, machine
from swaps.lock_view import GRACE_SECONDS
from swaps.models import LockHold, Swap, SwapLock, Trigger
from swaps.requester import Requester
from swaps.states import Status
from tests.database_clock import Clock, movable_clock
from tests.factories import ModelDefinitionFactory, SlotFactory
from tests.integration.swaps.test_lock_promises import SPOILED

pytestmark = pytest.mark.django_db

HOLDERS = ("cron", "agent", "ana")
BY = {name: Requester(f"key:{name}", Trigger.API) for name in (*HOLDERS, "admin")}
STORIES = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking a story that fails takes minutes; take this line out when one does
    suppress_health_check=list(HealthCheck),
)


class Arbiter(RuleBasedStateMachine):
    """`now` counts seconds; every step of it is at least 1, so that milliseconds of real time never decide."""

    clock: Clock
    slot: Slot

    @initialize()
    def begin(self) -> None:
        self.slot = SlotFactory(is_default=False)
        self.now = 0.0
        self.holder = ""
        self.token = ""
        self.expires = 0.0
        self.fence = 0  # of the hold
        self.fences: list[int] = []
        self.tokens: list[str] = []  # all there ever were
        self.swap: Swap | None = None
        self.delay: tuple[float, str] = (-math.inf, "")

    # What should be

    @property
    def held(self) -> bool:
        return bool(self.holder) and (self.now < self.expires or self.swap is not None)

    def may_take(self, name: str) -> bool:
        return not self.held and self.swap is None and (self.now >= self.delay[0] or self.delay[1] == name)

    def lapse(self) -> None:
        if not self.held:
            self.holder = self.token = ""

    # What happens

    @rule(name=st.sampled_from(HOLDERS), ttl=st.integers(2, 30))
    def acquire(self, name: str, ttl: int) -> None:
        expected = self.may_take(name)
        try:
            grant = locks.acquire(self.slot, holder=name, purpose="", ttl_seconds=ttl, by=BY[name])
        except Conflict:
            assert not expected, "refused, though it was free"
            return
        assert expected, "granted, though it was not free"
        self.granted(grant, name, ttl)

    def granted(self, grant: locks.Grant, name: str, ttl: int) -> None:
        assert grant.lock.fence > max(self.fences, default=0)
        self.fences.append(grant.lock.fence)
        self.tokens.append(grant.token)
        self.holder, self.token, self.fence, self.expires = name, grant.token, grant.lock.fence, self.now + ttl

    @precondition(lambda self: self.held)
    @rule(ttl=st.integers(2, 30))
    def extend(self, ttl: int) -> None:
        name = self.holder
        grant = locks.acquire(self.slot, holder=name, purpose="", ttl_seconds=ttl, token=self.token, by=BY[name])
        assert grant.lock.fence == self.fence
        self.expires = self.now + ttl

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.tokens))
        expected = self.held and token == self.token
        try:
            view = locks.renew(self.slot, token, ttl_seconds=10)
        except Lost:
            assert not expected, "a good token was refused"
            self.lapse()
            return
        assert expected, "a token that is good no more renewed the lock"
        assert view.fence == self.fence
        self.expires = self.now + 10

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from([*self.tokens, "a-token-nobody-ever-had-at-all"]))
        mine = self.held and token == self.token
        try:
            locks.release(self.slot, token)
        except (Lost, Missing):
            assert not mine, "its own token did not release the lock"
            self.lapse()
            return
        if mine:
            self.holder = self.token = ""
        assert not locks.look(self.slot).held, "a release that was confirmed left the lock held"

    @precondition(lambda self: self.fences)
    @rule(data=st.data(), cut=st.booleans())
    def force(self, data: st.DataObject, cut: bool) -> None:
        fence = data.draw(st.sampled_from(self.fences))
        expected = self.held and fence == self.fence and (cut or self.swap is None)
        try:
            view = locks.force_release(
                self.slot, fence=fence, reason="for the sake of it", cancel_swap=cut, by=BY["admin"]
            )
        except (Lost, Conflict):
            assert not expected
            self.lapse()
            return
        assert expected
        assert view.fence > max(self.fences)
        self.fences.append(view.fence)
        self.holder = self.token = ""
        self.delay = (self.now + 15, "admin")

    @rule(name=st.sampled_from(HOLDERS), shows=st.booleans())
    def swap_starts(self, name: str, shows: bool) -> None:
        token = self.tokens[-1] if shows and self.tokens else None
        good = self.held and token == self.token
        free = self.may_take(name) and token is None
        expected = self.swap is None and (good or free)
        try:
            swap = actions.request_swap(self.slot, "qwen", BY[name], lock_token=token)
        except (Locked, Lost, Conflict):
            assert not expected, "a swap was refused that had a right to run"
            self.lapse()
            return
        assert expected, "a swap ran past the lock"
        assert swap.holder == (self.holder if good else "")
        self.lapse()
        self.swap = swap

    @precondition(lambda self: self.swap is not None)
    @rule()
    def driver_changes(self) -> None:
        """A worker claims the swap, or takes it over from one that died."""
        assert self.swap is not None
        Swap.objects.filter(pk=self.swap.pk).update(lease_until=None)
        swap = claims.claim(self.swap.pk, "worker")
        assert swap is not None and swap.fence > max(self.fences, default=0)
        self.fences.append(swap.fence)
        self.swap = swap

    @precondition(lambda self: self.swap is not None)
    @rule()
    def swap_ends(self) -> None:
        assert self.swap is not None
        swap = Swap.objects.get(pk=self.swap.pk)
        machine.advance(swap, Status.FAILED, expect=swap.state)
        if self.holder:
            self.expires = max(self.expires, self.now + GRACE_SECONDS)
        self.swap = None

    @rule(seconds=st.sampled_from([1, 2, 5, 16, 31, 90, -3]))
    def time_passes(self, seconds: float) -> None:
        """Also backwards: a clock that was set."""
        self.clock.jump(seconds)
        self.now += seconds

    @rule()
    def tick(self) -> None:
        locks.expire_lapsed()
        self.lapse()

    # What must always be

    @invariant()
    def it_looks_as_it_is(self) -> None:
        if not hasattr(self, "now"):
            return
        seen = locks.look(self.slot)
        assert seen.held == self.held
        assert seen.holder == (self.holder if self.held else "")
        assert seen.pinned_by == (self.swap.pk if self.swap else None)

    @invariant()
    def history_is_whole(self) -> None:
        if not hasattr(self, "now"):
            return
        holds = LockHold.objects.filter(lock__slot=self.slot)
        assert holds.filter(ended_at=None).count() <= 1
        told = Event.objects.filter(slot=self.slot)
        assert told.filter(kind="lock.acquired").count() == holds.count()
        ends = told.filter(kind__in=["lock.released", "lock.expired", "lock.forced"]).count()
        assert ends == holds.exclude(ended_at=None).count()
        row = SwapLock.objects.filter(slot=self.slot).first()
        assert row is None or row.fence >= max(self.fences, default=0)


def machine_on(clock: Clock) -> type[Arbiter]:
    return type("ArbiterOnClock", (Arbiter,), {"clock": clock})


def test_no_story_breaks_the_lock(db: None) -> None:
    ModelDefinitionFactory(key="qwen")
    with movable_clock() as clock:
        run_state_machine_as_test(machine_on(clock), settings=STORIES)


SEQUENTIAL = [case for case in SPOILED if case[2].__name__ != "reads_then_writes"]


@pytest.mark.parametrize(("room", "verb", "spoiled", "noticed"), SEQUENTIAL, ids=[c[2].__name__ for c in SEQUENTIAL])
def test_a_story_is_found_for_every_spoiled_verb(
    db: None, monkeypatch: pytest.MonkeyPatch, room: Any, verb: str, spoiled: Any, noticed: set[str]
) -> None:
    ModelDefinitionFactory(key="qwen")
    monkeypatch.setattr(room, verb, spoiled)
    with movable_clock() as clock, pytest.raises(Exception):  # noqa: B017 - a wrong answer or a constraint
        run_state_machine_as_test(machine_on(clock), settings=STORIES)
