"""The judge of lock histories finds what it is there to find."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.lock_race.history import Held, seen_by_contenders, told_twice, violations, wrong_answers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def held(fence: int, since: float, until: float) -> Held:
    return Held(fence, f"h{fence}", NOON + timedelta(seconds=since), NOON + timedelta(seconds=until))


def test_it_finds_nothing_wrong_with_one_after_the_other() -> None:
    assert violations([held(2, 5, 9), held(1, 0, 5), held(7, 9, 9)]) == []


@pytest.mark.parametrize(
    "bad",
    [
        [held(1, 0, 5), held(2, 4.999, 9)],  # two at once
        [held(1, 0, 5), held(1, 5, 9)],  # the same fence
        [held(2, 0, 5), held(1, 5, 9)],  # a smaller one
    ],
)
def test_it_finds_two_holders_and_fences_that_do_not_grow(bad: list[Held]) -> None:
    assert len(violations(bad)) == 1


def test_it_believes_contenders_only_what_was_confirmed() -> None:
    granted = {"what": "granted", "name": "a", "fence": 3, "acquired_at": NOON.isoformat()}
    later = (NOON + timedelta(seconds=1)).isoformat()
    refused = {"what": "renewed", "name": "a", "fence": 3, "held_at": None}

    assert seen_by_contenders([granted, refused]) == [Held(3, "a", NOON, NOON)]
    assert seen_by_contenders([granted, {**refused, "held_at": later}])[0].until == NOON + timedelta(seconds=1)
    assert told_twice([granted, granted]) == ["fence 3 was granted twice"]


@pytest.mark.parametrize(
    ("note", "wrong"),
    [
        ({"what": "stale", "status": 412}, False),
        ({"what": "stale", "status": 200}, True),
        ({"what": "stale", "status": 404}, True),
        ({"what": "refused", "status": 500}, True),
        ({"what": "renewed", "status": 412, "in_time": True}, True),
        ({"what": "renewed", "status": 412, "in_time": False}, False),
        ({"what": "released", "status": 404, "in_time": False}, True),
    ],
)
def test_it_knows_the_right_answer_to_every_call(note: dict[str, Any], wrong: bool) -> None:
    assert bool(wrong_answers([note])) is wrong
