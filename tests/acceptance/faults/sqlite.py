"""The database of an installation on one machine, read and held from outside."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any


class Sqlite:
    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql.replace("%s", "?"), values)]

    def shorten_log(self) -> None:
        """From now on every write needs new room on the disk."""
        self.ask("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Somebody else writes and does not come to an end."""
        with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
