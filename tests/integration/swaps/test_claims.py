"""One driver per swap, proven by a fence that only grows."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from swaps import claims
from swaps.models import Swap, SwapLock
from swaps.states import Status
from tests.factories import SwapFactory

pytestmark = pytest.mark.django_db


def test_the_first_claim_wins_and_the_second_finds_nothing() -> None:
    swap = SwapFactory(status=Status.QUEUED)

    mine = claims.claim(swap.pk, "a")

    assert mine is not None and mine.fence == 1
    assert claims.claim(swap.pk, "b") is None


def test_a_lease_that_ran_out_can_be_taken_over_with_a_higher_fence() -> None:
    swap = SwapFactory(status=Status.LOADING)
    first = claims.claim(swap.pk, "a")
    Swap.objects.filter(pk=swap.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    second = claims.claim(swap.pk, "b")

    assert first is not None and second is not None
    assert second.fence == first.fence + 1
    assert not claims.beat(swap.pk, first.fence).mine
    assert claims.beat(swap.pk, second.fence).mine


def test_an_ended_swap_cannot_be_claimed() -> None:
    assert claims.claim(SwapFactory(status=Status.READY).pk, "a") is None


def test_letting_go_makes_it_claimable_at_once() -> None:
    swap = SwapFactory(status=Status.LOADING)
    mine = claims.claim(swap.pk, "a")
    assert mine is not None

    claims.let_go(mine)

    assert claims.claim(swap.pk, "b") is not None


def test_the_heartbeat_notices_a_cancel() -> None:
    swap = SwapFactory(status=Status.LOADING)
    mine = claims.claim(swap.pk, "a")
    assert mine is not None and not claims.beat(swap.pk, mine.fence).cancel_asked

    Swap.objects.filter(pk=swap.pk).update(cancel_requested_at=timezone.now())

    assert claims.beat(swap.pk, mine.fence).cancel_asked


def test_the_fence_survives_the_swap() -> None:
    first = SwapFactory(status=Status.QUEUED)
    claims.claim(first.pk, "a")
    Swap.objects.filter(pk=first.pk).update(status=Status.FAILED)
    second = SwapFactory(status=Status.QUEUED, slot=first.slot)

    mine = claims.claim(second.pk, "a")

    assert mine is not None and mine.fence == 2
    assert SwapLock.objects.get(slot=first.slot).fence == 2


@pytest.mark.django_db(transaction=True)
def test_twenty_claims_at_once_have_one_winner() -> None:
    swap = SwapFactory(status=Status.QUEUED)
    start = threading.Barrier(20)
    won: list[int] = []

    def race(number: int) -> None:
        start.wait()
        mine = claims.claim(swap.pk, f"driver-{number}")
        if mine is not None:
            won.append(mine.fence)
        connection.close()

    threads = [threading.Thread(target=race, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert won == [1]
