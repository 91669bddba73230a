"""A swap told for people: phases, durations, remaining time."""

from datetime import UTC, datetime, timedelta

import pytest

from swaps import story
from swaps.models import Swap, Transition
from swaps.states import Status
from tests.factories import SwapFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def told(*moves: tuple[Status, float], now: float, **fields: object) -> story.Story:
    """A swap that made `moves` (status, seconds after noon), told `now` seconds after noon."""
    swap: Swap = SwapFactory(status=moves[-1][0], **fields)
    Swap.objects.filter(pk=swap.pk).update(accepted_at=NOON, started_at=NOON)
    for status, seconds in moves:
        Transition.objects.create(swap=swap, to_status=status, at=NOON + timedelta(seconds=seconds))
    swap.refresh_from_db()
    return story.tell(swap, NOON + timedelta(seconds=now))


def past(seconds: float, **fields: object) -> None:
    swap = SwapFactory(status=Status.READY, **fields)
    Swap.objects.filter(pk=swap.pk).update(started_at=NOON, ended_at=NOON + timedelta(seconds=seconds))


def test_phases_carry_their_durations_and_what_is_still_to_come() -> None:
    it = told((Status.QUEUED, 0), (Status.PREFLIGHT, 1), (Status.STOPPING, 3), now=7)

    assert [(p.status, p.state, p.seconds) for p in it.phases] == [
        (Status.QUEUED, "done", 1.0),
        (Status.PREFLIGHT, "done", 2.0),
        (Status.STOPPING, "current", 4.0),
        (Status.LAUNCHING, "upcoming", None),
        (Status.LOADING, "upcoming", None),
        (Status.VERIFYING, "upcoming", None),
    ]


def test_a_failed_swap_shows_where_it_ended_and_nothing_to_come() -> None:
    it = told(
        (Status.QUEUED, 0), (Status.PREFLIGHT, 1), (Status.FAILED, 2), now=99, ended_at=NOON + timedelta(seconds=2)
    )

    assert [(p.status, p.state) for p in it.phases] == [(Status.QUEUED, "done"), (Status.PREFLIGHT, "failed")]
    assert it.remaining_seconds is None


def test_the_remaining_time_comes_from_past_loads_of_the_same_model() -> None:
    past(120, model_key="m")
    past(120, model_key="m")
    past(9999, model_key="another")

    it = told((Status.QUEUED, 0), (Status.LAUNCHING, 10), now=20, model_key="m")

    assert it.remaining_seconds == 100
    assert it.remaining_text == "about 2 min left, from 2 loads"


def test_a_load_that_takes_longer_than_usual_says_so() -> None:
    past(60, model_key="m")

    it = told((Status.QUEUED, 0), (Status.LOADING, 5), now=200, model_key="m", percent=50)

    assert it.slower_than_usual
    assert "slower than usual" in it.remaining_text


def test_nothing_is_promised_when_nothing_is_known() -> None:
    it = told((Status.QUEUED, 0), now=1, model_key="never-loaded")

    assert (it.remaining_seconds, it.remaining_text) == (None, "")
