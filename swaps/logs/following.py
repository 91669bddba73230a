"""The containers' logs as they grow, from every node at once, each line once."""

import contextlib
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.ssh.base import OutputLine, TransportError
from cluster.ssh.command import Command
from swaps.launcher import node_commands
from swaps.logs.masking import mask_cut, mask_secrets
from swaps.logs.splitting import ELLIPSIS, LineSplitter, clean_line, split_timestamp
from swaps.site import Site

REOPEN_SECONDS = 0.5  # the log is not there yet, or the link dropped
FOLLOW_LIMIT_SECONDS = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class LogSource:
    """Where vLLM's words are: `docker logs` on every node, or a file on the head (launchers before March 2026).

    A cursor is docker's timestamp of the last line read, or the number of lines read of a file.
    """

    container: str
    file: str | None = None

    def command(self, cursor: str | None) -> Command:
        if self.file:
            return node_commands.follow_log_file(self.file, int(cursor or 0) + 1)
        return node_commands.follow_logs(self.container, cursor)


@dataclass(frozen=True, slots=True)
class NodeLine:
    node: str
    at: str  # docker's RFC3339Nano timestamp, blank when the log has none
    text: str


class LogFollowers:
    """One thread per node reads its log into one queue. Use as a context manager."""

    def __init__(self, site: Site, nodes: tuple[str, ...], source: LogSource, cursors: Mapping[str, str]) -> None:
        self._site = site
        self._source = source
        self._lines: queue.Queue[NodeLine] = queue.Queue()
        self._stop = threading.Event()
        self.cursors = dict(cursors)
        self._threads = [
            threading.Thread(target=self._follow, args=(node,), name=f"log-{node}", daemon=True) for node in nodes
        ]

    def __enter__(self) -> "LogFollowers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=2)

    def take(self, wait_seconds: float) -> list[NodeLine]:
        """What has arrived; waits at most `wait_seconds` for the first line."""
        lines: list[NodeLine] = []
        try:
            lines.append(self._lines.get(timeout=wait_seconds))
            while len(lines) < 500:
                lines.append(self._lines.get_nowait())
        except queue.Empty:
            pass
        return lines

    def settle(self, quiet_seconds: float = 0.4, limit_seconds: float = 3.0) -> list[NodeLine]:
        """What still arrives until the logs are quiet: the last words of a vLLM that died."""
        ends_at = time.monotonic() + limit_seconds
        lines: list[NodeLine] = []
        while time.monotonic() < ends_at:
            more = self.take(quiet_seconds)
            if not more:
                break
            lines += more
        return lines

    def _follow(self, node: str) -> None:
        while not self._stop.is_set():
            reader = _Reader(node, self.cursors, self._lines, stamped=self._source.file is None)
            command = self._source.command(self.cursors.get(node))
            # When the link is down the swap goes on, and so do we when it is back.
            with contextlib.suppress(TransportError):
                self._site.transports[node].follow(
                    command, reader.feed, should_stop=self._stop.is_set, timeout=FOLLOW_LIMIT_SECONDS
                )
            reader.flush()
            self._stop.wait(REOPEN_SECONDS)


class _Reader:
    """Pieces of one node's `docker logs` to lines; what the cursor has seen is dropped."""

    def __init__(self, node: str, cursors: dict[str, str], lines: "queue.Queue[NodeLine]", *, stamped: bool) -> None:
        self._node = node
        self._stamped = stamped
        self._cursors = cursors
        self._lines = lines
        self._seen = cursors.get(node, "")
        self._splitters = {"stdout": LineSplitter(), "stderr": LineSplitter()}
        self._last_at = ""

    def feed(self, piece: OutputLine) -> None:
        for line in self._splitters[piece.stream].feed(piece.text):
            self._pass_on(line)

    def flush(self) -> None:
        for splitter in self._splitters.values():
            for line in splitter.flush():
                self._pass_on(line, cut=True)

    def _pass_on(self, line: str, *, cut: bool = False) -> None:
        mask = mask_cut if cut or line.endswith(ELLIPSIS) else mask_secrets
        if not self._stamped:
            self._cursors[self._node] = str(int(self._cursors.get(self._node, "0")) + 1)
            self._lines.put(NodeLine(self._node, "", mask(clean_line(line))))
            return
        at, text = split_timestamp(clean_line(line))
        at = at or self._last_at  # a piece after a CR carries no timestamp of its own
        self._last_at = at
        if not at or at <= self._seen:  # no timestamp at all: docker's own word, such as "No such container"
            return
        self._cursors[self._node] = max(at, self._cursors.get(self._node, ""))
        if text.strip():
            self._lines.put(NodeLine(self._node, at, mask(text)))
