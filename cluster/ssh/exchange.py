"""One command on one channel: output in order of arrival, stdin fed alongside, ended by exit, limit, wish or loss."""

import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from enum import Enum, auto
from queue import Empty, SimpleQueue

import paramiko
from paramiko.buffered_pipe import BufferedPipe

from cluster.ssh.base import LineSink, OutputLine, Stream

LOOK_SECONDS = 0.1  # how often the wish to stop and the time limit are looked at
LINGER_SECONDS = 1.0  # how long a left-behind child may hold the output open after its parent's exit status came
CHUNK = 32 * 1024


LIBRARY_ERRORS = (paramiko.SSHException, OSError, EOFError)


class ExchangeLost(Exception):
    """The link broke, or was closed by the watch, in the middle of it."""


class Ending(Enum):
    EXITED = auto()
    LOST = auto()  # ended without an exit status
    TIME_LIMIT = auto()
    STOPPED = auto()


class _OrderedPipe(BufferedPipe):  # type: ignore[type-arg]  # generic in the stubs only
    """paramiko keeps stdout and stderr apart and forgets which came first; this notes each piece in one queue."""

    def __init__(self, stream: Stream, arrivals: SimpleQueue[tuple[Stream, int]]) -> None:
        super().__init__()
        self._stream = stream
        self._arrivals = arrivals

    def feed(self, data: bytes) -> None:
        super().feed(data)
        self._arrivals.put((self._stream, len(data)))

    def close(self) -> None:
        super().close()
        self._arrivals.put((self._stream, 0))


class Exchange:
    """Must be made before the command is sent, since it replaces the channel's buffers."""

    def __init__(self, channel: paramiko.Channel, sink: LineSink, *, ends_at: float) -> None:
        self._channel = channel
        self._sink = sink
        self._ends_at = ends_at
        self._arrivals: SimpleQueue[tuple[Stream, int]] = SimpleQueue()
        channel.in_buffer = _OrderedPipe("stdout", self._arrivals)
        channel.in_stderr_buffer = _OrderedPipe("stderr", self._arrivals)
        decoder = getincrementaldecoder("utf-8")
        self._decoders = {"stdout": decoder("replace"), "stderr": decoder("replace")}
        self._open: set[Stream] = {"stdout", "stderr"}
        self._pending = b""
        self._heard_at = time.monotonic()

    def run(self, wire: str, stdin: bytes | None, should_stop: Callable[[], bool]) -> Ending:
        """Send the command and carry its bytes until it ends. `stdin` None leaves the remote stdin open and silent."""
        self._start(wire, stdin)
        look_at = 0.0
        while not self._finished():
            now = time.monotonic()
            if now >= self._ends_at:
                return Ending.TIME_LIMIT
            if now >= look_at:
                look_at = now + LOOK_SECONDS
                if should_stop():
                    return Ending.STOPPED
            self._feed()
            self._take(max(0.0, min(LOOK_SECONDS, self._ends_at - now)))
        return Ending.EXITED if self._channel.exit_status >= 0 else Ending.LOST

    def _start(self, wire: str, stdin: bytes | None) -> None:
        try:
            self._channel.exec_command(wire)
            if stdin == b"":
                self._channel.shutdown_write()
        except LIBRARY_ERRORS as exc:
            raise ExchangeLost from exc  # the request was on its way: whether it started is not known
        self._pending = stdin or b""

    def flush(self) -> None:
        """Hand over what was left of a cut-off character."""
        for stream, decoder in self._decoders.items():
            if text := decoder.decode(b"", final=True):
                self._sink(OutputLine("stdout" if stream == "stdout" else "stderr", text))

    def _finished(self) -> bool:
        if not self._channel.status_event.is_set():
            return False
        return not self._open or (self._arrivals.empty() and time.monotonic() > self._heard_at + LINGER_SECONDS)

    def _take(self, wait: float) -> None:
        """Wait for the next piece of output, or for the exit status when all output is in."""
        if not self._open:
            self._channel.status_event.wait(wait)
            return
        try:
            stream, size = self._arrivals.get(timeout=0.01 if self._pending else wait)
        except Empty:
            return
        self._heard_at = time.monotonic()
        if size == 0:
            self._open.discard(stream)
            return
        if text := self._decoders[stream].decode(self._read(stream, size)):
            self._sink(OutputLine(stream, text))

    def _read(self, stream: Stream, size: int) -> bytes:
        try:
            return self._channel.recv(size) if stream == "stdout" else self._channel.recv_stderr(size)
        except LIBRARY_ERRORS as exc:
            raise ExchangeLost from exc

    def _feed(self) -> None:
        """Send stdin only as far as the window is open: a command that writes before it reads must not deadlock us."""
        while self._pending and self._channel.send_ready():
            try:
                sent = self._channel.send(self._pending[:CHUNK])
                # 0: the command ended without reading it all; its exit status tells the rest
                self._pending = self._pending[sent:] if sent else b""
                if not self._pending:
                    self._channel.shutdown_write()
            except LIBRARY_ERRORS:
                self._pending = b""


class Lines:
    """Gathers pieces into whole lines, per stream, in the order of completion; keeps at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._partial: dict[Stream, list[str]] = {"stdout": [], "stderr": []}
        self._lines: list[OutputLine] = []
        self.truncated = False

    def add(self, piece: OutputLine) -> None:
        if self.truncated:
            return
        size = len(piece.text.encode("utf-8", "replace"))
        if size > self._room:
            self.truncated = True
            piece = OutputLine(piece.stream, piece.text[: self._room])
        self._room -= size
        first, *rest = piece.text.split("\n")
        self._partial[piece.stream].append(first)
        for text in rest:
            self._complete(piece.stream)
            self._partial[piece.stream].append(text)

    def close(self) -> tuple[OutputLine, ...]:
        for stream in self._partial:
            if "".join(self._partial[stream]):
                self._complete(stream)
        if self.truncated:
            self._lines.append(OutputLine("stderr", "(Spark Control dropped the rest of this output: it is too long)"))
        return tuple(self._lines)

    def _complete(self, stream: Stream) -> None:
        self._lines.append(OutputLine(stream, "".join(self._partial[stream])))
        self._partial[stream] = []
