"""The lock's tests again on PostgreSQL, and what only PostgreSQL can get wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import make_database, postgresql

ROOT = Path(__file__).resolve().parents[3]
AGAIN = [
    "tests/integration/swaps/test_locks.py",
    "tests/integration/swaps/test_lock_promises.py",
    "tests/integration/swaps/test_lock_machine.py",
    "tests/integration/swaps/test_claims.py",
    "tests/integration/swaps/postgresql_only.py",
    "tests/integration/swaps/drives_on_postgresql.py",
]


@pytest.mark.timeout(600)
def test_everything_said_of_the_lock_is_true_on_postgresql() -> None:
    with postgresql() as server:
        environment = {**os.environ, "DATABASE_URL": make_database(server, "control")}
        environment.pop("PYTEST_XDIST_WORKER", None)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *AGAIN]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-1000:]
