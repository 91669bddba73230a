"""The one door to a Spark over SSH. Callers see outcomes and sentences, never paramiko."""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from copy import copy

from cluster.ssh.base import Address, CommandResult, LineSink, Outcome, TransportError, Unreachable
from cluster.ssh.command import Command
from cluster.ssh.connection import KEEPALIVE_SECONDS, Connection, SessionRefused
from cluster.ssh.exchange import Ending, Exchange, ExchangeLost, Lines

MAX_OUTPUT_BYTES = 4 * 1024 * 1024

log = logging.getLogger(__name__)


class ParamikoTransport:
    """One connection to one Spark: opened when first used, opened again after a drop, never shared across a fork."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._failure: tuple[float, TransportError | None] = (0.0, None)
        _transports.add(self)

    def open(self) -> None:
        """Connect and log in now, if that is not done yet. Raises TransportError."""
        self._connected()

    def run(self, command: Command, *, timeout: float = 30.0, stdin: str | None = None) -> CommandResult:
        """See `Transport.run`. Secrets belong in `stdin`: a command line is visible in `ps` on the Spark."""
        lines = Lines(MAX_OUTPUT_BYTES)
        data = (stdin or "").encode()
        result = self._carry_out(command, lines.add, timeout, data, lambda: False)
        return CommandResult(
            result.outcome, result.exit_status, lines.close(), result.seconds, result.reason, lines.truncated
        )

    def follow(
        self, command: Command, sink: LineSink, *, should_stop: Callable[[], bool], timeout: float
    ) -> CommandResult:
        """See `Transport.follow`."""
        return self._carry_out(command, sink, timeout, None, should_stop)

    def close(self) -> None:
        """Close the connection; the next command opens a new one."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _carry_out(
        self, command: Command, sink: LineSink, timeout: float, stdin: bytes | None, should_stop: Callable[[], bool]
    ) -> CommandResult:
        wire = command.wire()
        try:
            return self._attempt(command, wire, sink, timeout, stdin, should_stop)
        except SessionRefused:
            # Nothing was started, so one fresh connection may try. sshd also counts orphaned commands as sessions.
            log.debug("%s: no session granted, connecting anew", self.address.label)
        try:
            return self._attempt(command, wire, sink, timeout, stdin, should_stop)
        except SessionRefused as exc:
            message = (
                f"{self.address.label} accepts the login but grants no session; check MaxSessions in its sshd_config"
            )
            raise Unreachable(f"{message} and its load.") from exc

    def _attempt(
        self,
        command: Command,
        wire: str,
        sink: LineSink,
        timeout: float,
        stdin: bytes | None,
        should_stop: Callable[[], bool],
    ) -> CommandResult:
        connection = self._connected()
        started = time.monotonic()
        try:
            with connection.channel(started + timeout) as channel:
                started = time.monotonic()
                exchange = Exchange(channel, sink, ends_at=started + timeout)
                ending = _run(exchange, wire, stdin, should_stop)
                status = channel.exit_status if ending is Ending.EXITED else None
        except SessionRefused:
            self._let_go(connection)
            raise
        seconds = time.monotonic() - started
        if ending is Ending.TIME_LIMIT and connection.silent_seconds > KEEPALIVE_SECONDS + 5:
            self._let_go(connection)
            connection.close()
        result = _result(self.address.label, ending, status, seconds, timeout, connection.alive)
        log.debug("%s: %s -> %s in %.3f s", self.address.label, command.display(), result.outcome, seconds)
        return result

    def _connected(self) -> Connection:
        asked_at = time.monotonic()
        with self._lock:
            if self._connection is None or not self._connection.alive:
                failed_at, failure = self._failure
                if failure is not None and failed_at > asked_at:
                    raise copy(failure)  # ten callers waiting for a dead Spark wait for one attempt, not for ten
                self._connection = self._open_connection()
            return self._connection

    def _open_connection(self) -> Connection:
        try:
            return Connection(self.address)
        except TransportError as exc:
            self._failure = (time.monotonic(), exc)
            raise

    def _let_go(self, connection: Connection) -> None:
        with self._lock:
            if self._connection is connection:
                self._connection = None
        connection.retire()

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # the old one may have been held by a thread that does not exist here
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()


def _run(exchange: Exchange, wire: str, stdin: bytes | None, should_stop: Callable[[], bool]) -> Ending:
    try:
        ending = exchange.run(wire, stdin, should_stop)
    except ExchangeLost:
        ending = Ending.LOST
    exchange.flush()
    return ending


def _result(
    label: str, ending: Ending, status: int | None, seconds: float, timeout: float, alive: bool
) -> CommandResult:
    if status is not None:
        return CommandResult(Outcome.FAILED if status else Outcome.OK, status, (), seconds)
    if ending is Ending.STOPPED:
        reason = f"Stopped listening to the command on {label} as asked; it may still be running there."
    elif ending is Ending.TIME_LIMIT or seconds >= timeout:
        reason = f"The command on {label} did not end within {timeout:g} s; it may still be running there."
    elif alive:
        reason = f"The command on {label} ended without an exit status; it was probably killed by a signal."
    else:
        reason = f"The connection to {label} was lost while the command ran; it may still be running there."
    return CommandResult(Outcome.UNKNOWN, None, (), seconds, reason)


_transports: weakref.WeakSet[ParamikoTransport] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for transport in list(_transports):
        transport._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
