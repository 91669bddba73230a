"""A model that stands still, and what only looks like it."""

from dataclasses import replace

import pytest

from cluster.readings import VllmReading
from swaps.wedged import Still, is_wedged, observe

FROZEN = VllmReading(
    health_ok=True, running=1, waiting=0, generation_tokens_total=700, prompt_tokens_total=900, kv_cache_used=0.25
)


def looked(readings: list[VllmReading], every: float = 5.0) -> Still | None:
    """After looks at these, one every few seconds."""
    still = None
    for number, reading in enumerate(readings):
        still = observe(still, reading, 1000.0 + number * every)
    return still


def test_frozen_counters_with_an_idle_gpu_are_a_wedged_model_after_a_minute() -> None:
    assert not is_wedged(looked([FROZEN] * 12), 0.0)
    assert is_wedged(looked([FROZEN] * 13), 0.0)
    assert is_wedged(looked([replace(FROZEN, running=0, waiting=3)] * 13), 0.0)


def test_a_long_prefill_is_none_its_cache_grows() -> None:
    prefill = [replace(FROZEN, kv_cache_used=0.25 + 0.01 * (chunk // 3)) for chunk in range(60)]
    assert not is_wedged(looked(prefill), 99.0) and not is_wedged(looked(prefill), 0.0)


@pytest.mark.parametrize("gpu_busy", [99.0, None])
def test_while_the_gpu_works_or_does_not_tell_it_gets_five_minutes(gpu_busy: float | None) -> None:
    assert not is_wedged(looked([FROZEN] * 60), gpu_busy)
    assert is_wedged(looked([FROZEN] * 61), gpu_busy)


def test_a_vllm_that_does_not_tell_its_cache_gets_five_minutes_too() -> None:
    blind = replace(FROZEN, kv_cache_used=None)
    assert not is_wedged(looked([blind] * 60), 0.0) and is_wedged(looked([blind] * 61), 0.0)


@pytest.mark.parametrize(
    "moved",
    [
        replace(FROZEN, generation_tokens_total=701),
        replace(FROZEN, prompt_tokens_total=1000),
        replace(FROZEN, generation_tokens_total=0),  # started anew
        replace(FROZEN, running=0),
        replace(FROZEN, generation_tokens_total=None),
    ],
)
def test_whatever_moves_begins_the_wait_anew(moved: VllmReading) -> None:
    still = looked([*[FROZEN] * 13, moved, moved])
    assert not is_wedged(still, 0.0)


def test_two_looks_far_apart_prove_nothing() -> None:
    assert not is_wedged(looked([FROZEN] * 3, every=300.0), 0.0)


def test_it_survives_its_way_through_json() -> None:
    still = looked([FROZEN])
    assert still and Still.read(still.as_dict()) == still and Still.read(None) is None
