"""Folders and secrets in the data directory. Apart from env.py, because the supervisor does without OpenSSL."""

import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
from pathlib import Path

LONGEST_SOCKET_FOLDER = 80  # a Unix socket's whole path has at most 107 bytes


def private_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def kept_secret(path: Path) -> str:
    """The secret in `path`, made up (mode 0600) when the file is not there yet; safe when several processes start."""
    if not path.exists():
        fresh = private_folder(path.parent) / f".{path.name}.{secrets.token_hex(8)}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
        with contextlib.suppress(FileExistsError):  # another process was first, and its secret is whole
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text().strip()


def worker_mark(data: Path) -> Path:
    """A file that a worker of this machine touches at every look around."""
    return data / "run" / f"worker-{socket.gethostname()}"


def socket_folder(path: Path) -> Path:
    """`path`, or a short stand-in for it under the temporary directory when Unix sockets would not fit in it."""
    if len(str(path).encode()) <= LONGEST_SOCKET_FOLDER:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"spark-control-{os.getuid()}-{digest}"
