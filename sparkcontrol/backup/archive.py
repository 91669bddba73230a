"""The file of a backup: one readable line about it, then blocks of rows, encrypted, then its checksum.

    {"format": "spark-control-backup", "version": 1, "id": ..., "made_at": ..., "migrations": [["swaps", "0001_..."]]}
    gAAAA...                      a block: lines of JSON, compressed, encrypted with the installation's keys
    {"sha256": ..., "rows": {"swaps.swap": 12, ...}}

A line of a block is [table, [column, ...]], which opens a table, or [value, ...], one row of it. Nothing but the names
of migrations and tables can be read without the encryption keys, and a block put into another place does not open.
"""

import base64
import gzip
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from cluster import encryption

FORMAT = "spark-control-backup"
VERSION = 1
BLOCK_BYTES = 1024 * 1024  # before compression
HEAD = "a table begins"


class BadBackup(Exception):
    """Why a backup cannot be made or used. `str()` is a sentence with the remedy."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What can be read without keys. `migrations` are those the rows fit, as [app, name]."""

    id: str
    made_at: datetime
    migrations: frozenset[tuple[str, str]]

    @classmethod
    def new(cls, made_at: datetime, migrations: frozenset[tuple[str, str]]) -> "Manifest":
        return cls(secrets.token_hex(8), made_at, migrations)

    def as_line(self) -> str:
        known = {"format": FORMAT, "version": VERSION, "id": self.id, "made_at": self.made_at.isoformat()}
        return json.dumps({**known, "migrations": sorted(self.migrations)})

    @classmethod
    def from_line(cls, line: str) -> "Manifest":
        """Raises BadBackup."""
        try:
            told = json.loads(line)
            if told["format"] != FORMAT:
                raise ValueError
            if told["version"] > VERSION:
                raise BadBackup("A newer Spark Control made this backup; update this one, then restore it.")
            made_at = datetime.fromisoformat(told["made_at"]).astimezone(UTC)
            return cls(str(told["id"]), made_at, frozenset((app, name) for app, name in told["migrations"]))
        except (ValueError, KeyError, TypeError):
            raise BadBackup(
                "This is no backup of Spark Control; give the file that `manage.py backup` wrote."
            ) from None

    def context(self, block: int) -> str:
        return f"backup:{self.id}:{block}"


class Writer:
    """Writes a file that appears whole, with mode 0600, or not at all. Use as a context manager."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._path = path
        self._manifest = manifest
        self._fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        self._digest = hashlib.sha256()
        self._block: list[str] = []
        self._size = 0
        self._blocks = 0
        self.rows: dict[str, int] = {}
        self._table = ""
        self._file: IO[bytes]

    def __enter__(self) -> "Writer":
        try:
            self._file = os.fdopen(os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except OSError as error:
            raise BadBackup(f"{self._path.parent} cannot be written: {error.strerror}. Give another place.") from error
        self._put(self._manifest.as_line())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._close()
        except OSError as error:
            raise BadBackup(f"{self._path} cannot be written: {error.strerror}. Give another place.") from error
        finally:
            self._file.close()
            self._fresh.unlink(missing_ok=True)

    def table(self, name: str, columns: list[str]) -> None:
        self._table = name
        self.rows[name] = 0
        self._add(json.dumps([HEAD, name, columns]))

    def row(self, values: str) -> None:
        """`values`: one line of JSON, a list in the order of the table's columns."""
        self.rows[self._table] += 1
        self._add(values)

    def _add(self, line: str) -> None:
        self._block.append(line)
        self._size += len(line)
        if self._size >= BLOCK_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._block:
            packed = base64.b64encode(gzip.compress("\n".join(self._block).encode(), 5)).decode()
            self._put(encryption.encrypt(packed, context=self._manifest.context(self._blocks)))
            self._blocks += 1
        self._block, self._size = [], 0

    def _put(self, line: str) -> None:
        data = line.encode() + b"\n"
        self._digest.update(data)
        self._file.write(data)

    def _close(self) -> None:
        self._flush()
        self._put(json.dumps({"sha256": self._digest.hexdigest(), "rows": self.rows}))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._fresh.replace(self._path)


def verify(path: Path) -> Manifest:
    """Read the whole file once: it is complete, unchanged, and opens with the keys of this installation.

    Raises BadBackup.
    """
    digest, last = hashlib.sha256(), b""
    for line in _lines(path):
        digest.update(last)
        last = line
    try:
        sealed = json.loads(last)
        known, rows = sealed["sha256"], sealed["rows"]
    except (ValueError, KeyError, TypeError):
        read_manifest(path)  # perhaps it is no backup at all
        raise BadBackup(f"{path} is cut off; copy it again from where you keep it.") from None
    if known != digest.hexdigest():
        raise BadBackup(f"{path} was changed or damaged since it was made; take another copy of it.")
    counted: dict[str, int] = {}
    for table, row in records(path):
        counted[table] = counted.get(table, 0) + (row is not None)
    if counted != rows:
        raise BadBackup(f"{path} does not hold the rows it names; take another copy of it.")
    return read_manifest(path)


def read_manifest(path: Path) -> Manifest:
    """Raises BadBackup."""
    return Manifest.from_line(next(_lines(path), b"").decode(errors="replace"))


def records(path: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """(table, row by column) in the order of the file; (table, None) where a table begins. Raises BadBackup."""
    manifest = read_manifest(path)
    table, columns = "", []
    for line in _rows(path, manifest):
        values = json.loads(line)
        if values[:1] == [HEAD]:
            _, table, columns = values
            yield table, None
        else:
            yield table, dict(zip(columns, values, strict=True))


def _rows(path: Path, manifest: Manifest) -> Iterator[str]:
    number = 0
    for line in _lines(path):
        if line.startswith(b"{"):
            continue
        packed = _opened(line, manifest.context(number))
        number += 1
        yield from gzip.decompress(base64.b64decode(packed)).decode().split("\n")


def _opened(line: bytes, context: str) -> str:
    try:
        return encryption.decrypt(line.decode().strip(), context=context)
    except encryption.EncryptionError as error:
        raise BadBackup(
            f"This backup was encrypted with other keys than those in {encryption.key_file()}; give the file that "
            "`manage.py backup --keys` wrote: --keys FILE."
        ) from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise BadBackup(f"{path} cannot be read: {error.strerror}.") from error
