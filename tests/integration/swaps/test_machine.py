"""Moving a swap: journalled, fenced, and lost when somebody else was first."""

import pytest

from cluster.models import Event
from swaps import machine
from swaps.machine import LostRace
from swaps.models import Operation, Swap, SwapLock, SwapMessage
from swaps.states import Status
from tests.factories import SwapFactory

pytestmark = pytest.mark.django_db


def test_it_writes_status_transition_message_and_event_together() -> None:
    swap = SwapFactory(status=Status.QUEUED)

    machine.advance(swap, Status.PREFLIGHT, expect=Status.QUEUED, detail="looking")

    swap.refresh_from_db()
    assert swap.state is Status.PREFLIGHT
    assert list(swap.transitions.values_list("from_status", "to_status", "detail")) == [
        ("queued", "preflight", "looking")
    ]
    message = swap.messages.get()
    assert (message.kind, message.seq, message.data["phase"]) == ("phase", 1, "preflight")
    assert Event.objects.filter(kind="swap.phase", data__swap=swap.pk).count() == 1


def test_it_loses_when_the_status_is_not_the_expected_one() -> None:
    swap = SwapFactory(status=Status.LOADING)

    with pytest.raises(LostRace):
        machine.advance(swap, Status.PREFLIGHT, expect=Status.QUEUED)

    assert not swap.transitions.exists()
    assert not swap.messages.exists()


def test_it_loses_with_an_old_fence() -> None:
    swap = SwapFactory(status=Status.LOADING, fence=7)
    Swap.objects.filter(pk=swap.pk).update(fence=8)  # another driver has claimed it

    with pytest.raises(LostRace):
        machine.advance(swap, Status.VERIFYING, expect=Status.LOADING)
    with pytest.raises(LostRace):
        machine.tell(swap, [("log", {"node": "spark-1", "text": "a late line"})])

    assert not SwapMessage.objects.filter(swap=swap).exists()


def test_it_refuses_a_move_the_map_does_not_have() -> None:
    swap = SwapFactory(status=Status.QUEUED)

    with pytest.raises(ValueError, match="cannot move"):
        machine.advance(swap, Status.READY, expect=Status.QUEUED)


def test_the_end_frees_the_lock_and_is_told_once() -> None:
    swap = SwapFactory(status=Status.VERIFYING)
    SwapLock.objects.update_or_create(slot=swap.slot, defaults={"active_swap": swap})

    machine.advance(swap, Status.READY, expect=Status.VERIFYING)
    with pytest.raises((LostRace, ValueError)):
        machine.advance(swap, Status.FAILED, expect=Status.READY)

    assert SwapLock.objects.get(slot=swap.slot).active_swap is None
    assert list(swap.messages.values_list("kind", flat=True)) == ["end"]
    assert Event.objects.filter(kind="swap.ended").count() == 1
    assert Swap.objects.get(pk=swap.pk).ended_at is not None


@pytest.mark.parametrize(
    ("operation", "end", "words"),
    [
        (Operation.SWAP, Status.READY, "Swap ready"),
        (Operation.STOP, Status.READY, "Stopped"),
        (Operation.WARM, Status.READY, "Warm-up done"),
        (Operation.SWAP, Status.FAILED, "Swap failed"),
        (Operation.STOP, Status.ERRORED, "Stop errored"),
        (Operation.WARM, Status.CANCELLED, "Warm-up cancelled"),
    ],
)
def test_the_end_is_told_in_the_words_of_what_ended(operation: Operation, end: Status, words: str) -> None:
    swap = SwapFactory(status=Status.VERIFYING, operation=operation)
    machine.advance(swap, end, expect=Status.VERIFYING)
    assert swap.messages.get(kind="end").data["words"] == words


def test_messages_are_numbered_without_gaps() -> None:
    swap = SwapFactory(status=Status.LOADING)

    machine.tell(swap, [("log", {"node": "a", "text": "one"}), ("log", {"node": "a", "text": "two"})])
    machine.tell(swap, [("progress", {"percent": 5, "detail": "x"})], percent=5)

    assert list(swap.messages.values_list("seq", flat=True)) == [1, 2, 3]
    assert Swap.objects.get(pk=swap.pk).percent == 5
