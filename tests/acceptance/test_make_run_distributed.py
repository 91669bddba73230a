"""`make run REDIS_URL=... DATABASE_URL=...`: the same product on Redis and PostgreSQL, with processes beside it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.acceptance.installation import Installation, Run, clean_environment, events, free_port, until
from tests.postgres import make_database, postgresql
from tests.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.timeout(300)

MODEL_A = "qwen3.6-35b-a3b-nvfp4"
MODEL_B = "glm-4.7-flash-awq"
DRAIN_SECONDS = 15  # ten, and a slow machine


@dataclass(frozen=True)
class Distributed:
    installation: Installation
    run: Run
    redis: RedisServer
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        """Of another process of this installation."""
        mine = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis.url, "SPARKS": "simulated"}
        return {**clean_environment(), **mine, "SPARKCONTROL_DATA_DIR": str(self.installation.data)}

    @contextmanager
    def beside(self, *argv: str) -> Iterator["subprocess.Popen[bytes]"]:
        folder = self.installation.folder
        with (folder.parent / "beside.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *argv], cwd=folder, env=self.environment, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait(20)

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distributed]:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        url = make_database(stack.enter_context(postgresql()), "control")
        installation = Installation(tmp_path_factory.mktemp("distributed"))
        stack.callback(installation.close)
        run = installation.start(REDIS_URL=redis.url, DATABASE_URL=url)
        yield Distributed(installation, run, redis, url)
        run.ctrl_c()


@pytest.fixture
def api(distributed: Distributed) -> Iterator[httpx.Client]:
    with distributed.installation.api() as client:
        yield client


def test_both_are_used_and_nothing_else(distributed: Distributed, api: httpx.Client) -> None:
    assert "brpop" in distributed.redis.ask("CLIENT LIST").decode()
    assert distributed.ask("SELECT name FROM cluster_slot") == [("main",)]
    assert not list(distributed.installation.data.glob("*.sqlite3"))
    assert not (distributed.installation.data / "broker").exists()
    until(lambda: api.get("/readyz").status_code == 200, 30, "it is ready")


def test_another_web_process_tells_a_swap_as_it_happens(distributed: Distributed, api: httpx.Client) -> None:
    port = free_port()
    web = ("-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), "sparkcontrol.asgi:application")
    with distributed.beside(*web), httpx.Client(headers=api.headers, base_url=f"http://127.0.0.1:{port}") as other:
        until(lambda: _answers(other), 60, "the second web process answers")
        number = api.post("/api/swap", json={"model": MODEL_A}).json()["id"]
        heard = [(kind, data["seq"]) for kind, data in events(other, f"/api/swap/{number}/stream")]
    assert [seq for _, seq in heard] == list(range(1, len(heard) + 1))
    assert heard[-1][0] == "end"
    assert api.get(f"/api/swap/{number}").json()["status"] == "ready"


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_that_is_asked_to_end_leaves_its_swap_to_another(distributed: Distributed, api: httpx.Client) -> None:
    """What an upgrade does: nobody waits for a lease, and the swap comes to its end."""
    with distributed.beside("-m", "sparkcontrol.worker", "--queues", "swaps", "--threads", "2"):
        until(lambda: len(distributed.ask("SELECT 1 FROM cluster_lookout")) == 2, 60, "two workers look around")
        number = api.post("/api/swap", json={"model": MODEL_B}).json()["id"]
        asked = f"SELECT split_part(owner, ':', 2) FROM swaps_swap WHERE id = {int(number)} AND owner <> ''"
        driver = int(str(until(lambda: distributed.ask(asked), 30, "somebody drives")[0][0]))
        os.kill(driver, signal.SIGTERM)
        began = time.monotonic()
        until(lambda: not _runs(driver), DRAIN_SECONDS, "the worker has ended")
        until(lambda: api.get(f"/api/swap/{number}").json()["ended_at"], 90, "the swap has ended")
    assert api.get(f"/api/swap/{number}").json()["status"] == "ready", time.monotonic() - began


def _runs(pid: int) -> bool:
    """A child that waits for us to notice its end has ended."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_it_swaps_though_redis_forgets_everything(distributed: Distributed, api: httpx.Client) -> None:
    number = api.post("/api/swap", json={"model": MODEL_A}).json()["id"]
    distributed.redis.flush()
    until(lambda: api.get(f"/api/swap/{number}").json()["status"] == "ready", 90, "the swap is ready")
