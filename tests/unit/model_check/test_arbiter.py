"""All states of lock, swap, driver and Spark are searched; without any one rule the search finds why it is there."""

from dataclasses import replace

import pytest

from tests.unit.model_check.arbiter import Rules, search


def test_nothing_wrong_can_be_reached() -> None:
    verdict = search(Rules())

    assert verdict.wrong == "", "\n".join(verdict.trace)
    assert verdict.states > 100_000


@pytest.mark.parametrize(
    ("rule", "wrong", "at_most_steps"),
    [
        ("enforced", "somebody else's lock", 3),
        ("node_fence", "after its swap was told to have failed", 8),
        ("sealed", "after a newer one had begun", 11),
        ("outdated", "after its swap was told to have failed", 6),
        ("pinned", "granted while a swap was running", 2),
        ("outbox", "never told", 7),
        ("fence_grows", "not higher than an earlier one", 4),
        ("no_revival", "renewed after its time was over", 3),
    ],
)
def test_every_rule_is_needed(rule: str, wrong: str, at_most_steps: int) -> None:
    verdict = search(replace(Rules(), **{rule: False}))

    assert wrong in verdict.wrong
    assert len(verdict.trace) <= at_most_steps, verdict.trace


def test_the_shortest_way_is_told_in_words() -> None:
    trace = search(replace(Rules(), enforced=False)).trace

    assert trace == ["A acquires", "B swaps"]
