"""The product over real HTTP: Daphne in a thread of the test process, on the test database."""

import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from services.actions import make_key
from tests.web_server import WebServer

Api = Callable[..., httpx.Client]


@pytest.fixture(scope="session")
def web_server() -> Iterator[WebServer]:
    server = WebServer()
    thread = threading.Thread(target=server.run, name="daphne", daemon=True)
    thread.start()
    server.wait_until_listening()
    yield server
    server.stop()
    thread.join(timeout=10)


@pytest.fixture
def web(web_server: WebServer, transactional_db: None) -> str:
    """Where the product answers in this test."""
    return web_server.url


@pytest.fixture
def api(web: str) -> Iterator[Api]:
    """A client with a fresh key of the scopes named; of none: without a key."""
    clients: list[httpx.Client] = []

    def client(*scopes: str) -> httpx.Client:
        headers = {}
        if scopes:
            _, text = make_key(f"program-{len(clients)}", scopes, by="test")
            headers["Authorization"] = f"Bearer {text}"
        clients.append(httpx.Client(base_url=web, headers=headers, timeout=30))
        return clients[-1]

    yield client
    for opened in clients:
        opened.close()
