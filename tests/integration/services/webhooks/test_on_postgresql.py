"""The dispatcher's promises again on PostgreSQL: a dead and a slow receiver, and doorbells from another connection."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import make_database, postgresql

ROOT = Path(__file__).resolve().parents[4]
AGAIN = ("tests/integration/services/webhooks/test_dispatcher.py", "-k", "delay_nobody or within_a_second")


@pytest.mark.timeout(600 + int(os.environ.get("WEBHOOK_EVENTS", "0")) // 5)
def test_receivers_are_served_as_well_from_postgresql() -> None:
    """WEBHOOK_EVENTS=10000 makes it the measurement of docs/webhooks.md."""
    with postgresql() as server:
        events = os.environ.get("WEBHOOK_EVENTS", "60")
        environment = {**os.environ, "DATABASE_URL": make_database(server, "control"), "WEBHOOK_EVENTS": events}
        environment.pop("PYTEST_XDIST_WORKER", None)
        command = [sys.executable, "-m", "pytest", "-qs", "-p", "no:cacheprovider", *AGAIN]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    print(*(line for line in result.stdout.splitlines() if "healthy p95" in line or "first attempt" in line), sep="\n")
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-1000:]
