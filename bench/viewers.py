"""Live viewers of one swap whose vLLM prints 20 lines each second: how late a line is, and whether one is ever lost.

Latency is from the moment in the line's row (`at`, taken just before it is written) to the arrival of its last byte at
the viewer, by one clock, for all viewers and all lines since everybody was connected. Beside the crowd watch one who
drops its connection every 2 s and resumes, one who reads slowly, and one who comes late; they count for lost lines.
`python -m bench.viewers` runs it alone.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from bench.measure import cpu_seconds, percentile, processes, pss_megabytes, show
from bench.onlooker import Job
from bench.product import ROOT, Product

LINES_PER_SECOND = 20
SECONDS = 20.0
LOAD_SECONDS = 2.0  # without the time it is held
COUNTS = (100, 1000)
KINDS = {"sse": "server-sent events", "websocket": "WebSockets"}
MODELS = ("qwen3.6-35b-a3b-nvfp4", "glm-4.7-flash-awq")
SETTLE_SECONDS = 1.0
SPARE_FILES = 200
PRINTED = re.compile(r"Materialized parameter block \d+ at ([0-9.]+)")

Rows = dict[str, tuple[str, str, str]]


@dataclass(frozen=True)
class Viewer:
    """What one of the crowd tells: rows as (number, kind, time of arrival)."""

    habit: str
    connections: int
    rows: list[tuple[int, str, float]]


def rows(counts: tuple[int, ...] = COUNTS) -> Rows:
    """name: (unit, the aim, what it is), for the table."""
    found: Rows = {}
    for count in counts:
        for kind, words in KINDS.items():
            name, many = f"viewers_{kind}_{count}", f"{count} viewers, {words}"
            found |= {
                f"{name}_p50_ms": ("ms", "", f"{many}: line row to viewer, median"),
                f"{name}_p99_ms": ("ms", "", f"{many}: the same, 99th percentile"),
                f"{name}_lost": ("", "0", f"{many}: lines that a viewer never got, the odd ones included"),
                f"{name}_twice": ("", "0", f"{many}: lines that a viewer got twice"),
                f"{name}_from_vllm_p50_ms": ("ms", "", f"{many}: vLLM's own print to viewer, median"),
                f"{name}_lines_per_second": ("/s", "", f"{many}: lines delivered each second, all viewers"),
                f"{name}_cpu_percent": ("%", "", f"{many}: processor time of web, of one core"),
                f"{name}_web_mb": ("MB", "", f"{many}: PSS of web while they watch"),
            }
    return found


def counts_here(counts: tuple[int, ...] = COUNTS) -> tuple[int, ...]:
    """Those for which this machine has open files enough; the limit is raised as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return tuple(count for count in counts if hard == resource.RLIM_INFINITY or count + SPARE_FILES < max(soft, hard))


def measure(folder: Path, seconds: float = SECONDS, counts: tuple[int, ...] = COUNTS) -> dict[str, float]:
    figures: dict[str, float] = {}
    with Product(folder / "viewers", load_seconds=LOAD_SECONDS) as product:
        product.swap(MODELS[1])
        (product.data / "sim" / "spark-1" / "load_lines_per_second").write_text(str(LINES_PER_SECOND))
        cookie = signed_in(product)
        for number, (count, kind) in enumerate((count, kind) for count in counts for kind in KINDS):
            watched = watch(product, kind, count, cookie, seconds, MODELS[number % 2])
            figures |= {f"viewers_{kind}_{count}_{name}": value for name, value in watched.items()}
    return figures


def hold(product: Product, *, on: bool) -> None:
    """Let the load stand still half way, where it goes on talking, or go on."""
    fault = product.data / "sim" / "spark-1" / "faults" / "never-ready"
    fault.touch() if on else fault.unlink()


