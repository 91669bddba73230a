"""Host keys: read one without logging in, and show it the way `ssh-keygen -lf` does."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

import paramiko

from cluster.ssh.base import Unreachable
from cluster.ssh.handshake import greeting_problem, hang_up, shake_hands

# Preference when reading; the pinned type alone is offered afterwards. RSA signs with SHA-2 only.
SIGNATURES = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
ANY_KEY_TYPE = tuple(name for names in SIGNATURES.values() for name in names)


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host key as presented: its public key line, SHA-256 fingerprint and algorithm."""

    line: str
    fingerprint: str
    algorithm: str


def fetch_host_key(host: str, port: int, timeout: float = 10.0) -> HostKey:
    """The key a host presents, ed25519 preferred. Nothing is sent that could log in. Raises Unreachable."""
    try:
        transport = shake_hands(host, port, ANY_KEY_TYPE, connect=timeout, login=timeout)
    except paramiko.ssh_exception.IncompatiblePeer as exc:
        raise Unreachable(greeting_problem(exc, f"{host}:{port}")) from exc
    try:
        return presented(transport)
    finally:
        hang_up(transport)


def presented(transport: paramiko.Transport) -> HostKey:
    """The host key of a session that finished its key exchange."""
    key = transport.get_remote_server_key()
    line = f"{key.get_name()} {key.get_base64()}"
    return HostKey(line, fingerprint(line), key.get_name())


def fingerprint(line: str) -> str:
    """`SHA256:...` of a public key line ("ssh-ed25519 AAAA... comment"). Raises ValueError when it is none."""
    digest = hashlib.sha256(key_blob(line)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def key_blob(line: str) -> bytes:
    """The binary key of a public key line; its inner type must be the one named outside. Raises ValueError."""
    words = line.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error) as exc:
        raise ValueError("this is not a public key line such as 'ssh-ed25519 AAAA...'") from exc
    size = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + size] != words[0].encode():
        raise ValueError("this public key line names one algorithm and holds another")
    return blob
