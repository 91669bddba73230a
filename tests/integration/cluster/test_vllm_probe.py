"""The vLLM probe against a real HTTP server that answers as vLLM does, late, wrong, or not at all."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cluster.readings import VllmReading
from cluster.vllm_probe import probe_vllm
from tests.integration.sshd import free_port

METRICS = """\
vllm:num_requests_running{engine="0",model_name="qwen"} 2.0
vllm:num_requests_waiting{engine="0",model_name="qwen"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="qwen"} 0.5
vllm:generation_tokens_total{engine="0",model_name="qwen"} 700.0
vllm:prompt_tokens_total{engine="0",model_name="qwen"} 900.0
"""
MODELS = {
    "object": "list",
    "data": [
        {"id": "qwen", "object": "model", "root": "Qwen/Qwen3-8B", "max_model_len": 32768},
        {"id": "qwen-alias", "object": "model", "root": "Qwen/Qwen3-8B", "max_model_len": 32768},
    ],
}
Reply = tuple[int, Any]


class Vllm(ThreadingHTTPServer):
    """`replies` maps a path to (status, body) or to a function that writes its own answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, dict[str, Any]]] = []
        self.replies: dict[str, Reply | Callable[[BaseHTTPRequestHandler], None]] = {
            "/health": (200, ""),
            "/v1/models": (200, MODELS),
            "/version": (200, {"version": "0.19.1"}),
            "/metrics": (200, METRICS),
            "/v1/chat/completions": (200, {"choices": [{"message": {"content": "O"}}]}),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of these tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Vllm

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else {}
        self.server.seen.append((self.path, self.headers.get("Authorization") or "", body))
        reply = self.server.replies.get(self.path, (404, ""))
        if callable(reply):
            reply(self)
            return
        status, content = reply
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def vllm() -> Iterator[Vllm]:
    with Vllm() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_healthy_vllm_is_read_in_full(vllm: Vllm) -> None:
    reading = probe_vllm(vllm.url + "/", complete=True)
    assert reading.completion_seconds is not None and reading.completion_seconds < 2
    assert reading == VllmReading(
        health_ok=True,
        listens=True,
        model_ids=("qwen", "qwen-alias"),
        roots=("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        max_model_len=32768,
        version="0.19.1",
        running=2,
        waiting=1,
        kv_cache_used=0.5,
        generation_tokens_total=700,
        prompt_tokens_total=900,
        completion_ok=True,
        completion_seconds=reading.completion_seconds,
    )
    body = next(body for path, _, body in vllm.seen if path == "/v1/chat/completions")
    assert (body["model"], body["max_tokens"]) == ("qwen", 1)


def test_no_completion_is_asked_for_unless_wanted(vllm: Vllm) -> None:
    assert probe_vllm(vllm.url).completion_ok is None
    assert not any("completions" in path for path, _, _ in vllm.seen)


def test_a_model_without_a_chat_template_is_asked_plainly(vllm: Vllm) -> None:
    vllm.replies["/v1/chat/completions"] = (400, {"error": {"message": "no chat template"}})
    vllm.replies["/v1/completions"] = (200, {"choices": [{"text": "O"}]})
    assert probe_vllm(vllm.url, complete=True, model="qwen-alias").completion_ok is True
    assert vllm.seen[3][0] == "/v1/completions" and vllm.seen[3][2]["model"] == "qwen-alias"


def test_a_completion_that_fails_is_told(vllm: Vllm) -> None:
    vllm.replies["/v1/chat/completions"] = (500, {"error": "engine"})
    reading = probe_vllm(vllm.url, complete=True)
    assert reading.health_ok and reading.completion_ok is False
    assert "did not complete a test prompt (answered 500)" in reading.error


def test_a_completion_of_nothing_is_no_completion(vllm: Vllm) -> None:
    vllm.replies["/v1/models"] = (200, {"data": []})
    reading = probe_vllm(vllm.url, complete=True)
    assert reading.completion_ok is False and "lists no model" in reading.error


def test_a_dead_engine_is_told(vllm: Vllm) -> None:
    vllm.replies["/health"] = (503, "")
    reading = probe_vllm(vllm.url)
    assert not reading.health_ok and "engine is dead" in reading.error
    assert reading.model_ids == ("qwen", "qwen-alias")


def test_the_key_goes_below_v1_only_and_into_no_message(vllm: Vllm) -> None:
    probe_vllm(vllm.url, api_key="canary", complete=True)
    assert all((key == "Bearer canary") == path.startswith("/v1") for path, key, _ in vllm.seen)
    vllm.replies["/v1/models"] = (401, {"error": "Unauthorized"})
    reading = probe_vllm(vllm.url, api_key="canary")
    assert "asks for an API key" in reading.error and "canary" not in repr(reading)


def test_nothing_there_is_a_value() -> None:
    reading = probe_vllm(f"http://127.0.0.1:{free_port()}", complete=True)
    assert reading.health_ok is False and "Nothing listens" in reading.error


@pytest.mark.parametrize(
    "url", ["", "spark-1:8888", "http://", "ftp://x", "http://a:99999999", "http://[::1", "http://\ud800"]
)
def test_an_address_that_is_none_is_a_value(url: str) -> None:
    assert probe_vllm(url, timeout=1).error


def test_an_unknown_name_is_a_value() -> None:
    assert "cannot be reached" in probe_vllm("http://spark-nowhere.invalid:8888").error


def test_a_password_in_the_address_is_not_repeated() -> None:
    assert "canary" not in probe_vllm(f"http://me:canary@127.0.0.1:{free_port()}").error


def test_a_silent_server_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        reading = probe_vllm(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3)
        assert time.monotonic() - started < 2
    assert "did not answer within 0.3 s" in reading.error


def test_a_server_that_drips_is_given_up_in_time(vllm: Vllm) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    vllm.replies["/v1/models"] = drip
    started = time.monotonic()
    reading = probe_vllm(vllm.url, timeout=0.5)
    assert time.monotonic() - started < 2.5
    assert reading.health_ok and "did not answer within 0.5 s" in reading.error


def test_a_server_that_never_ends_its_answer_is_cut(vllm: Vllm) -> None:
    vllm.replies["/metrics"] = (200, "x" * 9_000_000)
    assert "more than 8 MiB" in probe_vllm(vllm.url, timeout=10).error


def test_a_redirect_is_not_followed(vllm: Vllm) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/stolen")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    vllm.replies["/health"] = elsewhere
    reading = probe_vllm(vllm.url)
    assert not reading.health_ok and "answers /health with 302" in reading.error
    assert not any(path == "/stolen" for path, _, _ in vllm.seen)


@pytest.mark.parametrize(
    "body",
    ["", "not json", "[]", "null", "[" * 100_000, {"data": None}, {"data": [1, {}, {"id": ""}]}, {"data": {"a": 1}}],
)
def test_answers_of_another_shape_are_no_models(vllm: Vllm, body: object) -> None:
    vllm.replies["/v1/models"] = (200, body)
    vllm.replies["/version"] = (200, body)
    reading = probe_vllm(vllm.url)
    assert reading.health_ok and reading.model_ids == () and reading.version is None


def test_a_proxy_of_the_environment_is_not_used(vllm: Vllm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert probe_vllm(vllm.url).health_ok


def test_a_forked_child_asks_over_its_own_connection(vllm: Vllm) -> None:
    assert probe_vllm(vllm.url).health_ok
    child = os.fork()
    if child == 0:
        os._exit(0 if probe_vllm(vllm.url).health_ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert probe_vllm(vllm.url).health_ok
