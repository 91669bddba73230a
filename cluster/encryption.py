"""Secrets at rest: encrypted with keys from a private file of the data directory, bound to the row they belong to."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from cluster import redaction


class EncryptionError(Exception):
    """A secret cannot be written or read. `str()` is a sentence with a remedy; it never holds the secret."""


def encrypt(text: str, *, context: str) -> str:
    """Encrypt for one place only, such as "spark:3:private_key": elsewhere the result does not decrypt.

    Raises EncryptionError. The key file is made when there is none yet (first start).
    """
    _remember(text, context)
    return _keys(ensure_key_file()).encrypt(json.dumps([context, text]).encode()).decode()


def decrypt(token: str, *, context: str) -> str:
    """Raises EncryptionError when the key file is missing, unreadable or another one, or the value was moved."""
    try:
        owner, text = json.loads(_keys(key_file()).decrypt(token.encode()))
    except InvalidToken as exc:
        raise EncryptionError(
            f"A stored secret does not fit the keys in {key_file()}; put back the key file it was stored with, "
            "or enter the secret again."
        ) from exc
    if owner != context:
        raise EncryptionError("A stored secret belongs to another row of the database; enter it again.")
    _remember(str(text), context)
    return str(text)


def _remember(text: str, context: str) -> None:
    """So that the log never shows it. Whole answers and backups are no secrets, they hold some."""
    if not context.startswith(("idempotency:", "backup:")):
        redaction.know(text)


def rotate(token: str, *, context: str) -> str:
    """The same secret under the newest key. Raises EncryptionError."""
    return encrypt(decrypt(token, context=context), context=context)


def key_file() -> Path:
    return Path(settings.SPARKCONTROL_ENCRYPTION_KEY_FILE)


def ensure_key_file() -> Path:
    """The key file, made with one new key (mode 0600) when there is none. Safe when several processes start at once."""
    path = key_file()
    with suppress(FileExistsError):
        if not path.exists():
            _publish(path, Fernet.generate_key() + b"\n")
    return path


def add_key() -> None:
    """Put a new newest key into the file; the older ones still decrypt what they encrypted. Raises EncryptionError."""
    path = ensure_key_file()
    fresh = _write_private(path, Fernet.generate_key() + b"\n" + _read(path))
    fresh.replace(path)


def add_older_keys(lines: Sequence[bytes]) -> None:
    """Keys of another time behind our own, so that what they encrypted can be read. Raises EncryptionError."""
    _parse(b"\n".join(lines))
    path = key_file()
    ours = _read(path).splitlines() if path.exists() else []
    unknown = [line for line in lines if line not in ours]
    if unknown:
        _write_private(path, b"\n".join([*ours, *unknown]) + b"\n").replace(path)


def _keys(path: Path) -> MultiFernet:
    return _parse(_read(path))


@lru_cache(maxsize=4)
def _parse(text: bytes) -> MultiFernet:
    lines = [line.strip() for line in text.splitlines()]
    try:
        return MultiFernet([Fernet(line) for line in lines if line and not line.startswith(b"#")])
    except ValueError:
        raise EncryptionError(
            f"{key_file()} holds no usable encryption keys; put back the key file of this installation."
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise EncryptionError(
            f"The encryption key file {path} is missing; put it back from where you keep it, or enter the stored "
            "secrets again."
        ) from exc
    except OSError as exc:
        raise EncryptionError(
            f"{path} cannot be read ({exc.strerror}); give it to the user Spark Control runs as."
        ) from exc


def _publish(path: Path, content: bytes) -> None:
    """Appear complete or not at all: a second process must never read half a key. Raises FileExistsError."""
    fresh = _write_private(path, content)
    try:
        os.link(fresh, path)
    finally:
        fresh.unlink()


def _write_private(path: Path, content: bytes) -> Path:
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError as exc:
        raise EncryptionError(
            f"The encryption key file cannot be written to {path.parent} ({exc.strerror}); "
            "give that folder to the user Spark Control runs as."
        ) from exc
    return fresh
