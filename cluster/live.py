"""The live feed: one hub per web process turns doorbells into rows and hands them to everybody who watches.

A topic is looked at when its nudge rings and once a second in any case, by one reader for all its watchers. A watcher
first catches up from the rows, then joins the topic without gap or double; one that is too slow is cut off and catches
up from the rows again. So a lost nudge costs a second, and a dead feed is a slow page, never a wrong one.
"""

import asyncio
import contextlib
import logging
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from cluster import nudge

LOOK_EVERY_SECONDS = 1.0
PAGE_ROWS = 500
KEPT_ROWS = 2000  # per topic, for newcomers: a thousand of them must not read the same story a thousand times
QUEUE_ROWS = 2000  # per watcher; more than this waiting and it reads the rows again at its own pace

logger = logging.getLogger(__name__)


Form = Callable[["Row"], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to tell, at position `seq` of its topic. `merges`: only the newest of several in a row matters."""

    seq: int
    kind: str
    data: dict[str, Any]
    merges: bool = False
    last: bool = False  # nothing follows
    _texts: dict[Form, str] = field(default_factory=dict, compare=False, repr=False)

    def text(self, form: Form) -> str:
        """The row as `form` writes it: once, for all who watch."""
        if form not in self._texts:
            self._texts[form] = form(self)
        return self._texts[form]


Reader = Callable[[int, int], Sequence[Row]]
"""(after, limit) -> the rows behind position `after`, oldest first. Called in the hub's own thread."""


class Watcher:
    """One client's place in a topic."""

    def __init__(self, hub: "Hub", topic: "Topic", after: int) -> None:
        self._hub = hub
        self._topic = topic
        self._queue: deque[Row] = deque()
        self._queued_to = after
        self._rung = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Rows that were read and not yet asked for."""
        return len(self._queue)

    async def next(self, timeout: float) -> Row | None:
        """The next row; None when nothing came for `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._queue:
                    await self._catch_up() if self not in self._topic.watchers else await self._wait()
        return self._queue.popleft() if self._queue else None

    async def rows(self, timeout: float) -> list[Row]:
        """The next row and all that wait behind it; none when nothing came for `timeout` seconds."""
        row = await self.next(timeout)
        found = [row, *self._queue] if row else []
        self._queue.clear()
        return found

    async def _wait(self) -> None:
        self._rung.clear()
        await self._rung.wait()

    async def _catch_up(self) -> None:
        """Read from the rows; join the topic once it is not ahead of what was read."""
        rows = await self._topic.page(self._queued_to)
        if rows is None:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            return
        self._append(rows)
        if len(rows) < PAGE_ROWS and self._topic.may_join(self._queued_to):
            self._topic.join(self, self._queued_to)

    def push(self, rows: Sequence[Row]) -> None:
        """Called by the topic. A full queue cuts the watcher off from the topic; it goes on from the rows."""
        self._append(rows)
        if len(self._queue) > QUEUE_ROWS:
            self._merge()
        while len(self._queue) > QUEUE_ROWS:
            self._queue.pop()
            self._queued_to = self._queue[-1].seq
            self._topic.watchers.discard(self)
        self._rung.set()

    def _append(self, rows: Sequence[Row]) -> None:
        new = [row for row in rows if row.seq > self._queued_to]
        if new:
            self._queue.extend(new)
            self._queued_to = new[-1].seq

    def _merge(self) -> None:
        kept: deque[Row] = deque()
        for row in self._queue:
            if kept and row.merges and kept[-1].merges and kept[-1].kind == row.kind:
                kept.pop()
            kept.append(row)
        self._queue = kept


class Topic:
    """What several watchers look at: one reader, one position, one task while anybody has joined."""

    def __init__(self, hub: "Hub", reader: Reader) -> None:
        self.reader = reader
        self.watchers: set[Watcher] = set()
        self.users = 0
        self.bell = asyncio.Event()
        self._hub = hub
        self._position = 0
        self._kept: deque[Row] = deque()
        self._kept_from = 0
        self._task: asyncio.Task[None] | None = None

    async def page(self, after: int) -> Sequence[Row] | None:
        """For a newcomer: what is behind `after`; from memory, when that is all the others know."""
        current = self.watchers and self._kept and self._kept[-1].seq == self._position
        if current and self._kept_from <= after:
            return [row for row in self._kept if row.seq > after]
        rows = await self._hub.read(self.reader, after)
        if not self.watchers:
            self._keep(after, rows or ())
        return rows

    def _keep(self, after: int, rows: Sequence[Row]) -> None:
        """Remember rows that follow the ones we have without a gap."""
        if not self._kept:
            self._kept_from = after
        elif self._kept[-1].seq != after:
            return
        self._kept.extend(rows)
        while len(self._kept) > KEPT_ROWS:
            self._kept_from = self._kept.popleft().seq

    def may_join(self, position: int) -> bool:
        return not self.watchers or self._position <= position

    def join(self, watcher: Watcher, position: int) -> None:
        if not self.watchers:
            self._position = position
            if self._kept and self._kept[-1].seq != position:
                self._kept.clear()  # of another time
        self.watchers.add(watcher)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.bell.wait(), LOOK_EVERY_SECONDS)
            self.bell.clear()

    async def _look(self) -> None:
        """Read until a page is not full. Rows a watcher has already are skipped by the watcher."""
        more = bool(self.watchers)
        while more:
            after = self._position
            rows = await self._hub.read(self.reader, after)
            more = rows is not None and len(rows) == PAGE_ROWS
            if rows:
                self._keep(after, rows)
                self._position = max(self._position, rows[-1].seq)
                for watcher in tuple(self.watchers):
                    watcher.push(rows)


class Hub:
    """All topics of one event loop. It listens for nudges while anybody watches."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._ear: nudge.Listening | None = None
        self._thread: ThreadPoolExecutor | None = None

    @contextlib.asynccontextmanager
    async def watch(self, name: str, reader: Reader, *, after: int) -> AsyncIterator[Watcher]:
        """A watcher of topic `name` from behind position `after`. All watchers of a topic must bring equal readers."""
        topic = self._enter(name, reader)
        watcher = Watcher(self, topic, after)
        try:
            yield watcher
        finally:
            topic.watchers.discard(watcher)
            self._leave(name, topic)

    async def read(self, reader: Reader, after: int) -> Sequence[Row] | None:
        """One page, read off the loop; None when the database did not answer, which the log then tells."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _page, reader, after)
        except Exception:
            logger.exception("The live feed could not read; it tries again.")
            return None

    def _enter(self, name: str, reader: Reader) -> Topic:
        if not self._topics:
            self._open()
        topic = self._topics.setdefault(name, Topic(self, reader))
        topic.users += 1
        return topic

    def _leave(self, name: str, topic: Topic) -> None:
        topic.users -= 1
        if topic.users == 0:
            topic.close()
            del self._topics[name]
        if not self._topics:
            self._close()

    def _open(self) -> None:
        # One thread for all reads: a bounded load on the database, and one connection that stays open meanwhile.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live-feed")
        self._ear = nudge.overhear(self._hear)

    def _close(self) -> None:
        if self._ear is not None:
            self._ear.close()
        if self._thread is not None:
            self._thread.submit(connections.close_all)
            self._thread.shutdown(wait=False)
        self._ear = self._thread = None

    def _hear(self, name: str) -> None:
        rung = self._topics.values() if name == nudge.EVERYTHING else filter(None, [self._topics.get(name)])
        for topic in rung:
            topic.bell.set()


def _page(reader: Reader, after: int) -> Sequence[Row]:
    try:
        return reader(after, PAGE_ROWS)
    except Exception:
        connections.close_all()  # it may be the connection that is broken
        raise


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running loop: one per web process."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
