"""What is seen and done between the end of the old model and the launch of the next."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.actions import probe
from cluster.idle_memory import GIB
from cluster.models import Event, Slot, Spark
from swaps import memory_return
from swaps.models import ModelDefinition, Swap
from swaps.page_cache import sudoers_line
from tests.simulated_sparks import SimulatedSparks

SwapTo = Callable[..., Swap]


def look_twice(name: str = "spark-1") -> Spark:
    for _ in range(2):
        spark = probe(Spark.objects.get(name=name))
    return spark


def log_of(swap: Swap) -> str:
    return "\n".join(m.data["text"] for m in swap.messages.filter(kind="log"))


def check_of(swap: Swap, code: str) -> dict[str, str]:
    return next((check for check in swap.checks if check["code"] == code), {})


def test_memory_that_does_not_come_back_is_told_once_and_so_is_its_return(
    swap_to: SwapTo,
    slot: Slot,
    models: dict[str, ModelDefinition],
    sparks: SimulatedSparks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_return, "PATIENCE_SECONDS", 0.5)
    for entry in models.values():
        entry.args = [*entry.args, "--gpu-memory-utilization=0.5"]
        entry.save()
    usual = look_twice().idle_available_bytes or 0
    swap_to("other")
    sparks.fault("spark-1", "memory-not-returned", value="20")

    swap = swap_to("small")

    assert swap.status == "ready", swap.diagnosis
    told = check_of(swap, "memory-not-returned")
    assert told["state"] == "warning" and told["node"] == "spark-1" and "restart the Spark" in told["remedy"]
    assert "20.0 GiB of the usual 115.0 GiB of memory did not come back on spark-1" in log_of(swap)
    assert round((Spark.objects.get(name="spark-1").memory_missing_bytes or 0) / GIB) == 20
    probe(Spark.objects.get(name="spark-1"))
    sparks.no_faults()
    spark = probe(Spark.objects.get(name="spark-1"))
    kinds = Event.objects.filter(kind__startswith="spark.memory").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["spark.memory_not_returned", "spark.memory_returned"]
    assert spark.memory_missing_bytes is None and spark.idle_available_bytes == usual


def test_the_page_cache_is_dropped_where_sudoers_allow_it_and_nothing_else_depends_on_it(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks, home: Path
) -> None:
    Slot.objects.update(drop_caches=True)
    refused = swap_to("small")
    line = sudoers_line(sparks.sparks[0]["user"])
    (home.parent / "sudoers").write_text(line + "\n")
    allowed = swap_to("other")

    assert (refused.status, allowed.status) == ("ready", "ready")
    assert line in check_of(refused, "page-cache-kept")["remedy"]
    assert "a password is required" in log_of(refused)
    assert check_of(allowed, "page-cache-kept") == {}
    done = sparks.journal("spark-1", "sudo")
    assert [(one["argv"], one["stdin"]) for one in done] == [(["/usr/bin/tee", "/proc/sys/vm/drop_caches"], "3\n")]
