"""Backup and restore on SQLite and on PostgreSQL, in a process of their own: a restore tolerates nobody beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import make_database, postgresql

ROOT = Path(__file__).resolve().parents[4]
DRILL = "tests/integration/sparkcontrol/backup/drill.py"


# What no database has a part in is told once, on SQLite.
ON_POSTGRESQL = "drill or exactly or past or older or somebody"


def run_drill(chosen: str = "", **more: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTEST_XDIST_WORKER", "DATABASE_URL")
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, DRILL]
    result = subprocess.run(command, cwd=ROOT, env={**environment, **more}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-1000:]


@pytest.mark.timeout(300)
def test_it_comes_back_from_a_backup_on_sqlite() -> None:
    run_drill()


@pytest.mark.timeout(300)
def test_it_comes_back_from_a_backup_on_postgresql() -> None:
    with postgresql() as server:
        run_drill(ON_POSTGRESQL, DATABASE_URL=make_database(server, "control"))
