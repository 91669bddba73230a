"""The verbs of the lock, on the database the tests run on; test_locks_on_postgresql.py runs this file on the other."""

from collections.abc import Iterator

import pytest

from cluster.models import Event, Slot
from cluster.refusals import Conflict, Invalid, Locked, Lost, Missing
from swaps import actions, locks, machine
from swaps.lock_view import LockView
from swaps.models import LockHold, Serving, Swap, SwapLock, Trigger
from swaps.requester import Requester
from swaps.states import Status
from tests.database_clock import Clock, movable_clock
from tests.factories import ModelDefinitionFactory, SlotFactory

pytestmark = pytest.mark.django_db

ANA = Requester("user:ana", Trigger.API)
BOB = Requester("key:bob", Trigger.API)
OWN_TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def clock(db: None) -> Iterator[Clock]:
    with movable_clock() as clock:
        yield clock


@pytest.fixture
def slot(clock: Clock) -> Slot:
    ModelDefinitionFactory(key="qwen", label="Qwen")
    return SlotFactory(name="main")


def take(slot: Slot, holder: str = "cron", ttl: int = 60, by: Requester = ANA, **more: object) -> locks.Grant:
    return locks.acquire(slot, holder=holder, purpose="", ttl_seconds=ttl, by=by, **more)  # type: ignore[arg-type]


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="lock.").order_by("id").values_list("kind", flat=True))


def end(swap: Swap, how: Status = Status.FAILED) -> None:
    machine.advance(swap, how, expect=swap.state)


# Taking


def test_it_is_granted_when_free_and_tells_everything_but_the_token_later(slot: Slot) -> None:
    grant = locks.acquire(slot, holder="openclaw", purpose="nightly eval", ttl_seconds=900, by=ANA)
    seen = locks.look(slot)

    assert (seen.held, seen.holder, seen.purpose, seen.note, seen.taken_by) == (
        True, "openclaw", "nightly eval", "nightly eval", "user:ana",
    )  # fmt: skip
    assert seen.fence == grant.lock.fence == 1
    assert seen.seconds_remaining in (899, 900)
    assert len(grant.token) >= 43 and grant.token not in str(seen.as_document())
    assert grant.token not in repr(grant)
    assert grant.token not in str(list(SwapLock.objects.values())) + str(list(LockHold.objects.values()))
    assert kinds() == ["lock.acquired"]


def test_it_is_refused_while_somebody_else_has_it(slot: Slot) -> None:
    locks.acquire(slot, holder="openclaw", purpose="nightly eval", ttl_seconds=90, by=ANA)

    with pytest.raises(Conflict) as refused:
        take(slot, "bob", by=BOB)

    no = refused.value
    assert (no.status, no.code, no.retry_after_seconds) == (409, "lock-held", 60)
    assert no.extra["lock"]["holder"] == "openclaw" and "token" not in no.extra["lock"]
    for word in ("openclaw (ana)", "main", "nightly eval", "since", "until", "1 min 30 s", "force"):
        assert word in no.detail, no.detail
    assert kinds() == ["lock.acquired"]


def test_holder_and_token_extend_under_the_same_fence(slot: Slot, clock: Clock) -> None:
    grant = take(slot, ttl=60)
    clock.jump(30)

    again = take(slot, ttl=100, token=grant.token)

    assert again.lock.fence == grant.lock.fence and again.token == grant.token
    assert again.lock.acquired_at == grant.lock.acquired_at
    assert 99 <= again.lock.seconds_remaining <= 100
    assert kinds() == ["lock.acquired"] and LockHold.objects.count() == 1


def test_extending_keeps_the_purpose_unless_a_new_one_is_given(slot: Slot) -> None:
    grant = locks.acquire(slot, holder="cron", purpose="eval", ttl_seconds=60, by=ANA)

    kept = locks.acquire(slot, holder="cron", purpose=None, ttl_seconds=60, token=grant.token, by=ANA)
    changed = locks.acquire(slot, holder="cron", purpose="deploy", ttl_seconds=60, token=grant.token, by=ANA)

    assert (kept.lock.purpose, changed.lock.purpose) == ("eval", "deploy")