def signed_in(product: Product) -> str:
    """The cookie of a person: the WebSocket knows no keys."""
    note = json.loads((product.data / "first-run.json").read_text())
    with httpx.Client(base_url=f"http://127.0.0.1:{product.port}", follow_redirects=True) as browser:
        page = browser.get("/sign-in/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        form = {"username": note["user"], "password": note["password"], "csrfmiddlewaretoken": token[1]}
        browser.post("/sign-in/", data=form).raise_for_status()
        return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def watch(product: Product, kind: str, count: int, cookie: str, seconds: float, model: str) -> dict[str, float]:
    """One swap, watched by `count` and the three odd ones from its first second to its end."""
    hold(product, on=True)
    answer = product.api.post("/api/swap", json={"model": model})
    answer.raise_for_status()
    swap = int(answer.json()["id"])
    key = str(product.api.headers["Authorization"]).removeprefix("Bearer ")
    origin = f"http://127.0.0.1:{product.port}"
    job = Job("127.0.0.1", product.port, kind, swap, count, key, cookie, origin, seconds)
    command = [sys.executable, "-S", str(ROOT / "bench" / "onlooker.py"), json.dumps(asdict(job))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crowd:
        assert crowd.stdout is not None
        connected_at = float(json.loads(crowd.stdout.readline())["connected_at"])
        with cost_of(processes(product.process.pid)["web"]) as cost:
            time.sleep(seconds)
        hold(product, on=False)
        heard = [Viewer(**json.loads(line)) for line in crowd.stdout]
    return {**compare(story_of(product, swap), heard, connected_at + SETTLE_SECONDS), **cost}


def story_of(product: Product, swap: int) -> dict[int, dict[str, Any]]:
    """Every row of the ended swap by its number."""
    return {row["seq"]: {**row, "kind": kind} for kind, row in product.events(f"/api/swap/{swap}/stream")}


def compare(story: dict[int, dict[str, Any]], crowd: list[Viewer], since: float) -> dict[str, float]:
    """What was written beside what arrived. Progress may be left out on purpose, so it does not count as lost."""
    owed = {seq for seq, row in story.items() if row["kind"] != "progress"}
    written = {seq: datetime.fromisoformat(row["at"]).timestamp() for seq, row in story.items()}
    printed = {seq: float(found[1]) for seq, row in story.items() if (found := PRINTED.search(row.get("text", "")))}
    lines = {seq for seq, row in story.items() if row["kind"] == "log" and written[seq] > since}
    arrived = [(seq, at) for viewer in crowd if viewer.habit == "steady" for seq, _, at in viewer.rows if seq in lines]
    late = [(at - written[seq]) * 1000 for seq, at in arrived]
    whole = [(at - printed[seq]) * 1000 for seq, at in arrived if seq in printed]
    return {
        "p50_ms": percentile(late, 0.5),
        "p99_ms": percentile(late, 0.99),
        "lost": sum(len(owed - {seq for seq, _, _ in viewer.rows}) for viewer in crowd),
        "twice": sum(len(viewer.rows) - len({seq for seq, _, _ in viewer.rows}) for viewer in crowd),
        "from_vllm_p50_ms": percentile(whole, 0.5),
        "lines_per_second": len(arrived) / (max(written[seq] for seq in lines) - since),
    }


@contextmanager
def cost_of(pid: int) -> Iterator[dict[str, float]]:
    """Filled with the web process's share of one core and its largest memory meanwhile."""
    cost: dict[str, float] = {}
    sizes = [pss_megabytes(pid)]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(2):
            sizes.append(pss_megabytes(pid))

    thread = threading.Thread(target=look)
    thread.start()
    began, used = time.monotonic(), cpu_seconds(pid)
    try:
        yield cost
    finally:
        cost["cpu_percent"] = 100 * (cpu_seconds(pid) - used) / (time.monotonic() - began)
        ended.set()
        thread.join()
        cost["web_mb"] = max(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.viewers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that all watch together")
    parser.add_argument("--viewers", type=int, nargs="+", default=list(COUNTS))
    arguments = parser.parse_args()
    counts = counts_here(tuple(arguments.viewers))
    with tempfile.TemporaryDirectory(prefix="sparkcontrol-bench-") as folder:
        figures = measure(Path(folder), arguments.seconds, counts)
    print(f"{LINES_PER_SECOND} lines a second, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    show(rows(counts), figures)


if __name__ == "__main__":
    main()
