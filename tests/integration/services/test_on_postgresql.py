"""On PostgreSQL as well: webhooks beside a dead and a slow receiver, and guesses of passwords side by side."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import make_database, postgresql

ROOT = Path(__file__).resolve().parents[3]
MANY = os.environ.get("WEBHOOK_EVENTS", "40")  # 10000 makes it the measurement of docs/webhooks.md
AGAIN = (
    "tests/integration/services/webhooks/test_dispatcher.py",
    "tests/integration/services/test_sign_in.py",
    *("-k", "delay_nobody or within_a_second or test_sign_in"),
)


@pytest.mark.timeout(600 + int(MANY) // 5)
def test_services_keep_their_promises_on_postgresql() -> None:
    with postgresql() as server:
        environment = {**os.environ, "DATABASE_URL": make_database(server, "control"), "WEBHOOK_EVENTS": MANY}
        environment.pop("PYTEST_XDIST_WORKER", None)
        command = [sys.executable, "-m", "pytest", "-qs", "-p", "no:cacheprovider", *AGAIN]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    print(*(line for line in result.stdout.splitlines() if "healthy p95" in line or "first attempt" in line), sep="\n")
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-1000:]
