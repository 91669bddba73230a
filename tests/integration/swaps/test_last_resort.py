"""What no step of a swap can handle any more: it ends all the same, and a driver that is none any more says nothing."""

import pytest

from cluster.encryption import EncryptionError
from cluster.models import Event
from swaps import claims, runner, serving
from swaps.machine import LostRace
from swaps.models import Serving, ServingState, Swap, SwapMessage
from swaps.states import Status
from tests.factories import SwapFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("error", "end", "code"),
    [
        (EncryptionError("A stored secret does not fit the keys."), "failed", "secret-unreadable"),
        (KeyError("a bug of ours"), "errored", "spark-control-error"),
    ],
)
@pytest.mark.parametrize(
    ("status", "state"), [(Status.QUEUED, ServingState.SERVING), (Status.LOADING, ServingState.UNKNOWN)]
)
def test_a_swap_whose_sparks_cannot_even_be_named_ends_once(
    monkeypatch: pytest.MonkeyPatch, error: Exception, end: str, code: str, status: Status, state: ServingState
) -> None:
    swap = SwapFactory(status=status)
    Serving.objects.create(slot=swap.slot, state=ServingState.SERVING)

    def unable(_: object) -> None:
        raise error

    monkeypatch.setattr(runner, "site_of", unable)
    runner.drive(swap.pk)

    swap.refresh_from_db()
    assert (swap.status, swap.diagnosis_code) == (end, code)
    assert Event.objects.filter(kind="swap.ended").count() == 1
    assert swap.messages.filter(kind=SwapMessage.Kind.END).count() == 1
    assert Serving.objects.get().state == state


def test_a_driver_that_was_taken_over_says_nothing_of_the_slot() -> None:
    swap = SwapFactory(status=Status.LOADING)
    first = claims.claim(swap.pk, "a")
    Swap.objects.update(lease_until=None)
    second = claims.claim(swap.pk, "b")
    assert first is not None and second is not None
    serving.mark(second, ServingState.STARTING)

    with pytest.raises(LostRace):
        serving.mark(first, ServingState.SERVING, ids=("org/small",), believe=True)

    row = Serving.objects.get()
    assert (row.state, row.served_ids, row.believed) == (ServingState.STARTING, [], {})
