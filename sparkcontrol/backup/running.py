"""Nobody else may use the database while it is put back: what a process believes would no longer be true."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from sparkcontrol.backup.archive import BadBackup

LEAVING_SECONDS = 3.0
OTHERS = """
    SELECT coalesce(nullif(application_name, ''), 'a client') || coalesce(' from ' || host(client_addr), '')
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@contextmanager
def database_alone() -> Iterator[None]:
    """For as long as it takes nobody else may use the database. Raises BadBackup when somebody does already."""
    with ExitStack() as held:
        held.enter_context(_data_directory())
        connection.close()
        if connection.vendor == "sqlite":
            held.enter_context(_file(Path(connection.settings_dict["NAME"])))
        else:
            held.enter_context(_no_pool())
            _refuse_sessions()
        yield


@contextmanager
def _data_directory() -> Iterator[None]:
    """The supervisor holds this for as long as it runs."""
    lock = Path(settings.DATA_DIR) / "run" / "supervisor.lock"
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadBackup(f"Spark Control runs on {settings.DATA_DIR}; end it first, then restore.") from None
        yield


@contextmanager
def _file(path: Path) -> Iterator[None]:
    if not path.exists():
        yield
        return
    with closing(_alone(path)):
        yield


def _alone(path: Path) -> sqlite3.Connection:
    """Leaving WAL needs every other connection closed, so it says who else is there; and it puts all into one file."""
    alone = sqlite3.connect(path, timeout=2, isolation_level=None)
    try:
        alone.execute("PRAGMA journal_mode=DELETE").fetchall()
        alone.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        alone.close()
        raise BadBackup(
            f"Another process uses {path}; end web and workers of Spark Control first, then restore."
        ) from None
    return alone


@contextmanager
def _no_pool() -> Iterator[None]:
    """One connection instead: the pool's idle ones would look like somebody."""
    wrapper: Any = connection
    wrapper.close_pool()
    usual = wrapper.settings_dict["OPTIONS"].pop("pool", None)
    try:
        yield
    finally:
        wrapper.close()
        if usual is not None:
            wrapper.settings_dict["OPTIONS"]["pool"] = usual


def _refuse_sessions() -> None:
    """A session that was closed this moment, such as one of our own pool, is listed a little longer."""
    deadline = time.monotonic() + LEAVING_SECONDS
    while others := _sessions():
        if time.monotonic() > deadline:
            raise BadBackup(
                f"Others use this database at this moment ({', '.join(others)}); end web and workers of Spark Control, "
                "and whoever looks at it, then restore."
            )
        time.sleep(0.1)


def _sessions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(OTHERS)
        return sorted({str(row[0]) for row in cursor.fetchall()})
