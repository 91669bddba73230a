"""The map of the swap machine."""

import itertools

import pytest

from swaps.states import ACTIVE, IN_ORDER, LABELS, MOVES, TERMINAL, Status, may_move


def test_the_good_road_is_allowed_step_by_step() -> None:
    for here, there in itertools.pairwise(IN_ORDER):
        assert may_move(here, there), f"{here} to {there}"


@pytest.mark.parametrize("end", sorted(TERMINAL))
def test_nothing_leaves_an_end(end: Status) -> None:
    assert not any(may_move(end, to) for to in Status)


@pytest.mark.parametrize("active", sorted(ACTIVE))
def test_every_active_state_can_end_badly(active: Status) -> None:
    for end in (Status.FAILED, Status.ERRORED, Status.CANCELLED):
        assert may_move(active, end)


def test_every_active_state_has_a_road_to_an_end() -> None:
    for active in ACTIVE:
        seen, todo = set(), [active]
        while todo:
            here = todo.pop()
            seen.add(here)
            todo += [to for to in MOVES.get(here, ()) if to not in seen]
        assert seen & TERMINAL


def test_a_rollback_never_ends_ready() -> None:
    assert not may_move(Status.ROLLING_BACK, Status.READY)


def test_every_state_has_a_word_for_people() -> None:
    assert set(LABELS) == set(Status)
