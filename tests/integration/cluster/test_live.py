"""The hub: every row once and in order, whoever comes when, however slow they are."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from django.conf import settings

from cluster import live, nudge
from cluster.live import Row


class Rows:
    """A table as the hub sees one: rows are appended, readers ask for what comes after a position."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.reads = 0

    def add(self, count: int, kind: str = "log", *, merges: bool = False) -> None:
        for _ in range(count):
            seq = len(self.rows) + 1
            self.rows.append(Row(seq, kind, {"n": seq}, merges=merges))

    def add_and_ring(self, count: int) -> None:
        self.add(count)
        nudge.send("t")

    def read(self, after: int, limit: int) -> list[Row]:
        self.reads += 1
        return self.rows[after : after + limit]


@pytest.fixture
def rows() -> Rows:
    return Rows()


async def collect(watcher: live.Watcher, count: int, timeout: float = 5.0) -> list[int]:
    seen: list[int] = []
    while len(seen) < count:
        row = await watcher.next(timeout)
        assert row is not None, f"only {len(seen)} of {count} rows came"
        seen.append(row.seq)
    return seen


async def test_it_tells_what_was_there_and_what_comes(rows: Rows) -> None:
    rows.add(3)
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        assert await collect(watcher, 3) == [1, 2, 3]
        rows.add(2)
        nudge.send("t")
        assert await collect(watcher, 2) == [4, 5]


async def test_it_resumes_behind_a_position(rows: Rows) -> None:
    rows.add(10)
    async with live.hub().watch("t", rows.read, after=7) as watcher:
        assert await collect(watcher, 3) == [8, 9, 10]


async def test_a_nudge_is_heard_at_once(rows: Rows) -> None:
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        assert await watcher.next(0.2) is None  # joined, nothing there
        asyncio.get_running_loop().call_later(0.05, rows.add_and_ring, 1)
        started = asyncio.get_running_loop().time()
        await collect(watcher, 1)
        assert asyncio.get_running_loop().time() - started < 0.5


async def test_a_lost_nudge_costs_about_a_second(rows: Rows) -> None:
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        assert await watcher.next(0.2) is None
        rows.add(1)
        assert await collect(watcher, 1, timeout=2.5) == [1]


async def test_a_nudge_for_another_topic_wakes_nobody(rows: Rows) -> None:
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        assert await watcher.next(0.1) is None
        before = rows.reads
        for _ in range(20):
            nudge.send("other")
        assert await watcher.next(0.3) is None
        assert rows.reads - before <= 1


async def test_many_watchers_share_one_reader(rows: Rows) -> None:
    async with AsyncExitStack() as places:
        watchers = [await places.enter_async_context(live.hub().watch("t", rows.read, after=0)) for _ in range(20)]
        for watcher in watchers:
            assert await watcher.next(0.05) is None
        before = rows.reads
        rows.add(5)
        nudge.send("t")
        for watcher in watchers:
            assert await collect(watcher, 5) == [1, 2, 3, 4, 5]
        assert rows.reads - before < 20


async def test_newcomers_hear_the_whole_story_without_reading_it_again(rows: Rows) -> None:
    rows.add(1200)
    async with AsyncExitStack() as places:
        first = await places.enter_async_context(live.hub().watch("t", rows.read, after=0))
        await collect(first, 1200)
        assert await first.next(0.05) is None
        rows.add_and_ring(300)
        await collect(first, 300)
        before = rows.reads
        for after in (0, 0, 700, 1200, 1500):
            newcomer = await places.enter_async_context(live.hub().watch("t", rows.read, after=after))
            assert await collect(newcomer, 1500 - after) == list(range(after + 1, 1501))
            assert await newcomer.next(0.02) is None
        assert rows.reads - before <= 2  # the look that comes every second
        rows.add_and_ring(5)
        assert await collect(newcomer, 5) == await collect(first, 5) == [1501, 1502, 1503, 1504, 1505]


async def test_what_is_too_long_ago_to_be_remembered_is_read(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT_ROWS", 10)
    async with live.hub().watch("t", rows.read, after=0) as first:
        assert await first.next(0.05) is None
        rows.add_and_ring(100)
        await collect(first, 100)
        for after in (0, 89, 90, 95):
            async with live.hub().watch("t", rows.read, after=after) as newcomer:
                assert await collect(newcomer, 100 - after) == list(range(after + 1, 101))


async def test_whoever_joins_while_rows_pour_in_misses_none_and_hears_none_twice(rows: Rows) -> None:
    total = 3000

    async def pour() -> None:
        while len(rows.rows) < total:
            rows.add(7)
            nudge.send("t")
            await asyncio.sleep(0.002)

    async def watch(delay: float) -> list[int]:
        await asyncio.sleep(delay)
        async with live.hub().watch("t", rows.read, after=0) as watcher:
            return await collect(watcher, total)

    pouring = asyncio.create_task(pour())
    seen = await asyncio.gather(*(watch(delay / 20) for delay in range(10)))
    await pouring
    assert all(positions == list(range(1, total + 1)) for positions in seen)


async def test_a_slow_watcher_is_cut_off_and_still_misses_nothing(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUEUE_ROWS", 50)
    async with live.hub().watch("t", rows.read, after=0) as slow, live.hub().watch("t", rows.read, after=0) as quick:
        assert await slow.next(0.1) is None
        assert await quick.next(0.1) is None
        heard: list[int] = []
        for _ in range(40):
            rows.add(10)
            nudge.send("t")
            heard += await collect(quick, 10)
        assert slow.waiting <= 50
        assert await collect(slow, 400) == list(range(1, 401)) == heard


async def test_for_a_slow_watcher_only_the_newest_progress_counts(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUEUE_ROWS", 5)
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        assert await watcher.next(0.1) is None
        rows.add(1)
        rows.add(20, "progress", merges=True)
        rows.add(1)
        nudge.send("t")
        assert await collect(watcher, 3) == [1, 21, 22]


async def test_a_reader_that_fails_is_asked_again(rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    broken = True

    def read(after: int, limit: int) -> list[Row]:
        if broken:
            raise OSError("the database went away")
        return rows.read(after, limit)

    rows.add(1)
    async with live.hub().watch("t", read, after=0) as watcher:
        assert await watcher.next(0.1) is None
        broken = False
        assert await collect(watcher, 1) == [1]
    assert "could not read" in caplog.text


async def test_it_listens_only_while_somebody_watches(rows: Rows) -> None:
    folder = Path(settings.NUDGE_DIR)
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        await watcher.next(0.05)
        assert list(folder.glob("*.sock"))
    assert not list(folder.glob("*.sock"))
    reads = rows.reads
    await asyncio.sleep(1.2)
    assert rows.reads == reads


@pytest.fixture(autouse=True)
def own_nudges(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(settings, "NUDGE_DIR", tmp_path_factory.mktemp("n"))
    yield
