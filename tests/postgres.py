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
SETTINGS = "-c listen_addresses= -c fsync=on -c max_connections=200 -c shared_buffers=64MB"


@contextmanager
def postgresql() -> Iterator[str]:
    """DATABASE_URL without a name: append one, made with `make_database`."""
    initdb, control = require_program("initdb", INSTALL), require_program("pg_ctl", INSTALL)
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
    as_owner = _not_root(folder)
    data = folder / "data"
    run = [*as_owner, control, "-D", str(data), "-w", "-l", str(folder / "log")]
    try:
        subprocess.run(
            [*as_owner, initdb, "-D", str(data), "-A", "trust", "-U", "postgres"], check=True, **_quiet(folder)
        )
        subprocess.run([*run, "-o", f"{SETTINGS} -k {folder}", "start"], check=True, **_quiet(folder))
        yield f"postgresql://postgres@/{{name}}?host={folder}"
    finally:
        subprocess.run([*run, "-m", "immediate", "stop"], check=False, **_quiet(folder))
        shutil.rmtree(folder, ignore_errors=True)


def make_database(server: str, name: str) -> str:
    """The DATABASE_URL of a new, empty database."""
    folder = server.split("host=")[1]
    psql = require_program("psql", INSTALL)
    command = f'CREATE DATABASE "{name}"'
    subprocess.run([psql, "-h", folder, "-U", "postgres", "-qc", command], check=True, cwd=folder)
    return server.format(name=name)


def _not_root(folder: Path) -> list[str]:
    """initdb refuses root; then it runs as the user the package made."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["runuser", "-u", "postgres", "--"]


def _quiet(folder: Path) -> dict[str, object]:
    return {"stdout": subprocess.DEVNULL, "cwd": folder}
