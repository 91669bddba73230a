"""`make bench`: what a swap costs beyond the launcher and vLLM, beside the same swap by hand; what a lock call, live
viewers and many Sparks cost."""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from bench import locks, scale, viewers
from bench.by_hand import Person
from bench.measure import Journal, percentile, pss_megabytes, role, show, tree
from bench.product import ROOT, Product

MODELS = ("qwen3.6-35b-a3b-nvfp4", "glm-4.7-flash-awq")
TWO_SPARKS = "gpt-oss-120b-two-sparks"
WARM_UP_CALLS, STATUS_CALLS = 20, 500

# name: (unit, the aim, what it is)
ROWS = {
    "swap_overhead_seconds": ("s", "< 1.5", "a swap's wall time minus the launcher's and vLLM's own"),
    "swap_seconds": ("s", "< by hand", "one whole swap, asked for over HTTP, seen by a stream client"),
    "by_hand_seconds": ("s", "", "the same swap by hand: launcher stop, launcher -d exec, /health each second"),
    "ready_to_reported_p50_seconds": ("s", "", "vLLM ready to `ready` at a stream client, median"),
    "ready_to_reported_p95_seconds": ("s", "<= 0.25", "the same, 95th percentile"),
    "two_node_stop_seconds": ("s", "< 5", "stop of a model on two Sparks"),
    "two_node_stop_by_launcher_seconds": ("s", "", "the same by the launcher's own stop"),
    "status_p50_ms": ("ms", "<= 5", "GET /api/status, median"),
    "status_p99_ms": ("ms", "", "the same, 99th percentile"),
    "start_first_seconds": ("s", "", "first start, simulator included: command to address printed"),
    "start_again_seconds": ("s", "", "second start"),
    "start_real_seconds": ("s", "", "second start without simulator"),
    "memory_mb": ("MB", "< 220", "PSS of supervisor, web and worker, without simulator"),
    "memory_after_swaps_mb": ("MB", "", "the same three after all these swaps"),
    "memory_simulator_mb": ("MB", "", "PSS of the simulated Sparks, one model loaded"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--by-hand", type=int, default=5)
    parser.add_argument("--load-seconds", type=float, default=3)
    parser.add_argument("--lock-seconds", type=float, default=8)
    parser.add_argument("--output", type=Path, default=ROOT / "bench.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sparkcontrol-bench-") as folder:
        figures = measure(Path(folder), arguments)
    figures = {name: round(value, 3) for name, value in figures.items()}
    arguments.output.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2) + "\n")
    print(f"{arguments.swaps} swaps, {arguments.by_hand} by hand, simulated load {arguments.load_seconds:g} s\n")
    show(aims(), figures)
    print(f"\nwritten to {arguments.output}")


def aims() -> dict[str, tuple[str, str, str]]:
    crowds = viewers.rows(viewers.counts_here())
    return {**ROWS, **locks.rows(locks.databases_here()), **crowds, **scale.rows()}


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    data = folder / "data"
    with Product(data, load_seconds=arguments.load_seconds) as product:
        figures["start_first_seconds"] = product.start_seconds
        figures |= swaps(product, arguments.swaps)
        figures |= status_calls(product)
        figures |= memory_with_simulator(product)
        figures |= two_nodes(product)
        figures["by_hand_seconds"] = by_hand(product, arguments.by_hand)
    with Product(data, load_seconds=arguments.load_seconds) as product:
        figures["start_again_seconds"] = product.start_seconds
    figures |= without_simulator(folder / "real")
    figures |= locks.measure(folder, arguments.lock_seconds, locks.databases_here())
    figures |= viewers.measure(folder, counts=viewers.counts_here())
    figures |= scale.measure(folder)
    return figures


def swaps(product: Product, count: int) -> dict[str, float]:
    """The first is not counted: it finds no model and no history."""
    product.swap(MODELS[1])
    overheads, waits, wholes = [], [], []
    for number in range(count):
        journal = Journal(product.data / "sim" / "spark-1")
        watched = product.swap(MODELS[number % 2])
        launcher, ready = journal.last("launcher-done"), journal.last("vllm-ready")
        theirs = ready["at"] - (launcher["at"] - launcher["seconds"])
        overheads.append(watched.seconds - theirs)
        waits.append(watched.ended_at - ready["at"])
        wholes.append(watched.seconds)
    return {
        "swap_overhead_seconds": mean(overheads),
        "swap_seconds": mean(wholes),
        "ready_to_reported_p50_seconds": percentile(waits, 0.5),
        "ready_to_reported_p95_seconds": percentile(waits, 0.95),
    }


def status_calls(product: Product) -> dict[str, float]:
    """By a bare client on one connection: a comfortable one adds a millisecond of its own."""
    call = product.bare_get("/api/status")
    for _ in range(WARM_UP_CALLS):
        call()
    warm = [call() * 1000 for _ in range(STATUS_CALLS)]
    return {"status_p50_ms": percentile(warm, 0.5), "status_p99_ms": percentile(warm, 0.99)}


def memory_of(product: Product) -> dict[str, float]:
    """PSS by role, in MB."""
    memory: dict[str, float] = {}
    for pid in tree(product.process.pid):
        memory[role(pid)] = memory.get(role(pid), 0.0) + pss_megabytes(pid)
    return memory


def memory_with_simulator(product: Product) -> dict[str, float]:
    memory = memory_of(product)
    ours = sum(memory.get(name, 0.0) for name in ("supervisor", "web", "worker"))
    return {"memory_after_swaps_mb": ours, "memory_simulator_mb": memory.get("simulator", 0.0)}


def two_nodes(product: Product) -> dict[str, float]:
    """Ours from the request to the end of the swap; the launcher's from the command to its return."""
    product.swap(TWO_SPARKS)
    ours = product.stop().seconds
    product.swap(TWO_SPARKS)
    with Person(product.spark("spark-1")) as person:
        theirs = person.stop(solo=False)
    return {"two_node_stop_seconds": ours, "two_node_stop_by_launcher_seconds": theirs}


def by_hand(product: Product, count: int) -> float:
    definitions = [product.api.get(f"/api/models/{key}").raise_for_status().json() for key in MODELS]
    with Person(product.spark("spark-1")) as person:
        person.start(definitions[1], solo=True)
        person.wait_until_healthy()
        return mean(person.swap(definitions[number % 2]) for number in range(count))


def without_simulator(data: Path) -> dict[str, float]:
    with Product(data, sparks="real"):
        pass
    with Product(data, sparks="real") as product:
        for _ in range(50):
            product.api.get("/api/status").raise_for_status()
        time.sleep(5)  # a worker that has looked around twice
        return {"start_real_seconds": product.start_seconds, "memory_mb": sum(memory_of(product).values())}


def machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


if __name__ == "__main__":
    main()
