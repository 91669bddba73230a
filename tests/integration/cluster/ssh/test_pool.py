import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster.ssh.command import Command
from cluster.ssh.paramiko_transport import ParamikoTransport
from cluster.ssh.pool import Pool
from tests.integration.sshd import Sshd, wait_until


@pytest.fixture
def pool() -> Pool:
    return Pool()


def test_one_spark_has_one_transport_across_threads(pool: Pool, sshd: Sshd) -> None:
    with ThreadPoolExecutor(8) as threads:
        doors = list(threads.map(lambda _: pool.get(sshd.address()), range(8)))
        assert all(result.ok for result in threads.map(lambda door: door.run(Command.of("true")), doors))
    assert len({id(door) for door in doors}) == 1
    assert sshd.log.count("Accepted publickey") == 1
    pool.close()
    wait_until(lambda: not sshd.sessions(), what="connection closed")


def test_a_changed_address_replaces_the_transport_and_closes_the_old_connection(pool: Pool, sshd: Sshd) -> None:
    old = pool.get(sshd.address())
    assert old.run(Command.of("true")).ok
    new = pool.get(sshd.address(host="localhost"))
    assert new is not old
    wait_until(lambda: not sshd.sessions(), what="the old connection closed")
    assert new.run(Command.of("true")).ok
    assert pool.get(sshd.address(host="localhost")) is new
    pool.close()


def test_a_forgotten_spark_is_closed_and_can_come_back(pool: Pool, sshd: Sshd) -> None:
    first = pool.get(sshd.address())
    assert first.run(Command.of("true")).ok
    pool.forget("spark-1")
    pool.forget("never-known")
    wait_until(lambda: not sshd.sessions(), what="connection closed")
    assert pool.get(sshd.address()) is not first
    pool.close()


def test_a_forked_child_opens_its_own_connection_and_leaves_ours_alone(pool: Pool, sshd: Sshd) -> None:
    door = pool.get(sshd.address())
    assert door.run(Command.of("true")).ok
    running = threading.Thread(target=door.run, args=[Command.of("sleep", "1")])
    running.start()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            again = pool.get(sshd.address())
            fresh = again is not door
            texts = [again.run(Command.of("echo", "child")).stdout, door.run(Command.of("echo", "old")).stdout]
            os.write(write, f"{fresh} {texts}".encode())
        finally:
            os._exit(0)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 1000).decode() == "True ['child', 'old']"
    os.close(read)
    running.join()
    assert door.run(Command.of("echo", "parent")).stdout == "parent"
    assert sshd.log.count("Accepted publickey") == 3
    pool.close()
    wait_until(lambda: not sshd.sessions(), what="our connection closed although the child had inherited it")


def test_a_transport_of_another_kind_can_be_pooled(sshd: Sshd) -> None:
    pool = Pool(open=ParamikoTransport)
    assert isinstance(pool.get(sshd.address()), ParamikoTransport)
    pool.close()
