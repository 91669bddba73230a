"""What memory figures mean for a load, in words."""

import pytest

from cluster.readings import Container, GpuProcess, HostReading
from swaps.catalog.definition import Definition
from swaps.memory_rules import GIB, NodeMemory, floor_checks, neighbours_of, share_of, stopped_at_floor

SPARK = NodeMemory("spark-1", 120 * GIB, 114 * GIB)


def model(*args: str) -> Definition:
    return Definition(key="small", label="Small", repo="org/small", args=args)


@pytest.mark.parametrize(
    ("args", "share"),
    [
        ((), 0.9),
        (("--gpu-memory-utilization=0.7",), 0.7),
        (("--gpu-memory-utilization", "0.85"), 0.85),
        (("--gpu_memory_utilization=0.5",), 0.5),
        (("--gpu-memory-utilization=much",), None),
        (("--gpu-memory-utilization=1.5",), None),
        (("--kv-cache-memory-bytes=20G",), None),
    ],
)
def test_it_reads_the_share_vllm_will_take(args: tuple[str, ...], share: float | None) -> None:
    assert share_of(model(*args)) == share


def test_a_load_that_was_stopped_says_what_was_left_and_what_would_fit() -> None:
    node = NodeMemory("spark-2", 120 * GIB, 114 * GIB, ("ollama",))

    cause = stopped_at_floor(node, model("--gpu-memory-utilization=0.95"), round(5.4 * GIB), 6 * GIB)

    assert cause.code == "memory-floor"
    assert cause.sentence == (
        "spark-2 had only 5.4 GiB of memory left while Small was loading, less than the floor of 6.0 GiB, so the load"
        " was stopped before spark-2 froze."
    )
    assert "it is 0.95; 0.90 leaves the floor" in cause.remedy
    assert "Or stop what else uses memory on spark-2: ollama." in cause.remedy


def test_it_names_no_figure_that_it_does_not_know() -> None:
    cause = stopped_at_floor(NodeMemory("spark-2"), model("--kv-cache-memory-bytes=20G"), None, 6 * GIB)

    assert cause.sentence.startswith("spark-2 had too little memory left while Small was loading")
    assert "0." not in cause.remedy


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ("0.90", ""),
        ("0.92", "would leave 3.6 GiB on spark-1, below the floor of 6.0 GiB: the load will probably be stopped"),
        ("0.99", "needs more than spark-1 has"),
    ],
)
def test_a_load_that_will_meet_the_floor_is_warned_about_before_anything_stops(share: str, words: str) -> None:
    checks = floor_checks([SPARK], model(f"--gpu-memory-utilization={share}"), 6 * GIB)

    assert [words in check.sentence for check in checks] == ([True] if words else [])
    assert all(check.state == "warning" and check.node == "spark-1" for check in checks)


def test_without_a_baseline_nothing_is_foretold() -> None:
    assert floor_checks([NodeMemory("spark-1", 120 * GIB)], model("--gpu-memory-utilization=0.99"), 6 * GIB) == []


def test_neighbours_are_who_shares_the_memory() -> None:
    reading = HostReading(
        containers=(
            Container("vllm_node", "vllm-node", running=True, kind="launcher", on_gpu=True),
            Container("ollama", "ollama/ollama", running=True, kind="ollama"),
            Container("old", "vllm", running=False, kind="vllm"),
            Container("db", "postgres", running=True),
        ),
        gpu_processes=(GpuProcess(7, "VLLM::EngineCore"), GpuProcess(8, "python3"), GpuProcess(9, "x", container="db")),
    )

    assert neighbours_of(reading, "vllm_node") == ("ollama", "python3")