@pytest.mark.parametrize(("holder", "with_token"), [("cron", False), ("other", True)])
def test_name_alone_or_token_alone_do_not_extend(slot: Slot, holder: str, with_token: bool) -> None:
    grant = take(slot, "cron")

    with pytest.raises(Conflict) as refused:
        take(slot, holder, token=grant.token if with_token else None)

    assert refused.value.extra["lock"]["holder"] == "cron"
    assert ("token that came with it" in refused.value.detail) == (holder == "cron")


def test_a_lost_answer_is_repaired_by_asking_again_with_ones_own_token(slot: Slot) -> None:
    first = take(slot, token=OWN_TOKEN)
    again = take(slot, token=OWN_TOKEN)

    assert first.token == again.token == OWN_TOKEN
    assert first.lock.fence == again.lock.fence


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-5, 1), (1, 1), (86_400, 86_400), (10**12, 86_400)])
def test_the_time_is_bent_into_a_second_to_a_day(slot: Slot, asked: int, given: int) -> None:
    assert take(slot, ttl=asked).lock.ttl_seconds == given


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("holder", ""),
        ("holder", "  "),
        ("holder", " cron"),
        ("holder", "x" * 81),
        ("holder", "a\nb"),
        ("holder", "a\u202eb"),
        ("holder", "a\u2066b"),
        ("holder", "a\x00b"),
        ("purpose", "x" * 201),
        ("purpose", "a\x1b[31mb"),
        ("purpose", "a\u200fb"),
        ("token", "short"),
        ("token", "x" * 201),
        ("token", "x" * 30 + " "),
        ("token", "ä" * 30),
    ],
)
def test_what_cannot_be_taken_names_its_field(slot: Slot, field: str, value: str) -> None:
    asked = {"holder": "cron", "purpose": "", "token": None, field: value}

    with pytest.raises(Invalid) as refused:
        locks.acquire(slot, ttl_seconds=60, by=ANA, **asked)  # type: ignore[arg-type]

    assert {error["field"] for error in refused.value.errors} == {field}
    assert not locks.look(slot).held


def test_people_of_every_script_may_hold_it(slot: Slot) -> None:
    name = "नमस्ते\u200d किसी 👩\u200d💻"

    assert take(slot, name).lock.holder == name


# Time


def test_an_expired_lock_is_free_before_anybody_wrote_that_down(slot: Slot, clock: Clock) -> None:
    take(slot, ttl=10)
    clock.jump(10.1)

    seen = locks.look(slot)

    assert (seen.held, seen.holder, seen.fence, seen.seconds_remaining) == (False, "", 1, 0)


def test_it_is_held_until_the_very_end(slot: Slot, clock: Clock) -> None:
    take(slot, ttl=10)
    clock.jump(9)

    with pytest.raises(Conflict):
        take(slot, "bob", by=BOB)


def test_an_expired_lock_is_taken_over_with_a_higher_fence_and_told_once(slot: Slot, clock: Clock) -> None:
    first = take(slot, ttl=10)
    clock.jump(11)

    second = take(slot, "bob", by=BOB)
    locks.expire_lapsed()

    assert second.lock.fence > first.lock.fence
    assert kinds() == ["lock.acquired", "lock.expired", "lock.acquired"]
    over = Event.objects.get(kind="lock.expired")
    assert over.data["fence"] == first.lock.fence
    assert over.data["ended_at"] == first.lock.as_document()["expires_at"]


def test_the_tick_tells_an_expiry_exactly_once(slot: Slot, clock: Clock) -> None:
    take(slot, ttl=10)
    locks.expire_lapsed()
    assert kinds() == ["lock.acquired"]
    clock.jump(11)

    locks.expire_lapsed()
    locks.expire_lapsed()

    assert kinds() == ["lock.acquired", "lock.expired"]
    assert LockHold.objects.get().end == "expired"


def test_an_expired_lock_is_never_revived(slot: Slot, clock: Clock) -> None:
    grant = take(slot, ttl=10)
    clock.jump(11)

    with pytest.raises(Lost) as refused:
        locks.renew(slot, grant.token)
    assert (refused.value.status, refused.value.code) == (412, "lock-lost")
    assert "ran out" in refused.value.detail or "expired" in refused.value.detail

    again = take(slot, token=grant.token)  # a new hold, and a new fence
    assert again.lock.fence > grant.lock.fence


