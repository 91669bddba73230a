"""`free`."""

from __future__ import annotations

import sys

from cluster.simulator.standins import memory


def main(_name: str, argv: list[str]) -> int:
    sys.stdout.write(memory.free(argv))
    return 0
