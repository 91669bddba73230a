"""A Spark's own idle baseline, and what of it does not come back."""

from dataclasses import replace

import pytest

from cluster.idle_memory import GIB, IdleMemory, after, is_idle
from cluster.readings import Container, GpuProcess, HostReading

NOTHING = IdleMemory()
IDLE = HostReading(
    boot_id="a", mem_total_bytes=120 * GIB, mem_available_bytes=114 * GIB, gpu_name="NVIDIA GB10", docker_ok=True
)
BUSY = replace(IDLE, gpu_processes=(GpuProcess(1, "VLLM::EngineCore", 80 * 1024),), mem_available_bytes=30 * GIB)
OURS = Container("vllm_node", "vllm-node", running=True, kind="launcher")


def with_gib(gib: float, reading: HostReading = IDLE) -> HostReading:
    return replace(reading, mem_available_bytes=round(gib * GIB))


@pytest.mark.parametrize(
    ("reading", "idle"),
    [
        (IDLE, True),
        (BUSY, False),
        (replace(IDLE, containers=(OURS,)), False),
        (replace(IDLE, containers=(replace(OURS, running=False),)), True),
        (replace(IDLE, containers=(Container("db", "postgres:17", running=True),)), True),
        (replace(IDLE, gpu_name=None), False),
        (replace(IDLE, gpu_problem="nvidia-smi does not answer."), False),
        (replace(IDLE, docker_ok=False), False),
        (HostReading(), False),
    ],
)
def test_idle_is_what_is_known_to_be_idle(reading: HostReading, idle: bool) -> None:
    assert is_idle(reading) is idle


def test_the_baseline_is_the_most_that_was_seen_twice_in_a_row() -> None:
    first = after(NOTHING, with_gib(110), with_gib(113))
    higher = after(first, with_gib(113), with_gib(118))
    lower = after(higher, with_gib(118), with_gib(112))

    assert [round((one.baseline or 0) / GIB) for one in (first, higher, lower)] == [110, 113, 113]
    assert after(NOTHING, BUSY, IDLE) == NOTHING


def test_memory_is_missing_when_two_idle_looks_agree() -> None:
    known = IdleMemory(114 * GIB)

    assert after(known, BUSY, with_gib(80)) == known  # a moment after the stop it may just be on its way
    assert after(known, with_gib(80), with_gib(81)).missing == 33 * GIB
    assert after(known, with_gib(80), with_gib(113)).missing is None
    assert after(known, with_gib(110), with_gib(110)).missing is None


def test_it_is_back_when_less_than_a_little_is_missing() -> None:
    known = IdleMemory(114 * GIB, 33 * GIB)

    assert after(known, with_gib(109.5), with_gib(109.5)).missing == round(4.5 * GIB)
    assert after(known, with_gib(111), with_gib(111)).missing is None


def test_under_a_model_only_its_return_can_be_seen() -> None:
    known = IdleMemory(114 * GIB, 33 * GIB)

    assert after(known, BUSY, with_gib(2, BUSY)) == known
    assert after(known, BUSY, with_gib(31, BUSY)) == IdleMemory(114 * GIB)


def test_another_start_or_another_size_forgets_the_old_figures() -> None:
    known = IdleMemory(114 * GIB, 33 * GIB)

    assert after(known, IDLE, replace(IDLE, boot_id="b")) == NOTHING
    assert after(known, IDLE, replace(IDLE, mem_total_bytes=60 * GIB)) == NOTHING
    assert after(known, IDLE, HostReading()) == known