def test_renewing_gives_the_same_time_again_from_now(slot: Slot, clock: Clock) -> None:
    grant = take(slot, ttl=100)
    clock.jump(90)

    renewed = locks.renew(slot, grant.token)

    assert 99 <= renewed.seconds_remaining <= 100 and renewed.fence == grant.lock.fence
    assert locks.renew(slot, grant.token, ttl_seconds=20).seconds_remaining in (19, 20)
    clock.jump(15)
    assert locks.renew(slot, grant.token).seconds_remaining in (19, 20)


def test_a_clock_that_goes_back_makes_no_second_holder(slot: Slot, clock: Clock) -> None:
    first = take(slot, ttl=10)
    clock.jump(11)
    second = take(slot, "bob", by=BOB)
    clock.jump(-3600)

    with pytest.raises(Lost):
        locks.renew(slot, first.token)
    with pytest.raises(Conflict):
        take(slot, "cron", token=first.token)
    assert locks.renew(slot, second.token).holder == "bob"


# Giving back


def test_releasing_frees_it_and_the_fence_goes_on(slot: Slot) -> None:
    first = take(slot)
    locks.release(slot, first.token)

    assert (locks.look(slot).held, locks.look(slot).fence) == (False, 1)
    assert take(slot).lock.fence == 2
    assert kinds() == ["lock.acquired", "lock.released", "lock.acquired"]


def test_releasing_twice_is_the_same_as_once(slot: Slot) -> None:
    grant = take(slot)
    locks.release(slot, grant.token)
    locks.release(slot, grant.token)

    assert kinds() == ["lock.acquired", "lock.released"]


def test_a_stale_token_neither_renews_nor_releases(slot: Slot, clock: Clock) -> None:
    stale = take(slot, ttl=10)
    clock.jump(11)
    for verb in (locks.renew, locks.release):
        with pytest.raises(Lost):
            verb(slot, stale.token)

    current = take(slot, "bob", by=BOB)
    for verb in (locks.renew, locks.release):
        with pytest.raises(Lost) as refused:
            verb(slot, stale.token)
        assert refused.value.extra["lock"]["holder"] == "bob" and "bob" in refused.value.detail

    locks.release(slot, current.token)
    for verb in (locks.renew, locks.release):
        with pytest.raises(Lost):
            verb(slot, stale.token)


def test_a_token_nobody_ever_had_finds_nothing_to_release(slot: Slot) -> None:
    with pytest.raises(Missing) as refused:
        locks.release(slot, OWN_TOKEN)
    assert (refused.value.status, refused.value.code) == (404, "lock-not-held")

    take(slot)
    with pytest.raises(Lost):
        locks.release(slot, OWN_TOKEN)


# By force


def test_force_needs_the_fence_that_was_seen_and_a_reason(slot: Slot) -> None:
    grant = take(slot)

    for reason in ("", "too short", " " * 20, "a reason with\x07bell"):
        with pytest.raises(Invalid) as refused:
            locks.force_release(slot, fence=grant.lock.fence, reason=reason, cancel_swap=False, by=BOB)
        assert refused.value.errors[0]["field"] == "reason"
    with pytest.raises(Lost) as lost:
        locks.force_release(slot, fence=grant.lock.fence + 1, reason="holder is gone", cancel_swap=False, by=BOB)
    assert lost.value.status == 412
    assert locks.look(slot).held


def test_force_is_told_with_who_and_why_and_delays_everybody_else(slot: Slot, clock: Clock) -> None:
    grant = take(slot)
    freed = locks.force_release(slot, fence=grant.lock.fence, reason="ana's script hangs", cancel_swap=False, by=BOB)

    assert not freed.held and freed.fence > grant.lock.fence
    told = Event.objects.get(kind="lock.forced")
    assert (told.actor, told.data["reason"], told.data["holder"]) == ("key:bob", "ana's script hangs", "cron")
    with pytest.raises(Lost):
        locks.renew(slot, grant.token)
    with pytest.raises(Conflict) as delayed:
        take(slot, "cron", by=ANA)
    assert delayed.value.code == "lock-delay" and delayed.value.retry_after_seconds in (14, 15)
    with pytest.raises(Locked):
        actions.request_swap(slot, "qwen", ANA)

    assert take(slot, "bob", by=BOB).lock.fence > freed.fence
    locks.force_release(slot, fence=locks.look(slot).fence, reason="once more, please", cancel_swap=False, by=BOB)
    clock.jump(15.1)
    assert take(slot, "cron", by=ANA).lock.held


