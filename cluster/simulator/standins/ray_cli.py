"""`ray start` and `ray status`: enough of a Ray cluster for a two-node launch."""

from __future__ import annotations

import os
import signal
import sys
import time

from cluster.simulator.standins import rendezvous, spark


def main(_name: str, argv: list[str]) -> int:
    if argv[:1] == ["start"]:
        return _start(argv[1:])
    if argv[:1] == ["status"]:
        return _status()
    if argv[:1] == ["stop"]:
        print("Stopped all 1 Ray processes.")
        return 0
    print("ray, version 2.52.0")
    return 0


def _value(argv: list[str], name: str) -> str:
    for index, word in enumerate(argv):
        if word.startswith(name + "="):
            return word.partition("=")[2]
        if word == name and index + 1 < len(argv):
            return argv[index + 1]
    return ""


def _start(argv: list[str]) -> int:
    own = _value(argv, "--node-ip-address") or str(spark.facts()["fabric_ip"])
    head = own if "--head" in argv else _value(argv, "--address").partition(":")[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    place = "ray-" + head
    print(f"Local node IP: {own}", flush=True)
    deadline = time.monotonic() + 60
    while own != head and not rendezvous.alive(place, head):
        if time.monotonic() > deadline:
            print(f"ConnectionError: Failed to connect to GCS at {head} within 60 seconds.", file=sys.stderr)
            return 1
        time.sleep(0.2)
    rendezvous.join(place, own)
    print("\n--------------------\nRay runtime started.\n--------------------\n", flush=True)
    while "--block" in argv:
        if own != head and not rendezvous.alive(place, head):
            print("The node has been marked dead: the head node is gone.", file=sys.stderr)
            return 1
        time.sleep(0.5)
    return 0


def _status() -> int:
    head = os.environ.get("RAY_NODE_IP_ADDRESS") or os.environ.get("VLLM_HOST_IP") or str(spark.facts()["fabric_ip"])
    nodes = rendezvous.members("ray-" + head)
    if head not in nodes:
        print("ConnectionError: Could not find any running Ray instance. Please specify the one to connect to by "
              "setting `--address` flag or `RAY_ADDRESS` environment variable.", file=sys.stderr)  # fmt: skip
        return 1
    print("======== Autoscaler status ========\nNode status\n" + "-" * 63 + "\nActive:")
    for node in nodes:
        print(f" 1 node_{node.replace('.', '')}")
    print(f"Resources\n{'-' * 63}\nTotal Usage:\n 0.0/{2 * len(nodes)}.0 CPU\n 0.0/{len(nodes)}.0 GPU")
    return 0
