"""Where the simulated Sparks live: two loopback addresses that nothing on this machine uses yet.

Standard library only: the supervisor imports it.
"""

import json
import socket
from pathlib import Path

SSH_PORT = 2222  # unprivileged, so that an ordinary user may listen
VLLM_PORT = 8888
SPARKS = 2
CANDIDATES = [f"127.0.{block}.11" for block in range(32)]


def first_address(topology: Path) -> str:
    """The address of the first simulated Spark: where it was before if it still can be, else a free one."""
    before = previous(topology)
    for address in [*before, *CANDIDATES]:
        if is_free(address):
            return address
    return CANDIDATES[0]  # the simulator will say what is in its way


def previous(topology: Path) -> list[str]:
    try:
        return [str(json.loads(topology.read_text())["sparks"][0]["host"])]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def is_free(address: str) -> bool:
    """Whether both Sparks can listen, for SSH and for vLLM."""
    block, last = address.rsplit(".", 1)
    hosts = [f"{block}.{int(last) + number}" for number in range(SPARKS)]
    return all(can_listen(host, port) for host in hosts for port in (SSH_PORT, VLLM_PORT))


def can_listen(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)  # binding alone would share a port in TIME_WAIT or held by a bound, silent socket
        except OSError:
            return False
    return True
