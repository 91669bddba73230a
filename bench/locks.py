"""What the lock costs: acquire and release over HTTP at 1, 20 and 100 clients, on SQLite and on PostgreSQL.

The clients fight for one lock; who is refused (409) obeys the shortest Retry-After, 1 s, and whoever gets it
releases it and asks again at once. A pair is an acquire that was granted and its release.
`python -m bench.locks` runs it alone.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import percentile
from bench.product import ROOT, Product

CLIENTS = (1, 20, 100)
SETTLE_SECONDS = 1.0


def rows(databases: list[str]) -> dict[str, tuple[str, str, str]]:
    """name: (unit, the aim, what it is), for the table."""
    found = {}
    aims = {20: "< 100", 100: "< 300"}
    for database in databases:
        for clients in CLIENTS:
            name, many = f"lock_{database}_{clients}", f"{clients} clients" if clients > 1 else "1 client"
            found[f"{name}_call_p50_ms"] = ("ms", "", f"{database}, {many}: one lock call, median")
            found[f"{name}_call_p99_ms"] = ("ms", aims.get(clients, ""), f"{database}, {many}: one lock call, p99")
            found[f"{name}_pair_p50_ms"] = ("ms", "", f"{database}, {many}: acquire and release, median")
            found[f"{name}_pair_p99_ms"] = ("ms", "", f"{database}, {many}: acquire and release, 99th percentile")
            found[f"{name}_pairs_per_second"] = ("/s", "", f"{database}, {many}: pairs each second, all clients")
            found[f"{name}_calls_per_second"] = ("/s", "", f"{database}, {many}: lock calls each second")
    return found


def measure(folder: Path, seconds: float, databases: list[str]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for database in databases:
        with serving(folder / f"lock-{database}", database) as product:
            for clients in CLIENTS:
                found = contend(product, clients, seconds)
                figures |= {f"lock_{database}_{clients}_{name}": value for name, value in found.items()}
    return figures


def databases_here() -> list[str]:
    return ["sqlite", *(["postgresql"] if program("initdb") else [])]


@contextmanager
def serving(data: Path, database: str) -> Iterator[Product]:
    """The product with a slot whose Spark nobody contacts."""
    if database == "sqlite":
        with Product(data, sparks="real") as product:
            yield with_slot(product)
        return
    with server() as url, Product(data, sparks="real", more={"DATABASE_URL": url}) as product:
        yield with_slot(product)


def with_slot(product: Product) -> Product:
    spark = {"name": "spark-1", "host": "192.0.2.1", "ssh_user": "nvidia", "enabled": False}
    product.api.post("/api/sparks", json=spark).raise_for_status()
    product.api.put("/api/slots/main", json={"head": "spark-1"}).raise_for_status()
    return product


def contend(product: Product, clients: int, seconds: float) -> dict[str, float]:
    begin = time.monotonic() + SETTLE_SECONDS + clients * 0.05
    address = f"127.0.0.1:{product.port}"
    key = str(product.api.headers["Authorization"]).removeprefix("Bearer ")
    times = (str(begin), str(begin + seconds))
    command = [sys.executable, "-S", str(ROOT / "bench" / "contender.py"), address, key]
    processes = [
        subprocess.Popen([*command, f"client-{n}", *times], stdout=subprocess.PIPE, text=True) for n in range(clients)
    ]
    told = [json.loads(process.communicate()[0]) for process in processes]
    took = time.monotonic() - begin
    pairs = [pair * 1000 for each in told for pair in each["pairs"]]
    calls = [call * 1000 for each in told for call in each["calls"]]
    return {
        "call_p50_ms": percentile(calls, 0.5),
        "call_p99_ms": percentile(calls, 0.99),
        "pair_p50_ms": percentile(pairs, 0.5),
        "pair_p99_ms": percentile(pairs, 0.99),
        "pairs_per_second": len(pairs) / took,
        "calls_per_second": len(calls) / took,
    }


@contextmanager
def server() -> Iterator[str]:
    """A PostgreSQL server of our own on a Unix socket; commits are flushed, as in production."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    owner: list[str] = []
    if os.geteuid() == 0:  # initdb refuses root
        shutil.chown(folder, "postgres", "postgres")
        owner = ["runuser", "-u", "postgres", "--"]
    data, quiet = str(folder / "data"), {"stdout": subprocess.DEVNULL, "cwd": folder}
    control = [*owner, program("pg_ctl"), "-D", data, "-w", "-l", str(folder / "log")]
    try:
        subprocess.run([*owner, program("initdb"), "-D", data, "-A", "trust", "-U", "postgres"], check=True, **quiet)  # type: ignore[call-overload]
        options = f"-c listen_addresses= -c max_connections=200 -k {folder}"
        subprocess.run([*control, "-o", options, "start"], check=True, **quiet)  # type: ignore[call-overload]
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, **quiet)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)


def program(name: str) -> str:
    """Its path; blank when it is not installed."""
    places = sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(reversed(places))) or ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.locks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    arguments = parser.parse_args()
    databases = databases_here()
    with tempfile.TemporaryDirectory(prefix="sparkcontrol-bench-") as folder:
        figures = measure(Path(folder), arguments.seconds, databases)
    for name, (unit, aim, what) in rows(databases).items():
        print(f"{figures[name]:9.2f} {unit:2}  {aim:10}  {what}")


if __name__ == "__main__":
    main()