def test_force_stops_before_a_running_swap_unless_told_to_cut_it(slot: Slot) -> None:
    grant = take(slot)
    swap = actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)

    with pytest.raises(Conflict) as refused:
        locks.force_release(slot, fence=grant.lock.fence, reason="GPU needed now", cancel_swap=False, by=BOB)
    assert refused.value.location == f"/api/swap/{swap.pk}" and "cancel_swap" in refused.value.detail
    swap.refresh_from_db()
    assert swap.cancel_requested_at is None

    view = locks.force_release(slot, fence=grant.lock.fence, reason="GPU needed now", cancel_swap=True, by=BOB)
    swap.refresh_from_db()
    assert swap.cancel_requested_at is not None and swap.cancelled_by == "key:bob"
    assert not view.held and view.pinned_by == swap.pk
    with pytest.raises(Conflict):
        take(slot, "bob", by=BOB)  # its swap is still tidying up
    end(swap, Status.CANCELLED)
    assert take(slot, "bob", by=BOB).lock.held


def test_a_force_that_misses_leaves_the_swap_alone(slot: Slot) -> None:
    grant = take(slot)
    swap = actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)

    with pytest.raises(Lost):
        locks.force_release(slot, fence=grant.lock.fence + 5, reason="GPU needed now", cancel_swap=True, by=BOB)

    swap.refresh_from_db()
    assert swap.cancel_requested_at is None


# The swap


def test_a_free_or_expired_lock_lets_anybody_swap(slot: Slot, clock: Clock) -> None:
    swap = actions.request_swap(slot, "qwen", BOB)
    assert swap.holder == "" and swap.hold_fence is None
    end(swap)

    take(slot, ttl=10)
    clock.jump(11)
    assert actions.request_swap(slot, "qwen", BOB).holder == ""
    assert "lock.expired" in kinds()


@pytest.mark.parametrize("verb", ["swap", "stop"])
def test_nobody_changes_the_slot_past_a_lock(slot: Slot, verb: str) -> None:
    grant = locks.acquire(slot, holder="openclaw", purpose="eval", ttl_seconds=900, by=ANA)

    def ask(token: str | None) -> Swap:
        if verb == "stop":
            return actions.request_stop(slot, BOB, lock_token=token)
        return actions.request_swap(slot, "qwen", BOB, lock_token=token)

    with pytest.raises(Locked) as refused:
        ask(None)
    assert (refused.value.status, refused.value.code) == (423, "lock-held")
    assert refused.value.detail.split("(in")[0] == locks.look(slot).refusal_sentence().split("(in")[0]
    assert refused.value.extra["lock"]["holder"] == "openclaw" and refused.value.retry_after_seconds == 60
    with pytest.raises(Lost) as stale:
        ask(OWN_TOKEN)
    assert (stale.value.status, stale.value.code) == (412, "lock-lost")
    assert not Swap.objects.exists()

    swap = ask(grant.token)
    assert (swap.holder, swap.hold_fence) == ("openclaw", grant.lock.fence)


def test_a_stale_token_swaps_nothing_even_when_the_lock_is_free(slot: Slot, clock: Clock) -> None:
    grant = take(slot, ttl=10)
    clock.jump(11)

    with pytest.raises(Lost):
        actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)
    assert not Swap.objects.exists()


def test_a_swap_pins_the_lock_past_its_time_and_a_minute_longer(slot: Slot, clock: Clock) -> None:
    grant = take(slot, ttl=10)
    swap = actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)
    clock.jump(3600)

    seen = locks.look(slot)
    assert (seen.held, seen.pinned_by, seen.seconds_remaining) == (True, swap.pk, 0)
    assert "60 s after its swap ends" in seen.refusal_sentence()
    locks.expire_lapsed()
    with pytest.raises(Conflict):
        take(slot, "bob", by=BOB)
    with pytest.raises(Locked):
        actions.request_swap(slot, "qwen", BOB)

    end(swap)
    assert locks.look(slot).seconds_remaining == 60
    with pytest.raises(Conflict):
        take(slot, "bob", by=BOB)
    assert locks.renew(slot, grant.token).fence == grant.lock.fence
    clock.jump(61)
    assert take(slot, "bob", by=BOB).lock.held


