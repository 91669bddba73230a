"""A PostgreSQL server of a test's own: fresh, on a Unix socket, gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import require_program

INSTALL = "apt-get install postgresql"
SETTINGS = "-c listen_addresses= -c max_connections=200 -c shared_buffers=64MB"


@contextmanager
def postgresql() -> Iterator[str]:
    """For make_database. Durable as in production: commits are flushed."""
    initdb, control = require_program("initdb", INSTALL), require_program("pg_ctl", INSTALL)
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
    owner = _not_root(folder)
    data = str(folder / "data")
    server = (*owner, control, "-D", data, "-w", "-l", str(folder / "log"))
    try:
        _run(folder, *owner, initdb, "-D", data, "-A", "trust", "-U", "postgres")
        _run(folder, *server, "-o", f"{SETTINGS} -k {folder}", "start")
        yield str(folder)
    finally:
        _run(folder, *server, "-m", "immediate", "stop", check=False)
        shutil.rmtree(folder, ignore_errors=True)


def make_database(server: str, name: str) -> str:
    """The DATABASE_URL of a new, empty database."""
    psql = require_program("psql", INSTALL)
    _run(Path(server), psql, "-h", server, "-U", "postgres", "-qc", f'CREATE DATABASE "{name}"')
    return f"postgresql://postgres@/{name}?host={server}"


def _not_root(folder: Path) -> tuple[str, ...]:
    """initdb refuses root; then it runs as the user the package made."""
    if os.geteuid() != 0:
        return ()
    shutil.chown(folder, "postgres", "postgres")
    return ("runuser", "-u", "postgres", "--")


def _run(folder: Path, *command: str, check: bool = True) -> None:
    subprocess.run(command, check=check, stdout=subprocess.DEVNULL, cwd=folder)
