"""`docker`: everything happens in the simulator, which keeps the containers."""

from __future__ import annotations

import sys

from cluster.simulator.standins.door import ask

NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def main(_name: str, argv: list[str]) -> int:
    try:
        return ask("docker", argv)
    except OSError:
        sys.stderr.write(NO_DAEMON + "\n")
        return 1
