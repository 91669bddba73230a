"""`ss`: the listening TCP ports of this Spark only."""

from __future__ import annotations

import os
import re

from cluster.simulator.standins import spark

LISTEN = "0A"


def main(_name: str, argv: list[str]) -> int:
    flags = "".join(word[1:] for word in argv if re.fullmatch(r"-[a-zA-Z]+", word))
    if "H" not in flags and "--no-header" not in argv:
        tail = " Process" if "p" in flags else ""
        print("State  Recv-Q Send-Q Local Address:Port Peer Address:Port" + tail)
    wanted = set(re.findall(r"(?:sport\s*=+\s*)?:(\d+)", " ".join(argv)))
    for port in sorted(_ports()):
        if not wanted or str(port) in wanted:
            holder = _holder(port) if "p" in flags else ""
            print(f"LISTEN 0      2048         0.0.0.0:{port:<10} 0.0.0.0:*{holder}")
    return 0


def _ports() -> set[int]:
    """Ports that listen on this Spark's address, read from the kernel's own table."""
    number = bytes(int(part) for part in str(spark.facts()["address"]).split("."))[::-1].hex().upper()
    found = set()
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, port = local.split(":")
            if address == number and state == LISTEN:
                found.add(int(port, 16))
    return found


def _holder(port: int) -> str:
    try:
        with open(os.path.join(spark.folder(), "ports", str(port)), encoding="ascii") as file:
            pid = file.read().strip()
    except OSError:
        return ""
    return f' users:(("vllm",pid={pid},fd=19))' if pid else ""
