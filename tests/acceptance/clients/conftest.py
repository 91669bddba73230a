"""One `make run` for all clients: Daphne, a task worker and two simulated Sparks."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.clients.recipes import Shell
from tests.acceptance.installation import Installation, Run, until
from tests.needs import require_program
from tests.sparkctl import Sparkctl

ENDED = ("ready", "failed", "errored", "cancelled")
SWAP_SECONDS = 120


class Product:
    """What the tests ask of the running product behind the clients' backs."""

    def __init__(self, installation: Installation, run: Run) -> None:
        self.installation = installation
        self.process = run
        self.token = ""
        note = installation.first_run()
        self.url = str(note["url"])
        # No connection is kept, because tests here kill the web process.
        self.api = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {note['api_key']}"},
            timeout=30,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def key(self, name: str, *scopes: str) -> str:
        return str(self.api.post("/api/keys", json={"name": name, "scopes": scopes}).raise_for_status().json()["key"])

    def lock(self) -> Any:
        return self.api.get("/api/swap/lock").raise_for_status().json()

    def take(self, **more: Any) -> str:
        """Somebody else has the lock; the token."""
        body = {"holder": "somebody", "purpose": "a demo", **more}
        self.token = str(self.api.post("/api/swap/lock", json=body).raise_for_status().json()["token"])
        return self.token

    def release(self, token: str) -> None:
        self.api.delete("/api/swap/lock", headers={"Swap-Lock-Token": token}).raise_for_status()

    def swaps(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get("/api/swap").raise_for_status().json()["results"]
        return found

    def calm(self) -> None:
        """Nothing is being swapped and nobody holds the lock."""
        for swap in self.swaps():
            if swap["status"] not in ENDED:
                self.api.post(f"/api/swap/{swap['id']}/cancel")
        until(lambda: all(swap["status"] in ENDED for swap in self.swaps()), SWAP_SECONDS, "all swaps have ended")
        if self.lock()["held"]:  # not by force, after which nobody else could take it for 15 s
            self.release(self.token)

    def serves(self) -> str | None:
        model: str | None = self.api.get("/api/slots/main").raise_for_status().json()["serving"]["model"]
        return model


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    require_program("curl", "apt-get install curl")
    installation = Installation(tmp_path_factory.mktemp("clients"))
    try:
        run = installation.start()
        product = Product(installation, run)
        yield product
        product.api.close()
        run.ctrl_c()
    finally:
        installation.close()


@pytest.fixture
def product(running: Product) -> Iterator[Product]:
    yield running
    running.calm()


@pytest.fixture
def shell(product: Product, tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    """Where a newcomer follows the page."""
    key = product.key(request.node.name[5:45], "swap", "lock", "schedule")
    return Shell(tmp_path, {"SPARKCTL_URL": product.url, "SPARKCTL_KEY": key})


@pytest.fixture
def sparkctl(product: Product, tmp_path: Path, request: pytest.FixtureRequest) -> Sparkctl:
    return Sparkctl.from_server(product.url, tmp_path, product.key(request.node.name[5:45], "swap", "lock"))


class Busy(BaseHTTPRequestHandler):
    """A proxy that limits rates, as people put one in front; Spark Control itself never says 429 to a swap."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"status": 429, "detail": "Too many requests; try again in a second."}).encode()
        self.send_response(429)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def too_many() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
