"""A folder as queue: nothing is lost, nothing comes twice, nobody reads half a message."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu.connection import Connection

from sparkcontrol import folder_broker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def connect(folder: Path) -> Any:
    folder_broker.register()
    options = {"folder": str(folder), "polling_interval": 0.01}
    return Connection("folder://localhost", transport_options=options)  # type: ignore[no-untyped-call]


@pytest.fixture
def broker(folder: Path) -> Iterator[Any]:
    with connect(folder) as connection:
        yield connection


def test_it_delivers_in_order(broker: Any) -> None:
    queue = broker.SimpleQueue("swaps")
    for number in range(20):
        queue.put({"swap": number})
    assert [take(queue)["swap"] for _ in range(20)] == list(range(20))
    with pytest.raises(Empty):
        queue.get(block=False)


def take(queue: Any) -> Any:
    message = queue.get(timeout=5)
    message.ack()
    return message.payload


def test_it_keeps_queues_apart(broker: Any) -> None:
    broker.SimpleQueue("probes").put("probe")
    broker.SimpleQueue("swaps").put("swap")
    assert take(broker.SimpleQueue("swaps")) == "swap"
    assert broker.SimpleQueue("probes").qsize() == 1


def test_it_delivers_to_another_process_and_after_a_restart(folder: Path) -> None:
    with connect(folder) as before:
        before.SimpleQueue("swaps").put("kept")
    with connect(folder) as after:
        assert take(after.SimpleQueue("swaps")) == "kept"
    assert list(folder.iterdir()) == []


def test_it_gives_each_message_to_one_of_many_readers(folder: Path) -> None:
    with connect(folder) as broker:
        queue = broker.SimpleQueue("swaps")
        with ThreadPoolExecutor(8) as pool:
            readers = [pool.submit(read_all, folder) for _ in range(4)]
            for number in range(300):
                queue.put(number)
            seen = [number for reader in readers for number in reader.result()]
    assert sorted(seen) == list(range(300))


def read_all(folder: Path) -> list[int]:
    """Until nothing comes for a second."""
    seen: list[int] = []
    with connect(folder) as broker:
        queue = broker.SimpleQueue("swaps")
        while True:
            try:
                message = queue.get(timeout=1)
            except Empty:
                return seen
            message.ack()
            seen.append(message.payload)


def test_it_does_not_see_a_message_that_is_still_being_written(broker: Any, folder: Path) -> None:
    (folder / ".00000000000000000001-1-1.swaps").write_text('{"body": "ha')
    assert broker.SimpleQueue("swaps").qsize() == 0


def test_it_can_be_emptied(broker: Any) -> None:
    queue = broker.SimpleQueue("swaps")
    queue.put("a")
    queue.put("b")
    assert queue.clear() == 2
    assert queue.qsize() == 0
