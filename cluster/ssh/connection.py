"""One logged-in SSH connection: strict host key, at most eight channels, and a watch that notices a silent peer."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from io import StringIO

import paramiko
from paramiko.message import Message
from paramiko.ssh_exception import IncompatiblePeer

from cluster.ssh.base import Address, AuthFailed, Busy, HostKeyMismatch, HostKeyUnknown, Unreachable
from cluster.ssh.handshake import HeardPacketizer, hang_up, shake_hands
from cluster.ssh.hostkeys import ANY_KEY_TYPE, SIGNATURES, HostKey, fetch_host_key, fingerprint, key_blob, presented
from cluster.ssh.keys import BadPrivateKey, check_private_key, tidy

MAX_CHANNELS = 8  # sshd's MaxSessions is 10: with 14 channels at once 5 were refused (measured)
OPEN_SECONDS = 10.0
KEEPALIVE_SECONDS = 15.0
SILENT_SECONDS = 50.0  # three unanswered keepalives
OVERDUE_SECONDS = 0.5
STUCK_SECONDS = 3.0  # silence after which a thread past its deadline is blamed on the connection
WATCH_SECONDS = 0.5

_inherited: list[object] = []


class SessionRefused(Exception):
    """The connection lives but grants no further session, or died before one was granted: nothing was started."""


class Connection:
    """Opens in the constructor. Raises TransportError, translated into sentences."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.pid = os.getpid()
        self._slots = threading.BoundedSemaphore(MAX_CHANNELS)
        self._uses: dict[object, tuple[float, paramiko.Channel | None]] = {}  # deadlines of the channels in use
        self._retired = False
        self._transport = _log_in(address)
        self._transport.packetizer.set_keepalive(KEEPALIVE_SECONDS, self._ask_for_life)
        threading.Thread(target=self._watch, name=f"ssh-watch-{address.name}", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.pid == os.getpid() and self._transport.is_active()

    @property
    def silent_seconds(self) -> float:
        packetizer = self._transport.packetizer
        return time.monotonic() - packetizer.heard_at if isinstance(packetizer, HeardPacketizer) else 0.0

    @contextlib.contextmanager
    def channel(self, ends_at: float) -> Iterator[paramiko.Channel]:
        """A session for one command that must be over at `ends_at` (monotonic). Raises SessionRefused or Busy."""
        if not self._slots.acquire(timeout=max(0.0, ends_at - time.monotonic())):
            raise Busy(f"{self.address.label} is busy with {MAX_CHANNELS} other commands; try again in a moment.")
        token = object()
        channel: paramiko.Channel | None = None
        self._uses[token] = (max(ends_at, time.monotonic() + OPEN_SECONDS), None)
        try:
            channel = self._open_session()
            self._uses[token] = (ends_at, channel)
            yield channel
        finally:
            if channel is not None:
                self._close_channel(channel)
            del self._uses[token]
            self._slots.release()
            self._close_if_done()

    def retire(self) -> None:
        """Take no new commands; close once the running ones are over."""
        self._retired = True
        self._close_if_done()

    def close(self) -> None:
        hang_up(self._transport)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's connection without a word on the wire and without taking a lock."""
        _inherited.append(self)  # never collected: paramiko's finalizers could wait for locks the parent held
        self._transport.active = False  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            self._transport.sock.close()

    def _open_session(self) -> paramiko.Channel:
        try:
            return self._transport.open_session(timeout=OPEN_SECONDS)
        except (paramiko.SSHException, OSError, EOFError) as exc:
            if not isinstance(exc, paramiko.ChannelException):
                self.close()  # silent or gone
            raise SessionRefused from exc

    def _close_channel(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            channel.close()

    def _close_if_done(self) -> None:
        if self._retired and not self._uses:
            self.close()

    def _ask_for_life(self) -> None:
        """paramiko's own keepalive asks for no answer, so it proves nothing; this one must be answered."""
        request = Message()
        request.add_byte(paramiko.common.cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)
        self._transport._send_user_message(request)  # type: ignore[attr-defined]

    def _watch(self) -> None:
        """Close a connection whose peer fell silent, and free threads of ours that are stuck past their deadline.

        Nothing else frees a thread blocked in exec or in a full socket; closing does, within 0.1 s. While the peer is
        heard only the one channel is closed: its neighbours are well, and the thread may just be slow in its sink.
        """
        while self._transport.is_active():
            time.sleep(WATCH_SECONDS)
            overdue = time.monotonic() - OVERDUE_SECONDS
            late = [channel for ends_at, channel in list(self._uses.values()) if ends_at < overdue]
            if self.silent_seconds > (SILENT_SECONDS if not late else STUCK_SECONDS):
                self.close()
            for channel in late:
                if channel is not None:
                    self._close_channel(channel)


def _log_in(address: Address) -> paramiko.Transport:
    key = _load_key(address)
    transport = _shake_hands(address)
    try:
        _check_host_key(address, presented(transport))
        _authenticate(address, transport, key)
    except BaseException:
        hang_up(transport)
        raise
    return transport


def _shake_hands(address: Address) -> paramiko.Transport:
    kind = address.host_key.split(" ", 1)[0]
    try:
        types = SIGNATURES.get(kind, ANY_KEY_TYPE)
        return shake_hands(address.host, address.port, types, label=address.label)
    except IncompatiblePeer as exc:
        # The pinned kind of key is gone from the host; which key stands there now?
        _check_host_key(address, fetch_host_key(address.host, address.port))
        raise Unreachable(f"{address.label} and Spark Control share no SSH algorithms; update OpenSSH there.") from exc


def _check_host_key(address: Address, key: HostKey) -> None:
    try:
        pinned = key_blob(address.host_key) if address.host_key.strip() else None
    except ValueError as exc:
        message = f"The stored host key of {address.label} cannot be read; confirm the key {key.fingerprint} again."
        raise HostKeyUnknown(message, presented=key.fingerprint) from exc
    if pinned is None:
        message = (
            f"The host key of {address.label} has not been confirmed; compare {key.fingerprint} with what "
            "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints there, then confirm it."
        )
        raise HostKeyUnknown(message, presented=key.fingerprint)
    if pinned != key_blob(key.line):
        expected = fingerprint(address.host_key)
        message = (
            f"The host key of {address.label} changed: {expected} is pinned, {key.fingerprint} was presented; "
            "if the Spark was reinstalled, confirm the new key, otherwise someone may be in between."
        )
        raise HostKeyMismatch(message, pinned=expected, presented=key.fingerprint)


def _load_key(address: Address) -> paramiko.PKey:
    problem = check_private_key(address.private_key)
    if problem is None:
        text = tidy(address.private_key)
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            with contextlib.suppress(paramiko.SSHException, ValueError, IndexError):
                return kind.from_private_key(StringIO(text))
    raise AuthFailed(f"The private key stored for {address.label} cannot be used. {problem or BadPrivateKey()}")


def _authenticate(address: Address, transport: paramiko.Transport, key: paramiko.PKey) -> None:
    refused = (
        f"{address.label} refused the key of user {address.user}; "
        "add Spark Control's public key to ~/.ssh/authorized_keys there."
    )
    try:
        more = transport.auth_publickey(address.user, key)
    except (paramiko.SSHException, OSError, EOFError) as exc:
        if not transport.is_active() or "timeout" in str(exc).lower():
            message = f"{address.label} closed the connection, or fell silent, while user {address.user} logged in"
            raise Unreachable(f"{message}; check the sshd log there.") from exc
        raise AuthFailed(refused) from exc
    if more or not transport.is_authenticated():
        raise AuthFailed(f"{address.label} asks user {address.user} for more than a key; allow login by key alone.")
