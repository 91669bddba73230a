"""Hostile arguments on a simulated Spark: over real SSH, through fence, launcher and docker, to vLLM's own argv."""

from dataclasses import replace

import pytest

from cluster.models import Slot
from swaps.catalog.definition import Definition, validate
from swaps.launcher import node_commands
from swaps.launcher.launch import build_launch
from swaps.site import site_of
from tests.corpus.hostile_strings import HOSTILE
from tests.simulated_sparks import SimulatedSparks, until

BASE = Definition("hostile", "Hostile", repo="org/m")
WORDS_AT_ONCE = 60


def launches() -> list[Definition]:
    """The strings that may be arguments, many to a launch; the others are refused by name (test_injection_corpus)."""
    allowed = [text for text in HOSTILE if not validate(replace(BASE, args=(f"--x={text}",)))]
    groups = [allowed[i : i + WORDS_AT_ONCE] for i in range(0, len(allowed), WORDS_AT_ONCE)]
    made = [replace(BASE, args=tuple(f"--x={text}" for text in group)) for group in groups]
    return [definition for definition in made if not validate(definition)]


@pytest.mark.timeout(300)
def test_every_argument_arrives_as_it_was_written(slot: Slot, sparks: SimulatedSparks) -> None:
    site = site_of(slot)
    definitions = launches()
    assert sum(len(definition.args) for definition in definitions) > 250
    for fence, definition in enumerate(definitions, 1):
        plan = build_launch(definition, site.placement_for(definition), site.capabilities(), fence=fence, swap_id=fence)
        result = site.on("spark-1", plan.steps[0], timeout=60)
        assert result.ok, result.text
        started = until(lambda n=fence: sparks.journal("spark-1", "vllm")[n - 1 : n], 10)
        assert tuple(started[0]["argv"]) == plan.vllm_argv
        site.on("spark-1", node_commands.stop_container(slot.container_name))
    assert not list(sparks.root.rglob("pwned*"))
