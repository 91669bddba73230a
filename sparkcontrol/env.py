"""Readers of the environment that fail loudly. Nothing else in the house reads os.environ."""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path

LONGEST_SOCKET_FOLDER = 80  # a Unix socket's whole path has at most 107 bytes


class BadEnvironment(Exception):
    """A variable has a value we cannot use; the message names it and says what to write."""


def text(name: str, default: str = "") -> str:
    """NAME, or the content of the file NAME_FILE names (for secrets), or `default`."""
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return os.environ.get(name, "").strip() or default
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise BadEnvironment(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error


def boolean(name: str, default: bool) -> bool:
    value = text(name).lower()
    if value in ("", "true", "false", "1", "0", "yes", "no"):
        return value in ("true", "1", "yes") if value else default
    raise BadEnvironment(f"{name} is {value!r}; write true or false.")


def integer(name: str, default: int) -> int:
    value = text(name)
    try:
        return int(value) if value else default
    except ValueError:
        raise BadEnvironment(f"{name} is {value!r}; write a whole number.") from None


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or default


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


def socket_folder(path: Path) -> Path:
    """`path`, or a short stand-in for it under the temporary directory when Unix sockets would not fit in it."""
    if len(str(path).encode()) <= LONGEST_SOCKET_FOLDER:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"spark-control-{os.getuid()}-{digest}"
