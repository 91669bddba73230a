"""A product that looks after many simulated Sparks, each the head of a slot of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import recorded
from bench.product import ROOT, Product

START_SECONDS = 60
NICE = 10  # the simulated Sparks must not take from the product what real ones would not


@contextmanager
def simulated_sparks(root: Path, count: int, key: Path, network: int) -> Iterator[list[dict[str, Any]]]:
    """What the simulator says of its Sparks; `network` is the second number of their addresses."""
    command = [sys.executable, "-m", "cluster.simulator", "serve", str(root), "--sparks", str(count)]
    command += ["--first-address", f"127.{network}.1.11", "--authorized-key", str(key)]
    command = ["nice", "-n", str(NICE), *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            sparks = json.loads(process.stdout.readline())["sparks"]
            for spark in sparks:
                recorded.record(root / spark["name"])
            yield sparks
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_SECONDS)


@contextmanager
def fleet(folder: Path, count: int) -> Iterator[Product]:
    """The product, started with SPARKS=real, that knows `count` simulated Sparks and has looked at each."""
    with ExitStack() as stack:
        product = stack.enter_context(Product(folder / "data", sparks="real"))
        key = product.data / "install-key.pub"
        network = 100 + os.getpid() % 100
        for spark in stack.enter_context(simulated_sparks(folder / "sim", count, key, network)):
            add(product, spark)
        wait_until_all_are_up(product, count)
        yield product


def add(product: Product, spark: dict[str, Any]) -> None:
    """As a person does it in the settings: the Spark, its host key, and a slot on it."""
    body = {"name": spark["name"], "host": spark["host"], "ssh_port": spark["port"], "ssh_user": spark["user"]}
    product.api.post("/api/sparks", json=body).raise_for_status()
    product.api.post(f"/api/sparks/{spark['name']}/host-key", json={"line": spark["host_key"]}).raise_for_status()
    product.api.put(f"/api/slots/on-{spark['name']}", json={"head": spark["name"]}).raise_for_status()


def wait_until_all_are_up(product: Product, count: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        answer = product.api.get("/api/sparks", params={"limit": 100}).raise_for_status().json()
        if sum(spark["state"] == "up" for spark in answer["results"]) == count:
            return
        time.sleep(0.5)
    raise SystemExit(f"Not all of the {count} Sparks came up within {START_SECONDS} s.")
