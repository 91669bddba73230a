"""From a host name to a key-exchanged SSH session: our own socket, and library errors translated at this one door."""

import logging
import socket
import time
from contextlib import suppress

import paramiko
from paramiko.packet import Packetizer

from cluster.ssh.base import Unreachable

CONNECT_SECONDS = 10.0
LOGIN_SECONDS = 20.0

# paramiko logs tracebacks of every lost connection; what matters of them is in our own sentences
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


class HeardPacketizer(Packetizer):
    """Knows when the peer was last heard, and times the handshake without paramiko's non-daemon timer thread.

    That timer would hold up the end of the interpreter by 15 s after a failed handshake.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.heard_at = time.monotonic()
        self._handshake_ends: float | None = None

    def start_handshake(self, timeout: float) -> None:
        self._handshake_ends = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        return self._handshake_ends is not None and time.monotonic() > self._handshake_ends

    def complete_handshake(self) -> None:
        self._handshake_ends = None
        self.heard_at = time.monotonic()


def open_socket(host: str, port: int, timeout: float = CONNECT_SECONDS, label: str = "") -> socket.socket:
    """A TCP connection tuned for short commands. Raises Unreachable with a sentence that calls the host `label`."""
    try:
        sock = socket.create_connection((host, port), timeout=timeout)
    except (OSError, UnicodeError) as exc:
        raise Unreachable(connect_problem(exc, host, label or f"{host}:{port}")) from exc
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # 45 ms -> 2 ms for each command, measured
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 45_000)
    return sock


def shake_hands(
    host: str,
    port: int,
    key_types: tuple[str, ...],
    *,
    connect: float = CONNECT_SECONDS,
    login: float = LOGIN_SECONDS,
    label: str = "",
) -> paramiko.Transport:
    """Connect and exchange keys, without logging in. Raises Unreachable; IncompatiblePeer is for the caller."""
    label = label or f"{host}:{port}"
    sock = open_socket(host, port, connect, label)
    transport = paramiko.Transport(sock, packetizer_class=HeardPacketizer)
    transport.daemon = True
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = login
    transport.get_security_options().key_types = key_types
    try:
        transport.start_client(timeout=login)
        transport.get_remote_server_key()
    except paramiko.ssh_exception.IncompatiblePeer:
        hang_up(transport)
        raise
    except (paramiko.SSHException, OSError, EOFError) as exc:
        hang_up(transport)
        raise Unreachable(greeting_problem(exc, label)) from exc
    return transport


def hang_up(transport: paramiko.Transport) -> None:
    """Close a session and its socket, whatever state it is in."""
    with suppress(Exception):
        transport.close()
    with suppress(OSError):
        transport.sock.close()  # close() leaves the socket open when the session had already ended


def connect_problem(exc: Exception, host: str, label: str) -> str:
    """One sentence and a remedy for a TCP connection that did not come about."""
    if isinstance(exc, socket.gaierror | UnicodeError):
        return f"The name {host} cannot be resolved from here; use the Spark's IP address, or add the name to your DNS."
    if isinstance(exc, ConnectionRefusedError):
        return f"Nothing answers SSH at {label} (connection refused); check the port and that sshd runs there."
    if isinstance(exc, TimeoutError):
        return f"{label} did not answer in time; check that it is on and reachable from this machine."
    return f"{label} cannot be reached ({_plain(exc)}); check the address and the network."


def greeting_problem(exc: Exception, label: str) -> str:
    """One sentence and a remedy for a connection that opened but never became SSH."""
    if "no acceptable" in str(exc):
        return f"{label} and Spark Control share no SSH algorithms; update OpenSSH there."
    return (
        f"{label} accepted the connection but did not complete the SSH greeting; "
        "check that sshd, not something else, listens there."
    )


def _plain(exc: Exception) -> str:
    return (getattr(exc, "strerror", None) or str(exc) or type(exc).__name__).lower()
