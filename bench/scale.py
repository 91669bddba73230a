"""Many Sparks: one full status sweep beside the slowest of its own probes, at 2, 16 and 64 simulated Sparks.

A sweep looks at every Spark over SSH and at every slot over HTTP, through the real queue and the real worker.
`python -m bench.scale` runs it alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench import recorded
from bench.fleet import fleet
from bench.measure import cpu_seconds, percentile, processes, pss_megabytes, show
from bench.product import ROOT, Product

COUNTS = (2, 16, 64)
SWEEPS = 5
SLOW_SECONDS = 1.0  # of the one slow Spark, twice in a probe
STATUS_CALLS = 100

Rows = dict[str, tuple[str, str, str]]


def rows(counts: tuple[int, ...] = COUNTS) -> Rows:
    """name: (unit, the aim, what it is), for the table."""
    found: Rows = {}
    for count in counts:
        name, many = f"scale_{count}", f"{count} Sparks"
        found |= {
            f"{name}_ratio": ("x", "<= 1.2", f"{many}: a full sweep beside its slowest probe, median of the sweeps"),
            f"{name}_ratio_worst": ("x", "", f"{many}: the same, the worst of the sweeps"),
            f"{name}_sweep_seconds": ("s", "", f"{many}: first probe begun to last row written"),
            f"{name}_slowest_seconds": ("s", "", f"{many}: the slowest probe of the sweep"),
            f"{name}_wait_seconds": ("s", "", f"{many}: ring to first probe begun (the queue is looked at each 0.1 s)"),
            f"{name}_one_slow_seconds": ("s", "", f"{many}, one of them slow ({2 * SLOW_SECONDS:g} s): all the others"),
            f"{name}_worker_cpu_ms": ("ms", "", f"{many}: processor time of the worker for each Spark and slot"),
            f"{name}_worker_mb": ("MB", "", f"{many}: PSS of the worker"),
            f"{name}_status_p50_ms": ("ms", "", f"{many}: GET /api/status, median"),
        }
    return found


def measure(folder: Path, sweeps: int = SWEEPS, counts: tuple[int, ...] = COUNTS) -> dict[str, float]:
    figures: dict[str, float] = {}
    for count in counts:
        place = folder / f"scale-{count}"
        with fleet(place, count) as product:
            found = figures_of(product, sweeps, count)
            recorded.wait(place / "sim" / "spark-1", SLOW_SECONDS)
            found["one_slow_seconds"] = median(one["but_one"] for one in swept(product, sweeps))
        figures |= {f"scale_{count}_{name}": value for name, value in found.items()}
    return figures


def figures_of(product: Product, sweeps: int, count: int) -> dict[str, float]:
    worker = processes(product.process.pid)["worker"]
    swept(product, 1)  # the recordings are made
    before = cpu_seconds(worker)
    done = swept(product, sweeps)
    spent = cpu_seconds(worker) - before
    ratios = [one["sweep"] / one["slowest"] for one in done]
    return {
        "ratio": median(ratios),
        "ratio_worst": max(ratios),
        "sweep_seconds": median(one["sweep"] for one in done),
        "slowest_seconds": median(one["slowest"] for one in done),
        "wait_seconds": median(one["wait"] for one in done),
        "worker_cpu_ms": spent * 1000 / sweeps / count,
        "worker_mb": pss_megabytes(worker),
        "status_p50_ms": status_p50_ms(product),
    }


def swept(product: Product, sweeps: int) -> list[dict[str, float]]:
    """By a process in the product's own environment: it rings as the reconciler does and reads the rows."""
    environment = {**product.environment, "DJANGO_SETTINGS_MODULE": "sparkcontrol.settings"}
    command = [sys.executable, "-m", "bench.sweeper", str(sweeps)]
    told = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in told.stdout.splitlines()]


def status_p50_ms(product: Product) -> float:
    call = product.bare_get("/api/status")
    call()
    return percentile([call() * 1000 for _ in range(STATUS_CALLS)], 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=SWEEPS)
    parser.add_argument("--sparks", type=int, nargs="+", default=list(COUNTS))
    arguments = parser.parse_args()
    counts = tuple(arguments.sparks)
    with tempfile.TemporaryDirectory(prefix="sparkcontrol-bench-") as folder:
        figures = measure(Path(folder), arguments.sweeps, counts)
    print(f"{arguments.sweeps} sweeps each, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    show(rows(counts), figures)


if __name__ == "__main__":
    main()