def test_the_end_of_a_swap_never_shortens_a_hold(slot: Slot) -> None:
    grant = take(slot, ttl=900)
    end(actions.request_swap(slot, "qwen", ANA, lock_token=grant.token))

    assert locks.look(slot).seconds_remaining > 800


def test_a_swap_without_a_lock_keeps_the_lock_from_everybody_until_it_ends(slot: Slot) -> None:
    swap = actions.request_swap(slot, "qwen", ANA)

    with pytest.raises(Conflict) as refused:
        take(slot, "bob", by=BOB)
    assert f"/api/swap/{swap.pk}" in refused.value.detail
    assert not locks.look(slot).held and locks.look(slot).pinned_by == swap.pk

    end(swap)
    assert take(slot, "bob", by=BOB).lock.held


def test_releasing_during_ones_swap_lets_it_go_on(slot: Slot) -> None:
    grant = take(slot)
    swap = actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)

    locks.release(slot, grant.token)

    assert not locks.look(slot).held and locks.look(slot).pinned_by == swap.pk
    with pytest.raises(Conflict):
        take(slot, "bob", by=BOB)
    end(swap)
    assert take(slot, "bob", by=BOB).lock.held


def test_others_do_not_cancel_a_swap_under_a_lock(slot: Slot) -> None:
    grant = take(slot)
    swap = actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)

    with pytest.raises(Locked):
        actions.cancel_swap(swap, BOB)
    with pytest.raises(Locked):
        actions.cancel_swap(swap, BOB, lock_token=OWN_TOKEN)
    assert actions.cancel_swap(swap, BOB, lock_token=grant.token).cancelled_by == "key:bob"


def test_who_asked_for_a_swap_may_cancel_it_and_anybody_one_without_a_lock(slot: Slot) -> None:
    grant = take(slot)
    swap = actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)
    assert actions.cancel_swap(swap, ANA).cancelled_by == "user:ana"
    end(swap)
    locks.release(slot, grant.token)

    free = actions.request_swap(slot, "qwen", ANA)
    assert actions.cancel_swap(free, BOB).cancelled_by == "key:bob"


def test_trying_again_asks_for_the_token_too(slot: Slot) -> None:
    swap = actions.request_swap(slot, "qwen", ANA)
    end(swap)
    grant = take(slot)

    with pytest.raises(Locked):
        actions.retry_swap(swap, ANA)
    assert actions.retry_swap(swap, ANA, lock_token=grant.token).retry_of == swap


def test_a_pin_does_not_outlive_its_swap_even_when_the_swap_was_ended_by_hand(slot: Slot) -> None:
    swap = actions.request_swap(slot, "qwen", ANA)
    Swap.objects.filter(pk=swap.pk).update(status=Status.FAILED)

    assert take(slot).lock.held


# Looking


def test_a_hold_with_nothing_happening_is_shown_as_such(slot: Slot, clock: Clock) -> None:
    grant = take(slot, "cron", ttl=3600)
    clock.jump(299)
    assert locks.look(slot).idle_hint == ""
    clock.jump(2)
    assert locks.look(slot).idle_seconds in (301, 302)
    assert "cron" in locks.look(slot).idle_hint

    swap = actions.request_swap(slot, "qwen", ANA, lock_token=grant.token)
    end(swap)
    clock.jump(1000)
    assert (locks.look(slot).idle_seconds, locks.look(slot).idle_hint) == (0, "")


def test_two_slots_have_two_locks(slot: Slot) -> None:
    other = SlotFactory(name="second", is_default=False)
    take(slot)

    assert not locks.look(other).held
    assert take(other, "bob", by=BOB).lock.slot == "second"


def test_the_row_is_never_lost_with_its_slot(slot: Slot) -> None:
    take(slot)
    Serving.objects.filter(slot=slot).delete()

    with pytest.raises(Exception, match="protected"):
        slot.delete()


def test_looking_changes_nothing(slot: Slot, clock: Clock) -> None:
    take(slot, ttl=10)
    clock.jump(11)
    before = SwapLock.objects.values().get()

    assert isinstance(locks.look(slot), LockView)
    assert SwapLock.objects.values().get() == before and kinds() == ["lock.acquired"]
