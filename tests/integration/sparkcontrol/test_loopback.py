"""Two Spark Controls on one machine simulate different Sparks."""

import json
import socket
from pathlib import Path

from sparkcontrol import loopback


def occupy(host: str, port: int) -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind((host, port))
    taken.listen(1)
    return taken


def test_it_steps_aside_when_the_second_spark_of_a_block_is_taken(tmp_path: Path) -> None:
    free = loopback.first_address(tmp_path / "none")
    neighbour = free.replace(".11", ".12")
    with occupy(neighbour, loopback.VLLM_PORT):
        assert loopback.first_address(tmp_path / "none") != free
    assert loopback.is_free(free)


def test_it_goes_back_to_where_the_sparks_were(tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    topology.write_text(json.dumps({"sparks": [{"host": "127.0.77.11"}]}))
    assert loopback.first_address(topology) == "127.0.77.11"


def test_it_does_not_mind_a_broken_note(tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    topology.write_text('{"sparks": []')
    assert loopback.first_address(topology) in loopback.CANDIDATES
